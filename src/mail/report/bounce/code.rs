//! Status codes in free text: an enhanced code (RFC 3463) or an SMTP reply code (RFC 5321 section 4.2).

use crate::mail::status::Status;

/// Highest subject of RFC 3463 section 3. A higher number is part of something else, such as a version.
const HIGHEST_SUBJECT: &str = "7";

/// Returns the first enhanced code of class 4 or 5, or else the generic status of the first such reply code.
pub fn find(text: &str) -> Option<Status> {
    words(text).find_map(enhanced).or_else(|| words(text).find_map(reply))
}

/// Returns the separate runs of digits and dots, each with the character after it.
fn words(text: &str) -> impl Iterator<Item = (&str, Option<char>)> {
    let numeric = |c: char| c.is_ascii_digit() || c == '.';
    let mut before = None;
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| c.is_ascii_digit())?;
            let last = rest.get(..start)?.chars().next_back().or(before);
            let from = rest.get(start..)?;
            let end = from.find(|c| !numeric(c)).unwrap_or(from.len());
            let (word, behind) = from.split_at_checked(end)?;
            before = word.chars().next_back();
            rest = behind;
            if last.is_none_or(|c| !c.is_alphanumeric() && !"._=/$".contains(c)) {
                return Some((word, behind.chars().next()));
            }
        }
    })
}

fn enhanced((word, behind): (&str, Option<char>)) -> Option<Status> {
    let word = word.trim_end_matches('.');
    let subject = word.split('.').nth(1)?;
    let trouble = word.starts_with(['4', '5']) && subject <= HIGHEST_SUBJECT && subject.len() == 1;
    let ends = behind.is_none_or(|c| !c.is_alphanumeric());
    if trouble && ends { Status::parse(word) } else { None }
}

fn reply((word, behind): (&str, Option<char>)) -> Option<Status> {
    let ends = behind.is_none_or(|c| !c.is_alphanumeric() && !"/@_".contains(c));
    let word = word.trim_end_matches('.');
    let &[class, b'0'..=b'5', b'0'..=b'9'] = word.as_bytes() else { return None };
    match class {
        b'4' if ends => Some(Status::TEMPORARY),
        b'5' if ends => Some(Status::FAILED),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_codes_come_first() {
        let found = |text| find(text).map(|status| status.to_string());
        assert_eq!(found("said: 550-5.7.26 no").as_deref(), Some("5.7.26"));
        assert_eq!(found("no connection. (#4.4.1)").as_deref(), Some("4.4.1"));
        assert_eq!(found("host [5.1.1.1]: 451 later, see 5.2.2.").as_deref(), Some("5.2.2"));
        assert_eq!(found("host mx[192.0.2.5] said: 550-no").as_deref(), Some("5.0.0"));
        assert_eq!(found("450: busy").as_deref(), Some("4.0.0"));
    }

    #[test]
    fn other_numbers_are_no_codes() {
        for text in ["Exim 4.94.2", "5.65/1.37", "SIZE=550", "port 587", "id 4502", "a550", "550b", "x-5.1.1a", "2.0.0"]
        {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
