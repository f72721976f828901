//! Placeholders of command lines, and the commands in which each is known.

use crate::values::spelling::distance;

/// Purpose of a command line, which determines the known placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplatePurpose {
    /// Delivery: the command of a transport, and its filters.
    Delivery,
    /// `undo`: reverts side effects of filters.
    Undo,
    /// `ack`: tells a source that a message is durable.
    Acknowledgement,
    /// Hook for received or sent messages.
    Hook,
    /// `[notify]`: tells the user about new mail.
    Notice,
}

impl TemplatePurpose {
    fn values(self) -> &'static [(&'static str, Placeholder)] {
        use Placeholder::{
            Attempt, Body, Class, Envid, Folder, From, Id, Path, Recipient, Recipients, Ref, ReturnPath, Sender,
            Subject, Transport,
        };
        match self {
            TemplatePurpose::Delivery => &[
                ("sender", Sender),
                ("return_path", ReturnPath),
                ("recipient", Recipient),
                ("recipients", Recipients),
                ("id", Id),
                ("envid", Envid),
                ("transport", Transport),
                ("attempt", Attempt),
                ("body", Body),
            ],
            TemplatePurpose::Undo => &[("id", Id), ("transport", Transport)],
            TemplatePurpose::Acknowledgement => &[("ref", Ref), ("id", Id)],
            TemplatePurpose::Hook => &[("id", Id), ("class", Class), ("folder", Folder)],
            TemplatePurpose::Notice => &[
                ("id", Id),
                ("class", Class),
                ("folder", Folder),
                ("path", Path),
                ("from", From),
                ("subject", Subject),
            ],
        }
    }
}

/// Placeholder of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placeholder {
    /// Envelope sender.
    Sender,
    /// Envelope sender with a tag that proves bounces.
    ReturnPath,
    /// Only recipient of this run.
    Recipient,
    /// All recipients of this run, one argument each.
    Recipients,
    /// Queue id.
    Id,
    /// Envelope id of the sender, or the queue id with a tag that proves reports.
    Envid,
    /// Name of the transport.
    Transport,
    /// Number of this attempt, from 1.
    Attempt,
    /// Body type that the sender declared: `7BIT`, `8BITMIME` or empty.
    Body,
    /// Reference of the source for the message.
    Ref,
    /// Message class.
    Class,
    /// Folder; empty for the inbox itself.
    Folder,
    /// Path of the filed message.
    Path,
    /// Author, from the `From` field.
    From,
    /// Subject.
    Subject,
}

/// Finds the placeholder of this name.
///
/// # Errors
/// The known name that was probably meant, within two typing errors, if there is one.
pub fn find(word: &str, purpose: TemplatePurpose) -> Result<Placeholder, Option<&'static str>> {
    let known = purpose.values();
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == word) {
        return Ok(*value);
    }
    let near = |name: &&'static str| name.len() > 4 && distance(word, name) <= 2;
    Err(known.iter().map(|(name, _)| *name).filter(near).min_by_key(|name| distance(word, name)))
}
