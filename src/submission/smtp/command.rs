//! Commands of SMTP (RFC 5321) and LMTP (RFC 2033), with the parameters of the supported extensions: SIZE (RFC 1870),
//! 8BITMIME (RFC 6152), DSN (RFC 3461), SMTPUTF8 (RFC 6531). The only module that uses `smtp_proto`.

use std::borrow::Cow;

use smtp_proto::{
    Error, MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME, MAIL_RET_FULL, MAIL_RET_HDRS, MailFrom,
    RCPT_NOTIFY_DELAY, RCPT_NOTIFY_FAILURE, RCPT_NOTIFY_NEVER, RCPT_NOTIFY_SUCCESS, RcptTo, Request,
};

use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::{BodyType, EnvelopeId, NotifyOn, OriginalRecipient, ReturnContent};

use crate::submission::smtp::reply::SmtpReply;
use crate::values::quoting::quoted;

/// Greeting command that opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpGreeting {
    /// `HELO`.
    Plain,
    /// `EHLO`.
    Extended,
    /// `LHLO`.
    Lmtp,
}

/// Parameters of `MAIL FROM`.
#[derive(Clone, Debug, PartialEq)]
pub struct MailCommand {
    /// Envelope sender.
    pub sender: Sender,
    /// Declared size of the message in bytes (RFC 1870); 0 if the client declares none.
    pub size: u64,
    /// Body type (RFC 6152), if declared.
    pub body: Option<BodyType>,
    /// Part of the message that a bounce returns (RFC 3461 section 4.3), if requested.
    pub ret: Option<ReturnContent>,
    /// Envelope id of the sender (RFC 3461 section 4.4), if given.
    pub envid: Option<EnvelopeId>,
}

/// Parsed command.
#[derive(Clone, Debug, PartialEq)]
pub enum SmtpCommand {
    /// `HELO`, `EHLO` or `LHLO`, with the client's name.
    Hello(SmtpGreeting, String),
    /// `MAIL`: begins a message.
    Mail(MailCommand),
    /// `RCPT`: adds a recipient.
    Rcpt(Recipient),
    /// `DATA`: the text of the message follows.
    Data,
    /// `RSET`: discards the message that was begun.
    Rset,
    /// `NOOP`: no effect.
    Noop,
    /// `VRFY`: asks if an address is valid.
    Vrfy,
    /// `HELP`: asks for the commands.
    Help,
    /// `QUIT`: ends the session.
    Quit,
}

/// Parses a command line, including its line end.
///
/// # Errors
/// The reply 5xx to a line that is not a valid or supported command.
pub fn parse(line: &[u8]) -> Result<SmtpCommand, SmtpReply> {
    if std::str::from_utf8(line).is_err() {
        return Err(SmtpReply::new(501, "5.5.2", "the line is not UTF-8"));
    }
    let size = check_parameters(line)?;
    let (line, path) = without_path(line);
    let path = path.as_deref();
    let request = Request::parse(&mut line.iter()).map_err(|error| error_reply(&error))?;
    Ok(match request {
        Request::Helo { host } => SmtpCommand::Hello(SmtpGreeting::Plain, host.into_owned()),
        Request::Ehlo { host } => SmtpCommand::Hello(SmtpGreeting::Extended, host.into_owned()),
        Request::Lhlo { host } => SmtpCommand::Hello(SmtpGreeting::Lmtp, host.into_owned()),
        Request::Mail { from } => SmtpCommand::Mail(MailCommand { size, ..mail(&from.into_owned(), path)? }),
        Request::Rcpt { to } => SmtpCommand::Rcpt(recipient(&to.into_owned(), path)?),
        Request::Data => SmtpCommand::Data,
        Request::Rset => SmtpCommand::Rset,
        Request::Noop { .. } => SmtpCommand::Noop,
        Request::Vrfy { .. } => SmtpCommand::Vrfy,
        Request::Help { .. } => SmtpCommand::Help,
        Request::Quit => SmtpCommand::Quit,
        other => return Err(SmtpReply::new(502, "5.5.1", format!("{} is not supported", other.name()))),
    })
}

/// Address that replaces the real one for the parser, which drops quotes and requires a domain; `postmaster` has none
/// (RFC 5321 section 4.5.1).
const PLACEHOLDER: &str = "placeholder@invalid";

/// Returns true for a line of another protocol: a request of HTTP, or a header field.
///
/// A page of the web can make a browser send such lines to any port, with a body that reads as SMTP.
pub fn is_foreign(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_ascii_whitespace();
    let Some(first) = words.next() else { return false };
    let is_field = first
        .split_once(':')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    let is_request = HTTP_METHODS.iter().any(|method| method.eq_ignore_ascii_case(first));
    is_field || is_request || words.last().is_some_and(|last| last.to_ascii_uppercase().starts_with("HTTP/"))
}

/// Methods of HTTP (RFC 9110 section 9, RFC 5789; `PRI` begins HTTP/2, RFC 9113 section 3.4).
const HTTP_METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"];

/// Checks the values that the parser accepts in any form, and returns that of `SIZE`, 0 without one.
///
/// # Errors
/// The reply 501 to a size that is not a number of at most 20 digits (RFC 1870 section 4), and to an envelope id or an
/// original recipient that is not xtext (RFC 3461 section 4); 552 to a size beyond 64 bits.
fn check_parameters(line: &[u8]) -> Result<u64, SmtpReply> {
    let after_path = path_bounds(line).map_or(&[][..], |(_, close)| &line[close + 1..]);
    let text = String::from_utf8_lossy(after_path);
    let mut size = 0;
    for (name, value) in text.split_ascii_whitespace().filter_map(|word| word.split_once('=')) {
        let is_valid = match name.to_ascii_uppercase().as_str() {
            "SIZE" => {
                let is_number = (1..=20).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
                size = match value.parse() {
                    Ok(size) => size,
                    Err(_) if is_number => return Err(SmtpReply::new(552, "5.3.4", "no message is that large")),
                    Err(_) => 0,
                };
                is_number
            }
            "ENVID" => is_xtext(value),
            "ORCPT" => value.split_once(';').is_some_and(|(kind, address)| !kind.is_empty() && is_xtext(address)),
            _ => true,
        };
        if !is_valid {
            return Err(SmtpReply::new(501, "5.5.4", format!("parameter {} has an invalid value", quoted(name))));
        }
    }
    Ok(size)
}

/// Returns true for xtext (RFC 3461 section 4): printable ASCII without `+` and `=`, which are written `+2B` and `+3D`.
fn is_xtext(text: &str) -> bool {
    let mut bytes = text.bytes();
    let is_hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
    while let Some(byte) = bytes.next() {
        let is_valid = match byte {
            b'+' => is_hex(bytes.next()) && is_hex(bytes.next()),
            b'=' => false,
            byte => byte.is_ascii_graphic(),
        };
        if !is_valid {
            return false;
        }
    }
    !text.is_empty()
}

/// Returns the positions of the `<` and the `>` of the address in a line.
fn path_bounds(line: &[u8]) -> Option<(usize, usize)> {
    let open = line.iter().position(|byte| *byte == b'<')?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in line.iter().enumerate().skip(open + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some((open, at)),
            _ => {}
        }
    }
    None
}

/// Returns the line with a placeholder between `<` and `>`, and the text that was there, without a source route
/// (RFC 5321 appendix C).
fn without_path(line: &[u8]) -> (Cow<'_, [u8]>, Option<String>) {
    let Some((open, close)) = path_bounds(line).filter(|(open, close)| close - open > 1) else {
        return (Cow::Borrowed(line), None);
    };
    let text = String::from_utf8_lossy(&line[open + 1..close]).into_owned();
    let path = match text.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address.to_owned(),
        None => text,
    };
    (Cow::Owned([&line[..=open], PLACEHOLDER.as_bytes(), &line[close..]].concat()), Some(path))
}

fn error_reply(error: &Error) -> SmtpReply {
    match error {
        Error::InvalidSenderAddress => SmtpReply::new(501, "5.1.7", "MAIL FROM needs an address in <>"),
        Error::InvalidRecipientAddress => SmtpReply::new(501, "5.1.3", "RCPT TO needs an address in <>"),
        Error::SyntaxError { syntax } => SmtpReply::new(501, "5.5.4", format!("syntax error; expected {syntax}")),
        Error::InvalidParameter { param } => {
            SmtpReply::new(501, "5.5.4", format!("parameter {} has an invalid value", quoted(param)))
        }
        Error::UnsupportedParameter { param } => {
            SmtpReply::new(555, "5.5.4", format!("parameter {} is not supported", quoted(param)))
        }
        _ => SmtpReply::new(500, "5.5.1", "unknown command; send HELP for a list"),
    }
}

fn mail(from: &MailFrom<String>, path: Option<&str>) -> Result<MailCommand, SmtpReply> {
    let text = path.unwrap_or(&from.address);
    let sender = Sender::parse(text)
        .map_err(|error| SmtpReply::new(501, "5.1.7", format!("sender {} {error}", quoted(text))))?;
    let unsupported = [
        ("HOLDFOR", from.hold_for != 0),
        ("HOLDUNTIL", from.hold_until != 0),
        ("BY", from.by != 0),
        ("MT-PRIORITY", from.mt_priority != 0),
        ("MTRK", from.mtrk.is_some()),
        ("BODY=BINARYMIME", from.flags & MAIL_BODY_BINARYMIME != 0),
    ];
    if let Some((name, _)) = unsupported.iter().find(|(_, given)| *given) {
        return Err(SmtpReply::new(555, "5.5.4", format!("parameter {} is not supported", quoted(name))));
    }
    let has = |flag: u64| from.flags & flag != 0;
    let envid = from.env_id.as_deref().map(EnvelopeId::parse).transpose();
    Ok(MailCommand {
        sender,
        size: 0,
        body: match (has(MAIL_BODY_8BITMIME), has(MAIL_BODY_7BIT)) {
            (true, _) => Some(BodyType::EightBitMime),
            (_, true) => Some(BodyType::SevenBit),
            _ => None,
        },
        ret: match (has(MAIL_RET_FULL), has(MAIL_RET_HDRS)) {
            (true, _) => Some(ReturnContent::Full),
            (_, true) => Some(ReturnContent::Hdrs),
            _ => None,
        },
        envid: envid.map_err(|error| SmtpReply::new(501, "5.5.4", format!("ENVID: {error}")))?,
    })
}

fn recipient(to: &RcptTo<String>, path: Option<&str>) -> Result<Recipient, SmtpReply> {
    let text = path.unwrap_or(&to.address);
    let address = Address::new(AddressType::smtp(), text)
        .map_err(|error| SmtpReply::new(501, "5.1.3", format!("recipient {} {error}", quoted(text))))?;
    let has = |flag: u64| to.flags & flag != 0;
    let any = RCPT_NOTIFY_SUCCESS | RCPT_NOTIFY_FAILURE | RCPT_NOTIFY_DELAY | RCPT_NOTIFY_NEVER;
    if has(RCPT_NOTIFY_NEVER) && has(any & !RCPT_NOTIFY_NEVER) {
        return Err(SmtpReply::new(501, "5.5.4", "NOTIFY=NEVER excludes other values of NOTIFY"));
    }
    let notify = has(any).then(|| NotifyOn {
        success: has(RCPT_NOTIFY_SUCCESS),
        failure: has(RCPT_NOTIFY_FAILURE),
        delay: has(RCPT_NOTIFY_DELAY),
    });
    let orcpt = to.orcpt.as_ref().map(|text| {
        // The parser drops the type `rfc822` and keeps others before the address.
        let typed = if text.contains(';') { text.clone() } else { format!("rfc822;{text}") };
        OriginalRecipient::parse(&typed)
    });
    let orcpt = orcpt.transpose().map_err(|error| SmtpReply::new(501, "5.5.4", format!("ORCPT: {error}")))?;
    Ok(Recipient { notify, orcpt, ..Recipient::from(address) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(line: &str) -> u16 {
        parse(format!("{line}\r\n").as_bytes()).unwrap_err().code
    }

    #[test]
    fn commands_with_the_parameters_that_are_offered() {
        let SmtpCommand::Mail(mail) =
            parse(b"MAIL FROM:<joe@x> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=QQ+2B1 SMTPUTF8\r\n").unwrap()
        else {
            panic!("no MAIL");
        };
        assert_eq!((mail.sender.as_str(), mail.size, mail.ret), ("joe@x", 100, Some(ReturnContent::Hdrs)));
        assert_eq!((mail.body, mail.envid.unwrap().as_str()), (Some(BodyType::EightBitMime), "QQ+1"));
        let SmtpCommand::Rcpt(to) = parse(b"RCPT TO:<bob@x> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B1@x\r\n").unwrap()
        else {
            panic!("no RCPT");
        };
        assert_eq!((to.address.text(), to.notify.unwrap().to_string()), ("bob@x", "success,delay".into()));
        assert_eq!(to.orcpt.unwrap().to_string(), "rfc822;Bob+1@x");
        let SmtpCommand::Rcpt(to) = parse(b"RCPT TO:<Postmaster> NOTIFY=NEVER\r\n").unwrap() else {
            panic!("no RCPT");
        };
        assert_eq!(to.address.text(), "Postmaster");
        for address in ["\"a b\"@x", "\"a@b\"@x", "\"a>b\"@x", "f@[192.0.2.1]", "f@[IPv6:::1]"] {
            let SmtpCommand::Rcpt(to) = parse(format!("RCPT TO:<{address}>\r\n").as_bytes()).unwrap() else {
                panic!("no RCPT");
            };
            assert_eq!(to.address.text(), address);
        }
        assert_eq!(parse(b"mail from:<>\r\n").unwrap(), parse(b"MAIL FROM:<>\r\n").unwrap());
    }

    #[test]
    fn unsupported_commands_and_parameters_are_refused() {
        assert_eq!(code("AUTH PLAIN AAAA"), 502);
        assert_eq!(code("STARTTLS"), 502);
        assert_eq!(code("EXPN list"), 502);
        assert_eq!(code("NONSENSE"), 500);
        assert_eq!(code("MAIL FROM:<a@b> BODY=BINARYMIME"), 555);
        assert_eq!(code("MAIL FROM:<a@b> COLOUR=BLUE"), 555);
        assert_eq!(code("RCPT TO:<>"), 501);
        assert_eq!(code("RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS"), 501);
        assert_eq!(parse(b"RCPT TO:<\xff@x>\r\n").unwrap_err().code, 501);
        assert_eq!(code("MAIL FROM:<a b@c>"), 501);
        for size in ["", "x", "-1", "1 2", "123456789012345678901"] {
            let line = format!("MAIL FROM:<a@b> SIZE={size}");
            assert!(parse(format!("{line}\r\n").as_bytes()).is_err() || size == "1 2", "{line}");
        }
        for value in ["Bob@x", "rfc822;", "rfc822;Bob+4", "rfc822;Bob+2b1@x", "rfc822;a=b@x", ";bob@x"] {
            assert_eq!(code(&format!("RCPT TO:<bob@x> ORCPT={value}")), 501, "{value}");
        }
        assert_eq!(code("MAIL FROM:<> ENVID=a+b"), 501);
    }

    #[test]
    fn a_size_beyond_64_bits_is_larger_than_any_limit() {
        assert_eq!(code("MAIL FROM:<> SIZE=18446744073709551716"), 552);
    }

    #[test]
    fn lines_of_other_protocols_are_known() {
        for line in ["POST / HTTP/1.1", "get /x", "CONNECT a:25 HTTP/1.0", "Host: x", "Content-Length:5", "X HTTP/1.1"]
        {
            assert!(is_foreign(line.as_bytes()), "{line}");
        }
        for line in ["EHLO x", "MAIL FROM:<a@b>", "rcpt to:<a@b> SIZE=1", "QUIT", "", "NOOP a:b", ":"] {
            assert!(!is_foreign(line.as_bytes()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line: Vec<u8>, word in "(MAIL FROM:|RCPT TO:|EHLO )?[<a-z@> ;=+0-9A-Z\r]{0,60}") {
            let _ = parse(&line);
            let _ = parse(format!("{word}\n").as_bytes());
        }
    }
}
