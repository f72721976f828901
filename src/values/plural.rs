//! Counts in messages: singular and plural.

use std::fmt::Display;

/// Returns a count with its noun, which gets an `s` unless the count is one: `1 recipient`, `2 recipients`.
pub fn counted<N: Display + From<u8> + PartialEq>(count: N, noun: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use crate::values::plural::counted;

    #[test]
    fn only_one_is_singular() {
        assert_eq!(counted(0_usize, "recipient"), "0 recipients");
        assert_eq!(counted(1_u64, "recipient"), "1 recipient");
        assert_eq!(counted(2_u32, "recipient"), "2 recipients");
    }
}
