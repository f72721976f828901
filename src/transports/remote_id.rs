//! Ids that the next mail system gave to a message, in the wordings of its replies to the end of a message.

/// Maximum length of an id, in bytes.
const LONGEST: usize = 100;

/// Words before an id, in lower case: Postfix, dma and many relays; Exim; qmail; Exchange.
const BEFORE: [&str; 5] = ["queued as", "queued mail for delivery as", "ok id=", " id=", " qp "];

/// Words after an id, in lower case: Sendmail and OpenSMTPD.
const AFTER: &str = " message accepted for delivery";

/// Returns the id in a reply such as `250 2.0.0 Ok: queued as 4F2A`; `None` if no known wording is found.
pub(super) fn find(reply: &str) -> Option<&str> {
    // ASCII only: the offsets in both texts are the same.
    let lower = reply.to_ascii_lowercase();
    let after = |words: &str| {
        let at = lower.find(words)? + words.len();
        let rest = reply[at..].trim_start_matches([' ', ':', '<']);
        checked(&rest[..rest.find(|c: char| c.is_whitespace() || ")>],;".contains(c)).unwrap_or(rest.len())])
    };
    let before = || checked(reply[..lower.find(AFTER)?].split_whitespace().next_back()?);
    BEFORE.into_iter().find_map(after).or_else(before)
}

/// Returns the id if it can be one: printable, of a sensible length, with a digit, and neither a status nor a reply code.
fn checked(id: &str) -> Option<&str> {
    let id = id.trim_end_matches('.');
    let is_number_of_reply = id.len() <= 5 && id.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_id = (2..=LONGEST).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic())
        && id.bytes().any(|byte| byte.is_ascii_digit());
    (is_id && !is_number_of_reply).then_some(id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_replies_have_an_id() {
        for (reply, id) in [
            ("250 2.0.0 Ok: queued as 4Q3x9T1zyz", "4Q3x9T1zyz"),
            ("2.0.0 Ok: 12 bytes queued as 4F2A", "4F2A"),
            ("250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9A1F3C0042.", "9A1F3C0042"),
            ("250 OK id=1tABcd-000000012Qr-3xYz", "1tABcd-000000012Qr-3xYz"),
            ("250 2.0.0 4AB1C2d3012345 Message accepted for delivery", "4AB1C2d3012345"),
            ("250 2.0.0 1a2b3c4d Message accepted for delivery", "1a2b3c4d"),
            ("250 ok 1777636800 qp 12345678", "12345678"),
            ("Ok: Queued as <20260501.1@mx.example> (trace)", "20260501.1@mx.example"),
        ] {
            assert_eq!(find(reply), Some(id), "{reply}");
        }
    }

    #[test]
    fn other_replies_have_none() {
        for reply in [
            "",
            "250 2.0.0 Ok",
            "sent",
            "250 2.0.0 Message accepted for delivery",
            "queued as",
            "mail queued as usual",
            "250 2.6.0 Queued mail for delivery",
            "2.0.0 ok",
            "queued as \u{f6}1",
        ] {
            assert_eq!(find(reply), None, "{reply}");
        }
    }

    proptest! {
        #[test]
        fn an_id_is_part_of_the_reply(reply in "\\PC{0,20}(queued as|id=| qp | Message accepted for delivery)?\\PC{0,20}") {
            if let Some(id) = find(&reply) {
                prop_assert!(reply.contains(id) && id.is_ascii() && !id.contains(' '));
            }
        }
    }
}
