//! Syntax of a single internet mail address.

/// Returns true for `local@domain` or `local`. The local part is a quoted string, or has none of the characters that
/// are special in an address list (RFC 5322 section 3.2.3); dots can be anywhere, because some providers allow that.
/// Many transports parse their arguments as lists, so a special character would send the mail to a different mailbox.
pub(super) fn is_bare(text: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || "()<>,;:\\\"@[]".contains(c));
    let (local, domain) = match text.strip_prefix('"') {
        Some(rest) => match end_of_quote(rest) {
            Some(end) => (true, rest[end..].strip_prefix('@').or((rest.len() == end).then_some(""))),
            None => return false,
        },
        None => match text.split_once('@') {
            Some((local, domain)) => (plain(local), Some(domain)),
            None => return plain(text),
        },
    };
    let literal = |domain: &str| {
        let inner = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.-".contains(&byte)))
    };
    let alone = text.starts_with('"') && text.ends_with('"');
    local && domain.is_some_and(|domain| plain(domain) || literal(domain) || (domain.is_empty() && alone))
}

/// Returns true for a domain literal, and for a name whose parts have lengths that the DNS permits (RFC 1035, section
/// 2.3.4). Parts that are not ASCII are longer in the DNS or shorter; a final dot is permitted.
pub(super) fn can_exist(domain: &str) -> bool {
    let name = domain.strip_suffix('.').unwrap_or(domain);
    let fits = |part: &str| !part.is_empty() && (part.len() <= 63 || !part.is_ascii());
    domain.is_empty() || domain.starts_with('[') || (name.len() <= 255 && name.split('.').all(fits))
}

/// Returns the offset after the closing quote of a quoted string. `rest` begins after the opening quote.
fn end_of_quote(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' if !escaped => return Some(at + 1),
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    None
}
