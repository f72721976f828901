//! Rules that put one address in another's place.

use crate::mail::address::Address;
use crate::mail::address::pattern::AddressPattern;

/// Rules in order; the first that matches decides.
#[derive(Clone, Debug, Default)]
pub struct RewriteRules(Vec<(AddressPattern, String)>);

impl RewriteRules {
    /// From patterns and what stands in their places. A `*` in the new address is the local part of the old one.
    pub fn new(rules: Vec<(AddressPattern, String)>) -> RewriteRules {
        RewriteRules(rules)
    }

    /// The address that stands in this one's place; `None` when it stays.
    pub fn apply(&self, address: &Address) -> Option<String> {
        let (_, new) = self.0.iter().find(|(pattern, _)| pattern.matches(address))?;
        let local = address.text().rsplit_once('@').map_or(address.text(), |(local, _)| local);
        Some(new.replacen('*', local, 1))
    }

    /// True when there is none.
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
