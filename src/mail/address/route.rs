//! Routing: the transports that accept a recipient, in the order in which they are tried.

use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::{Address, AddressType};

/// Address types that a transport accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AcceptedTypes {
    /// Every address type is accepted.
    Any,
    /// Exactly these types are accepted. An empty list leaves only the patterns.
    Only(Vec<AddressType>),
}

impl AcceptedTypes {
    /// Returns true if the type is accepted.
    pub fn contains(&self, kind: &AddressType) -> bool {
        match self {
            AcceptedTypes::Any => true,
            AcceptedTypes::Only(kinds) => kinds.contains(kind),
        }
    }
}

/// Addresses that one transport accepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AcceptedAddresses {
    /// Accepted address types.
    pub types: AcceptedTypes,
    /// Accepted address patterns. A match takes precedence over every type.
    pub patterns: Vec<AddressPattern>,
}

/// Returns the transports to ask for an address, in the order of asking: first all whose patterns match, then all that
/// take the type, each in the order of the list. The first has the right of first refusal; only its "not mine" leads to
/// the next.
pub fn candidates<'a, I>(
    transports: impl Iterator<Item = (I, &'a AcceptedAddresses)> + Clone,
    address: &Address,
) -> Vec<I> {
    let by_pattern = |accepts: &AcceptedAddresses| accepts.patterns.iter().any(|pattern| pattern.matches(address));
    let by_type = |accepts: &AcceptedAddresses| accepts.types.contains(address.kind());
    let first = transports.clone().filter(|(_, accepts)| by_pattern(accepts));
    let then = transports.filter(|(_, accepts)| by_type(accepts) && !by_pattern(accepts));
    first.chain(then).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(types: &[&str], patterns: &[&str]) -> AcceptedAddresses {
        let types = if types == ["*"] {
            AcceptedTypes::Any
        } else {
            AcceptedTypes::Only(types.iter().map(|kind| AddressType::parse(kind).unwrap()).collect())
        };
        AcceptedAddresses {
            types,
            patterns: patterns.iter().map(|pattern| AddressPattern::parse(pattern).unwrap()).collect(),
        }
    }

    #[test]
    fn patterns_come_before_types_and_the_list_orders_both() {
        let transports = [
            claims(&["SMTP"], &[]),
            claims(&["FAX"], &["*@fax.example"]),
            claims(&["SMTP"], &["*@example.com", "bob@*"]),
            claims(&[], &["bob@example.com"]),
            claims(&["*"], &[]),
        ];
        let ask = |address| candidates(transports.iter().enumerate(), &Address::parse(address).unwrap());
        assert_eq!(ask("bob@example.com"), [2, 3, 0, 4]);
        assert_eq!(ask("ann@elsewhere.org"), [0, 2, 4]);
        assert_eq!(ask("FAX:+4930"), [1, 4]);
        assert_eq!(ask("4930@fax.example"), [1, 0, 2, 4]);
        assert_eq!(ask("X400:/C=DE/"), [4]);
    }

    #[test]
    fn types_are_compared_exactly() {
        let transports = [claims(&["SMTP", "FAX"], &[])];
        assert_eq!(candidates(transports.iter().enumerate(), &Address::parse("FAXG3:1").unwrap()), Vec::<usize>::new());
    }
}
