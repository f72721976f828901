//! Envelope commands with the parameters of the extensions that the server offers.

use crate::mail::envelope::request::{NotifyOn, OriginalRecipient, ReturnContent};
use crate::mail::status::Status;
use crate::transports::smtp::capabilities::Capabilities;
use crate::transports::smtp::text::TextScan;
use crate::transports::smtp::transaction::EnvelopeCommands;

/// Envelope of one hand-off, as a server is told of it.
#[derive(Clone, Debug)]
pub struct OutgoingEnvelope<'a> {
    /// Envelope sender; empty for the null sender.
    pub sender: &'a str,
    /// Part of the message that reports return, if the sender chose one.
    pub ret: Option<ReturnContent>,
    /// Envelope id by which reports are recognized.
    pub envid: &'a str,
    /// Recipients.
    pub recipients: Vec<OutgoingRecipient<'a>>,
    /// Properties of the message.
    pub text: TextScan,
}

/// Recipient of a hand-off.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingRecipient<'a> {
    /// Address, a bare mailbox.
    pub address: &'a str,
    /// Reports that the sender requested, if any.
    pub notify: Option<NotifyOn>,
    /// Original recipient, if it is known.
    pub orcpt: Option<&'a OriginalRecipient>,
}

/// Reason why a recipient cannot be given to the server: status and text.
pub type Unsuitable = (Status, String);

impl OutgoingEnvelope<'_> {
    /// Judges the message before it is sent.
    ///
    /// # Errors
    /// The message is larger than the server's limit, or the sender's address needs an extension that is missing.
    pub fn check_message(&self, offered: &Capabilities) -> Result<(), Unsuitable> {
        if !offered.takes_size(self.text.size()) {
            let limit = offered.size.unwrap_or_default();
            let text = format!("the message has {} bytes; the server takes at most {limit}", self.text.size());
            return Err((Status::TOO_BIG, text));
        }
        check_address(self.sender, offered)
    }

    /// Returns the commands for some of the recipients, in this order.
    pub fn commands(&self, recipients: &[OutgoingRecipient<'_>], offered: &Capabilities) -> EnvelopeCommands {
        let mut mail = format!("MAIL FROM:<{}>", self.sender);
        if offered.size.is_some() {
            mail.push_str(&format!(" SIZE={}", self.text.size()));
        }
        if offered.eight_bit && self.text.is_eight_bit() {
            mail.push_str(" BODY=8BITMIME");
        }
        let is_international = |address: &str| !address.is_ascii();
        if is_international(self.sender) || recipients.iter().any(|recipient| is_international(recipient.address)) {
            mail.push_str(" SMTPUTF8");
        }
        if offered.dsn {
            match self.ret {
                Some(ReturnContent::Full) => mail.push_str(" RET=FULL"),
                Some(ReturnContent::Hdrs) => mail.push_str(" RET=HDRS"),
                None => {}
            }
            if !self.envid.is_empty() {
                mail.push_str(&format!(" ENVID={}", xtext(self.envid)));
            }
        }
        let recipient = |recipient: &OutgoingRecipient<'_>| recipient.command(offered);
        EnvelopeCommands { mail, recipients: recipients.iter().map(recipient).collect() }
    }
}

impl OutgoingRecipient<'_> {
    /// Judges the address.
    ///
    /// # Errors
    /// The address needs an extension that is missing.
    pub fn check(&self, offered: &Capabilities) -> Result<(), Unsuitable> {
        check_address(self.address, offered)
    }

    fn command(&self, offered: &Capabilities) -> String {
        let mut line = format!("RCPT TO:<{}>", self.address);
        if !offered.dsn {
            return line;
        }
        if let Some(notify) = self.notify {
            line.push_str(&format!(" NOTIFY={}", notify.to_string().to_ascii_uppercase()));
        }
        // An original recipient beyond ASCII has an encoding of its own (RFC 6533); the parameter is optional.
        if let Some(orcpt) = self.orcpt.filter(|orcpt| orcpt.address().is_ascii()) {
            line.push_str(&format!(" ORCPT={};{}", orcpt.kind(), xtext(orcpt.address())));
        }
        line
    }
}

fn check_address(address: &str, offered: &Capabilities) -> Result<(), Unsuitable> {
    if address.is_ascii() || offered.utf8 {
        return Ok(());
    }
    Err((Status::NEEDS_UTF8, format!("the server does not take addresses beyond ASCII such as {address}")))
}

/// Encodes a text as xtext (RFC 3461 section 4).
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'+' && byte != b'=' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("+{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> TextScan {
        let mut scan = TextScan::default();
        scan.add(text.as_bytes());
        scan
    }

    fn everything() -> Capabilities {
        Capabilities { eight_bit: true, utf8: true, dsn: true, size: Some(50), ..Capabilities::default() }
    }

    #[test]
    fn parameters_follow_what_is_offered() {
        let orcpt = OriginalRecipient::parse("rfc822;a+b=c@example.org").unwrap();
        let recipient = OutgoingRecipient {
            address: "bob@example.org",
            notify: NotifyOn::parse("success,delay").ok(),
            orcpt: Some(&orcpt),
        };
        let envelope = OutgoingEnvelope {
            sender: "",
            ret: Some(ReturnContent::Hdrs),
            envid: "id 1",
            recipients: vec![recipient],
            text: scan("\u{e9}\n"),
        };
        let commands = envelope.commands(&envelope.recipients, &everything());
        assert_eq!(commands.mail, "MAIL FROM:<> SIZE=4 BODY=8BITMIME RET=HDRS ENVID=id+201");
        let line = "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb+3Dc@example.org";
        assert_eq!(commands.recipients, [line]);
        let commands = envelope.commands(&envelope.recipients, &Capabilities::default());
        assert_eq!(
            (commands.mail.as_str(), commands.recipients[0].as_str()),
            ("MAIL FROM:<>", "RCPT TO:<bob@example.org>")
        );
    }

    #[test]
    fn what_the_server_cannot_take_is_judged_before() {
        let recipient = OutgoingRecipient { address: "b\u{fc}@example.org", notify: None, orcpt: None };
        let text = scan(&"x".repeat(50));
        let envelope =
            OutgoingEnvelope { sender: "joe@example.org", ret: None, envid: "", recipients: vec![recipient], text };
        assert_eq!(envelope.check_message(&everything()).unwrap_err().0, Status::TOO_BIG);
        assert!(envelope.check_message(&Capabilities::default()).is_ok());
        assert_eq!(recipient.check(&Capabilities::default()).unwrap_err().0, Status::NEEDS_UTF8);
        assert!(envelope.commands(&envelope.recipients, &everything()).mail.ends_with(" SMTPUTF8"));
    }
}
