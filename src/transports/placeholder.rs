//! The placeholders of command lines: which there are, and where each may stand.

use crate::values::spelling::distance;

/// What a command line is for, and with it the placeholders that may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplatePurpose {
    /// Handing a message to a transport, and what goes before and after that.
    Delivery,
    /// Undoing what a filter did elsewhere.
    Undo,
    /// Telling the source of a message that it is safe here.
    Acknowledgement,
    /// Looking at a message before it is filed, or after it was sent.
    Hook,
    /// Telling the user of new mail.
    Notice,
}

impl TemplatePurpose {
    fn values(self) -> &'static [(&'static str, Placeholder)] {
        use Placeholder::{
            Attempt, Body, Class, Envid, Folder, From, Id, Path, Recipient, Recipients, Ref, Sender, Subject, Transport,
        };
        match self {
            TemplatePurpose::Delivery => &[
                ("sender", Sender),
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

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placeholder {
    /// The envelope sender.
    Sender,
    /// The one recipient of this run.
    Recipient,
    /// All recipients of this run, an argument each.
    Recipients,
    /// The queue id.
    Id,
    /// The sender's name for the message, or the queue id.
    Envid,
    /// The transport's name.
    Transport,
    /// The number of this attempt.
    Attempt,
    /// What the sender said of the message's bytes, in SMTP's word; empty where it said nothing.
    Body,
    /// The source's name for a message.
    Ref,
    /// The message class.
    Class,
    /// The folder; empty for the inbox itself.
    Folder,
    /// Where the message was filed.
    Path,
    /// Whom the message is from, by its header.
    From,
    /// Its subject.
    Subject,
}

/// The placeholder of that name, or the one it was probably meant to be.
pub fn find(word: &str, purpose: TemplatePurpose) -> Result<Placeholder, Option<&'static str>> {
    let known = purpose.values();
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == word) {
        return Ok(*value);
    }
    let near = |name: &&'static str| name.len() > 4 && distance(word, name) <= 2;
    Err(known.iter().map(|(name, _)| *name).filter(near).min_by_key(|name| distance(word, name)))
}
