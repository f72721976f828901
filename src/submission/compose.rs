//! Composition of a queued message: the envelope, and the message bytes with the completed header.

use anyhow::Result;

use crate::exit::{RefusalKind, refuse};
use crate::mail::address::list;
use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::envelope::id::{IdGenerator, QueueId};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::{Envelope, Priority, without_duplicates};
use crate::mail::message::completion::{self, HeaderAdditions, SendmailFields};
use crate::mail::message::header::{Header, HeaderField, InputSupply};
use crate::session::Session;
use crate::spool::Spool;
use crate::spool::draft::Draft;
use crate::submission::loops;
use crate::submission::resolve::AddressResolver;
use crate::sys;

use crate::spool::draft::UnsyncedMessage;
use crate::submission::input::{self, MessageHead, MessageInput};
use crate::submission::limits::{check_size, copy_rest};
use crate::submission::options::{HeaderCompletion, HeaderUse, InitialState, SubmissionOptions};
use crate::values::quoting::quoted;
use crate::values::time::Timestamp;

/// Reason for refusing a message without recipients.
pub const NO_RECIPIENT: &str = "the message has no recipient; nothing was queued";

/// Composer of queued messages from inputs.
#[derive(Debug)]
pub struct MessageComposer<'a> {
    /// Settings and services of the command.
    pub session: &'a Session,
    /// Options of the submission.
    pub options: &'a SubmissionOptions,
    /// Spool that gets the messages.
    pub spool: &'a Spool,
    /// Generator of their queue ids.
    pub ids: &'a IdGenerator,
}

impl<'a> MessageComposer<'a> {
    /// Reads one message to its end into a draft, and makes its envelope.
    ///
    /// # Errors
    ///
    /// A refusal if the message is empty, too large, looping, without a recipient, or its header has a bad address; an error of
    /// the input or of the spool.
    pub fn read_message(&self, input: &mut dyn MessageInput) -> Result<(Draft<'a>, Envelope)> {
        let header_use =
            if self.options.completion == HeaderCompletion::None { self.options.header } else { HeaderUse::Recipients };
        let head = input::head(input, header_use)?;
        // sendmail(1) and SMTP accept an empty message, as other mail systems do, and add a header to it.
        if head.bytes.is_empty()
            && !matches!(self.options.completion, HeaderCompletion::Sendmail(_) | HeaderCompletion::Smtp { .. })
        {
            return refuse(RefusalKind::BadData, "the message is empty; nothing was queued");
        }
        let header = Header::scan(&head.bytes, InputSupply::End);
        loops::check_received(header.as_ref())?;
        let (envelope, completed) = self.envelope(&head)?;
        let mut draft = Draft::begin(self.spool, &envelope)?;
        draft.write(self.receipt_request(header.as_ref()).as_bytes())?;
        let body = match (&completed, &header) {
            (Some(new), Some(old)) => {
                draft.write(new)?;
                &head.bytes[old.len..]
            }
            _ => &head.bytes[..],
        };
        draft.write(body)?;
        let limit = self.session.settings.queue.message_limit;
        match head.supply {
            InputSupply::End => check_size(draft.size(), limit)?,
            InputSupply::More => copy_rest(input, &mut draft, limit)?,
        }
        Ok((draft, envelope))
    }

    /// Renames a complete draft into the queue. The message is not synced yet.
    pub fn place(&self, draft: Draft<'a>, envelope: &Envelope) -> Result<UnsyncedMessage<'a>> {
        let due =
            envelope.delayed_until(self.session.now()).filter(|_| self.options.initial_state == InitialState::Queued);
        Ok(draft.rename_into(self.options.initial_state.state(), due)?)
    }

    /// Returns the envelope of a message with this beginning, and the header if it is completed.
    fn envelope(&self, head: &MessageHead) -> Result<(Envelope, Option<Vec<u8>>)> {
        let options = self.options;
        let now = self.session.clock.now();
        let id = self.ids.next_id(now);
        let mut recipients = options.recipients.clone();
        let mut header_sender = None;
        let header = Header::scan(&head.bytes, InputSupply::End);
        let used_header = header.as_ref().filter(|_| options.header == HeaderUse::Recipients);
        if let Some(header) = used_header {
            let HeaderRecipients { addresses, bad } = HeaderRecipients::read(header);
            recipients.extend(addresses);
            match bad.first() {
                Some(first) if recipients.is_empty() => {
                    return refuse(RefusalKind::BadData, format!("{first}; nothing was queued"));
                }
                // The sender gets a report about them, as about any recipient that fails.
                _ => recipients.extend(bad.iter().filter_map(|bad| Address::invalid(&bad.text).ok())),
            }
            header_sender = sender_of(header).filter(|_| options.completion == HeaderCompletion::Submission);
        }
        let mut recipients = without_duplicates(recipients.into_iter().map(Recipient::from).collect());
        if recipients.is_empty() {
            return refuse(RefusalKind::BadData, NO_RECIPIENT);
        }
        for request in &options.requests {
            let key = request.address.key();
            let Some(recipient) = recipients.iter_mut().find(|recipient| recipient.address.key() == key) else {
                return refuse(
                    RefusalKind::BadData,
                    format!("{} is not a recipient of the message; nothing was queued", request.address),
                );
            };
            *recipient = Recipient { address: recipient.address.clone(), ..request.clone() };
        }
        let sender = match (&options.report_to, &options.sender) {
            (Some(sender), _) | (None, Some(sender)) => sender.clone(),
            (None, None) => match header_sender.or_else(|| self.session.settings.sender.clone()) {
                Some(sender) => sender,
                None => self.local_sender()?,
            },
        };
        let mut resolver = AddressResolver::new(&self.session.settings);
        let recipients = without_duplicates(resolver.recipients(recipients)?);
        let sender = resolver.sender(sender);
        let envelope = Envelope {
            body: options.body,
            not_before: options.not_before,
            deliver_by: options.deliver_by,
            expires: options.expires.or_else(|| used_header.and_then(expiry_of)),
            notify: options.notify,
            ret: options.ret,
            envid: options.envid.clone(),
            transport: options.transport.clone(),
            priority: options.priority.or_else(|| used_header.and_then(Priority::of_header)).unwrap_or_default(),
            after_sent: options.after_sent.clone(),
            hops: loops::inherited(self.spool)?,
            running: Some(self.session.time(self.spool)?.running),
            ..Envelope::new(id, now.into(), sender, recipients)
        };
        let completed = header.as_ref().and_then(|header| self.complete(header, &envelope));
        Ok((envelope, completed))
    }

    /// Returns the completed header (RFC 6409, section 8); `None` if it stays unchanged.
    fn complete(&self, header: &Header<'_>, envelope: &Envelope) -> Option<Vec<u8>> {
        let settings = &self.session.settings;
        let date = envelope.arrival.rfc5322();
        let sendmail = match &self.options.completion {
            HeaderCompletion::None => return None,
            HeaderCompletion::Submission => None,
            HeaderCompletion::Sendmail(_) => {
                let resolver = AddressResolver::new(settings);
                let rewrite = |address: String| {
                    let new = resolver.sender(Sender::parse(&address).ok()?);
                    (new.as_str() != address).then(|| (address, new.as_str().to_owned()))
                };
                Some(SendmailFields {
                    received: format!(
                        "by {} (mspool, from userid {})\n\tid {}; {date}",
                        settings.hostname,
                        sys::identity::user(),
                        envelope.id
                    ),
                    rewritten: completion::authors(header).into_iter().filter_map(rewrite).collect(),
                })
            }
            HeaderCompletion::Smtp { from, with } => Some(SendmailFields {
                received: format!(
                    "{from}\n\tby {} (mspool) with {with}\n\tid {}; {date}",
                    settings.hostname, envelope.id
                ),
                rewritten: Vec::new(),
            }),
        };
        let name = match &self.options.completion {
            HeaderCompletion::Sendmail(name) => name.clone().or_else(sys::full_name).unwrap_or_default(),
            _ => String::new(),
        };
        let from = completion::from_value(&name, &self.author(envelope));
        let additions = HeaderAdditions { from, date, message_id: self.message_id(&envelope.id), sendmail };
        Some(completion::completed(header, &additions))
    }

    /// Returns the value of a missing `From`: the sender, or this user for a message with the null sender.
    fn author(&self, envelope: &Envelope) -> Sender {
        if envelope.sender.is_null() { self.local_sender().unwrap_or_default() } else { envelope.sender.clone() }
    }

    /// Returns the field that requests a receipt (RFC 8098, section 2.1), or an empty text if the header has one.
    fn receipt_request(&self, header: Option<&Header<'_>>) -> String {
        const NAME: &str = "Disposition-Notification-To";
        match &self.options.mdn_to {
            Some(to) if !header.is_some_and(|header| header.has(NAME)) => {
                format!("{NAME}: <{}>{}", to.as_str(), header.map_or("\n", Header::line_end))
            }
            _ => String::new(),
        }
    }

    /// Returns a new Message-ID: the unique part of the queue id, at this host.
    fn message_id(&self, id: &QueueId) -> String {
        let host: String =
            self.session.settings.hostname.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
        let host = if host.is_empty() { "localhost".to_owned() } else { host };
        format!("{}@{host}", id.without_host())
    }

    fn local_sender(&self) -> Result<Sender> {
        let text = self.session.settings.own_address();
        Sender::parse(&text).or_else(|error| {
            refuse(
                RefusalKind::Config,
                format!("the sender {} {error}; give one with -f, or \"sender\" in the configuration", quoted(&text)),
            )
        })
    }
}

/// Recipients in the header: `To`, `Cc` and `Bcc`, or their `Resent-` fields.
#[derive(Debug, Default)]
pub struct HeaderRecipients {
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Texts that are not addresses.
    pub bad: Vec<BadHeaderRecipient>,
}

/// Text in a header that should be the address of a recipient, and is not.
#[derive(Debug)]
pub struct BadHeaderRecipient {
    /// Name of the field.
    field: String,
    /// The text.
    pub text: String,
    /// Reason, which continues a sentence that begins with the text.
    reason: String,
}

impl std::fmt::Display for BadHeaderRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "header field {} {}: {}", quoted(&self.field), self.reason, quoted(&self.text))
    }
}

impl HeaderRecipients {
    /// Reads the recipients of a header.
    pub fn read(header: &Header<'_>) -> HeaderRecipients {
        let mut found = HeaderRecipients::default();
        for field in header.recipient_fields() {
            let sorted = list::sort(&field.value());
            let bad = |text: String, reason: String| BadHeaderRecipient { field: name(field), text, reason };
            found.bad.extend(sorted.bad.into_iter().map(|entry| bad(entry.text, entry.error.to_string())));
            for text in sorted.addresses {
                match Address::new(AddressType::smtp(), &text) {
                    Ok(address) => found.addresses.push(address),
                    Err(error) => found.bad.push(bad(text, format!("names an address that {error}"))),
                }
            }
        }
        found
    }
}

/// Returns the time after which a message is of no use, by its header: `Expires` (RFC 4021) or `Expiry-Date`.
fn expiry_of(header: &Header<'_>) -> Option<Timestamp> {
    let field = header.all("Expires").chain(header.all("Expiry-Date")).next()?;
    Timestamp::parse_date(&field.value())
}

/// Returns the name of a header field.
fn name(field: &HeaderField<'_>) -> String {
    String::from_utf8_lossy(field.raw().split(|byte| *byte == b':').next().unwrap_or_default()).trim().to_owned()
}

/// Returns the sender in the header: `Sender`, or the first address of `From` (RFC 5322, section 3.6.2).
pub fn sender_of(header: &Header<'_>) -> Option<Sender> {
    let field = header.all("Sender").next().or_else(|| header.all("From").next())?;
    let first = list::parse(&field.value()).ok()?.into_iter().next()?;
    Sender::parse(&first).ok()
}
