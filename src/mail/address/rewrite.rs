//! Rewrite rules, which replace one address by another.

use crate::mail::address::Address;
use crate::mail::address::pattern::AddressPattern;

/// Ordered rewrite rules. The first rule that matches applies.
#[derive(Clone, Debug, Default)]
pub struct RewriteRules(Vec<(AddressPattern, String)>);

impl RewriteRules {
    /// Builds the rules from patterns and replacement addresses. A `*` in a replacement is the local part of the
    /// original address.
    pub fn new(rules: Vec<(AddressPattern, String)>) -> RewriteRules {
        RewriteRules(rules)
    }

    /// Returns the replacement of an address; `None` if no rule matches.
    pub fn apply(&self, address: &Address) -> Option<String> {
        let (_, new) = self.0.iter().find(|(pattern, _)| pattern.matches(address))?;
        let local = address.text().rsplit_once('@').map_or(address.text(), |(local, _)| local);
        Some(new.replacen('*', local, 1))
    }

    /// Returns true if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rule = |from: &str, to: &str| (AddressPattern::parse(from).unwrap(), to.to_owned());
        let rules = RewriteRules::new(vec![
            rule("root", "ops@example.com"),
            rule("*@laptop.lan", "*@example.com"),
            rule("*", "x@y"),
        ]);
        let apply = |text: &str| rules.apply(&Address::parse(text).unwrap());
        assert_eq!(apply("root").as_deref(), Some("ops@example.com"));
        assert_eq!(apply("Joe@Laptop.lan").as_deref(), Some("Joe@example.com"));
        assert_eq!(apply("other@z").as_deref(), Some("x@y"));
        assert_eq!(apply("FAX:1"), None);
    }
}
