//! Address patterns, in which `*` matches any text.

use crate::mail::address::{Address, AddressError, AddressType, checked, split_type};

/// Pattern such as `*@example.com`, `ops@x` or `FAX:+49*`. Matching ignores case; only `*` is special.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressPattern {
    kind: AddressType,
    shape: PatternShape,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PatternShape {
    Text(String),
    NoDomain,
}

impl AddressPattern {
    /// Parses a pattern. Without a type it matches internet mail addresses, like an address without a type.
    pub fn parse(text: &str) -> Result<AddressPattern, AddressError> {
        let (kind, text) = split_type(text);
        Ok(AddressPattern { kind, shape: PatternShape::Text(checked(text)?.to_ascii_lowercase()) })
    }

    /// Returns a pattern for internet mail addresses without a domain, which are users of this host.
    pub fn without_domain() -> AddressPattern {
        AddressPattern { kind: AddressType::smtp(), shape: PatternShape::NoDomain }
    }

    /// Returns true if the pattern matches the whole address.
    pub fn matches(&self, address: &Address) -> bool {
        let fits = match &self.shape {
            PatternShape::Text(text) => glob(text.as_bytes(), address.text().to_ascii_lowercase().as_bytes()),
            PatternShape::NoDomain => address.domain().is_none(),
        };
        self.kind == *address.kind() && fits
    }
}

/// Matches greedily and backtracks to the last star only. The time is linear in practice, and at most the product of
/// both lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            back = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            p = star + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_match_any_text() {
        let matches = |pattern: &str, address: &str| {
            AddressPattern::parse(pattern).unwrap().matches(&Address::parse(address).unwrap())
        };
        assert!(matches("*@example.com", "bob@EXAMPLE.com"));
        assert!(!matches("*@example.com", "bob@example.com.evil"));
        assert!(!matches("*@example.com", "bob@sub.example.com"));
        assert!(matches("*@*.example.com", "bob@sub.example.com"));
        assert!(matches("ops@x", "OPS@x"));
        assert!(matches("a*b*c", "axxbyybzzc"));
        assert!(!matches("a*b", "a"));
        assert!(matches("*", "anything-at-all"));
        assert!(matches("FAX:+49*", "FAX:+4930"));
        assert!(!matches("*", "FAX:+4930"));
        assert!(matches("?@x", "?@x") && !matches("?@x", "a@x"));
        let local = AddressPattern::without_domain();
        assert!(local.matches(&Address::parse("root").unwrap()) && !local.matches(&Address::parse("root@x").unwrap()));
    }

    proptest! {
        #[test]
        fn cutting_anything_out_for_a_star_still_matches(text in "[a-z.]{1,20}@[a-z.]{1,10}", from in 0usize..30, to in 0usize..30) {
            let (from, to) = (from.min(text.len()), to.min(text.len()));
            let (from, to) = (from.min(to), from.max(to));
            let pattern = format!("{}*{}", &text[..from], &text[to..]);
            let address = Address::recorded(AddressType::smtp(), &text).unwrap();
            prop_assert!(AddressPattern::parse(&pattern).unwrap().matches(&address));
        }
    }
}
