//! Edit distance between words, for suggestions in error messages.

/// Returns the Levenshtein distance: the number of characters to insert, delete or replace to turn `a` into `b`.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use crate::values::spelling::distance;

    #[test]
    fn counts_changes() {
        assert_eq!([distance("retry", "retry"), distance("retri", "retry"), distance("", "abc")], [0, 1, 3]);
        assert_eq!([distance("recipent", "recipient"), distance("abc", "cab")], [1, 2]);
    }
}
