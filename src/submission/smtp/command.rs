//! Commands of SMTP and LMTP, with the parameters of the extensions that are offered: SIZE (RFC 1870), 8BITMIME
//! (RFC 6152), DSN (RFC 3461), SMTPUTF8 (RFC 6531). The only home of `smtp_proto`.

use std::borrow::Cow;

use smtp_proto::{
    Error, MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME, MAIL_RET_FULL, MAIL_RET_HDRS, MailFrom,
    RCPT_NOTIFY_DELAY, RCPT_NOTIFY_FAILURE, RCPT_NOTIFY_NEVER, RCPT_NOTIFY_SUCCESS, RcptTo, Request,
};

use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::{BodyType, EnvelopeId, NotifyOn, OriginalRecipient, ReturnContent};

use crate::submission::smtp::reply::SmtpReply;

/// How a session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpGreeting {
    /// `HELO`.
    Plain,
    /// `EHLO`.
    Extended,
    /// `LHLO`.
    Lmtp,
}

/// A `MAIL` command.
#[derive(Clone, Debug, PartialEq)]
pub struct MailCommand {
    /// The envelope sender.
    pub sender: Sender,
    /// Bytes that the client announces; 0 where it does not.
    pub size: u64,
    /// What it says of them.
    pub body: Option<BodyType>,
    /// How much of the message a report carries.
    pub ret: Option<ReturnContent>,
    /// The sender's own name for the message.
    pub envid: Option<EnvelopeId>,
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub enum SmtpCommand {
    /// The client says its name.
    Hello(SmtpGreeting, String),
    /// A message begins.
    Mail(MailCommand),
    /// Somebody gets it.
    Rcpt(Recipient),
    /// Its text comes.
    Data,
    /// What was begun is forgotten.
    Rset,
    /// Nothing.
    Noop,
    /// Is that an address?
    Vrfy,
    /// What can be said here?
    Help,
    /// The end.
    Quit,
}

/// Reads a command, its line end included.
///
/// # Errors
/// The reply to one that cannot be taken.
pub fn parse(line: &[u8]) -> Result<SmtpCommand, SmtpReply> {
    if std::str::from_utf8(line).is_err() {
        return Err(SmtpReply::new(501, "5.5.2", "that line is not UTF-8"));
    }
    let (line, path) = without_path(line);
    let path = path.as_deref();
    let request = Request::parse(&mut line.iter()).map_err(|error| complaint(&error))?;
    Ok(match request {
        Request::Helo { host } => SmtpCommand::Hello(SmtpGreeting::Plain, host.into_owned()),
        Request::Ehlo { host } => SmtpCommand::Hello(SmtpGreeting::Extended, host.into_owned()),
        Request::Lhlo { host } => SmtpCommand::Hello(SmtpGreeting::Lmtp, host.into_owned()),
        Request::Mail { from } => SmtpCommand::Mail(mail(&from.into_owned(), path)?),
        Request::Rcpt { to } => SmtpCommand::Rcpt(recipient(&to.into_owned(), path)?),
        Request::Data => SmtpCommand::Data,
        Request::Rset => SmtpCommand::Rset,
        Request::Noop { .. } => SmtpCommand::Noop,
        Request::Vrfy { .. } => SmtpCommand::Vrfy,
        Request::Help { .. } => SmtpCommand::Help,
        Request::Quit => SmtpCommand::Quit,
        other => return Err(SmtpReply::new(502, "5.5.1", format!("{} is not offered here", other.name()))),
    })
}

/// What stands in for an address while the parser reads the rest: its own reading of addresses drops quotes and wants a
/// domain, which `postmaster` need not have (RFC 5321 section 4.5.1).
const PLACEHOLDER: &str = "placeholder@invalid";

/// The line with a placeholder for what stands between `<` and `>`, and that: without the route of old times.
fn without_path(line: &[u8]) -> (Cow<'_, [u8]>, Option<String>) {
    let bounds = || {
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
    };
    let Some((open, close)) = bounds().filter(|(open, close)| close - open > 1) else {
        return (Cow::Borrowed(line), None);
    };
    let text = String::from_utf8_lossy(&line[open + 1..close]).into_owned();
    let path = match text.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address.to_owned(),
        None => text,
    };
    (Cow::Owned([&line[..=open], PLACEHOLDER.as_bytes(), &line[close..]].concat()), Some(path))
}

fn complaint(error: &Error) -> SmtpReply {
    match error {
        Error::InvalidSenderAddress => SmtpReply::new(501, "5.1.7", "that is no sender's address"),
        Error::InvalidRecipientAddress => SmtpReply::new(501, "5.1.3", "that is no recipient's address"),
        Error::SyntaxError { syntax } => SmtpReply::new(501, "5.5.4", format!("wrong syntax; it is {syntax}")),
        Error::InvalidParameter { param } => SmtpReply::new(501, "5.5.4", format!("the parameter {param} is wrong")),
        Error::UnsupportedParameter { param } => {
            SmtpReply::new(555, "5.5.4", format!("the parameter {param} is not offered"))
        }
        _ => SmtpReply::new(500, "5.5.1", "no such command"),
    }
}

fn mail(from: &MailFrom<String>, path: Option<&str>) -> Result<MailCommand, SmtpReply> {
    let sender = Sender::parse(path.unwrap_or(&from.address))
        .map_err(|error| SmtpReply::new(501, "5.1.7", format!("the sender's address {error}")))?;
    let unoffered = [
        ("HOLDFOR", from.hold_for != 0),
        ("HOLDUNTIL", from.hold_until != 0),
        ("BY", from.by != 0),
        ("MT-PRIORITY", from.mt_priority != 0),
        ("MTRK", from.mtrk.is_some()),
        ("BODY=BINARYMIME", from.flags & MAIL_BODY_BINARYMIME != 0),
    ];
    if let Some((name, _)) = unoffered.iter().find(|(_, given)| *given) {
        return Err(SmtpReply::new(555, "5.5.4", format!("the parameter {name} is not offered")));
    }
    let has = |flag: u64| from.flags & flag != 0;
    let envid = from.env_id.as_deref().map(EnvelopeId::parse).transpose();
    Ok(MailCommand {
        sender,
        size: from.size as u64,
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
    let address = Address::new(AddressType::smtp(), path.unwrap_or(&to.address))
        .map_err(|error| SmtpReply::new(501, "5.1.3", format!("the recipient's address {error}")))?;
    let has = |flag: u64| to.flags & flag != 0;
    let any = RCPT_NOTIFY_SUCCESS | RCPT_NOTIFY_FAILURE | RCPT_NOTIFY_DELAY | RCPT_NOTIFY_NEVER;
    if has(RCPT_NOTIFY_NEVER) && has(any & !RCPT_NOTIFY_NEVER) {
        return Err(SmtpReply::new(501, "5.5.4", "NOTIFY=NEVER stands alone"));
    }
    let notify = has(any).then(|| NotifyOn {
        success: has(RCPT_NOTIFY_SUCCESS),
        failure: has(RCPT_NOTIFY_FAILURE),
        delay: has(RCPT_NOTIFY_DELAY),
    });
    let orcpt = to.orcpt.as_ref().map(|text| {
        // The parser gives the address, and for other types than internet mail the type before it.
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
    fn what_is_not_offered_is_refused() {
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
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line: Vec<u8>, word in "(MAIL FROM:|RCPT TO:|EHLO )?[<a-z@> ;=+0-9A-Z\r]{0,60}") {
            let _ = parse(&line);
            let _ = parse(format!("{word}\n").as_bytes());
        }
    }
}
