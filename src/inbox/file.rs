//! From `in/new` into the store: look at the message, ask the hooks, file it, see what it reports, tell of it.
//!
//! Nothing of this can lose the message: until it is safe in the store it stays where it is, and whatever fails is done
//! again by the next run. A message that is filed already is found there by its name.

use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::mail::envelope::Envelope;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::mail::message::folder::Folder;
use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::mail::report::bounce;
use crate::output::observer::NewMail;
use crate::spool::claim::Claim;
use crate::spool::source_state::UnacknowledgedMessage;
use crate::transports::configured::refuse_untrusted;
use crate::transports::maildir;
use crate::transports::notify::NewMailValues;

use crate::inbox::classify::Classification;
use crate::inbox::correlate::{self, SentMailIndex};
use crate::inbox::hooks::{HookDecision, HookRun, check_hooks};
use crate::mail::envelope::recipient::RecipientIndex;

/// What became of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilingResult {
    /// It is in the store.
    Yes,
    /// A hook dropped it.
    Dropped,
    /// It stays where it is, for we were told to stop.
    NotNow,
}

/// Whether the source of a fetched message knows that it is safe here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKnowledge {
    /// It does, and will not give it again.
    Knows,
    /// It may not.
    MayNotKnow,
}

/// Files a received message that was claimed.
pub fn file(
    context: &DeliveryContext<'_>,
    index: &mut SentMailIndex,
    claim: Claim<'_>,
    source: SourceKnowledge,
) -> Result<FilingResult> {
    check_hooks(context)?;
    let message = claim.message();
    let envelope = message.envelope.clone();
    let head = message.first_bytes(MAX_HEADER_BYTES)?;
    let header = Header::scan(&head, InputSupply::End);
    let report = bounce::read_report(&head);
    let look = Classification::of(context.settings, &envelope, header.as_ref(), &report);
    // A line of an mbox that the delivering program put before the message is no part of it.
    let marker = header.as_ref().map_or(0, |header| header.marker.len()) as u64;
    let body_at = message.body_at + marker;
    let mut filer = MessageFiler { context, envelope: &envelope, log: context.spool.log(&envelope.id)? };
    let asked = HookRun { context, envelope: &envelope, look: &look };
    let (decision, troubles) = asked.run(&mut || Ok(claim.unlocked_input(marker)?))?;
    for text in troubles {
        filer.trouble(text)?;
    }
    let folder = match decision {
        HookDecision::In(folder) => folder,
        HookDecision::NotNow => return Ok(FilingResult::NotNow),
        HookDecision::Dropped(hook) => {
            filer.note(LogEvent::Dropped { hook: hook.clone() })?;
            filer.log.sync()?;
            remember_unacknowledged(context, &claim, source)?;
            claim.finish_filed()?;
            context.observer.dropped(&envelope.id, &hook);
            return Ok(FilingResult::Dropped);
        }
    };
    let trace = trace_lines(context, &envelope, header.as_ref());
    let (path, folder) = filer.deliver(&claim, folder, trace.as_bytes(), body_at)?;
    filer.note(LogEvent::Filed { folder: folder.as_str().to_owned(), class: look.class.clone() })?;
    if let Err(error) = correlate::apply_report(context, index, &envelope, &report) {
        // It is filed: to do that again, for what it says could not be noted, would be worse.
        filer.trouble(format!("what it reports could not be taken in: {error:#}"))?;
    }
    remember_unacknowledged(context, &claim, source)?;
    claim.finish_filed()?;
    announce(context, &envelope.id, &look, &folder, path);
    Ok(FilingResult::Yes)
}

/// How the log says that the source knows.
const ACKNOWLEDGED: &[u8] = b"\"event\":\"acknowledged\"";

/// A message whose source may not know that it is safe will come again, and must be known then.
fn remember_unacknowledged(context: &DeliveryContext<'_>, claim: &Claim<'_>, source: SourceKnowledge) -> Result<()> {
    let message = claim.message();
    let (Some(from), SourceKnowledge::MayNotKnow) = (&message.envelope.source, source) else { return Ok(()) };
    if context.spool.read_log(&message.envelope.id)?.windows(ACKNOWLEDGED.len()).any(|part| part == ACKNOWLEDGED) {
        return Ok(());
    }
    let known = UnacknowledgedMessage {
        reference: from.reference.clone(),
        hash: message.fingerprint()?,
        id: message.envelope.id.clone(),
        at: context.now(),
    };
    Ok(context.spool.update_source_state(&from.inbound, |state| state.remember(known))?)
}

/// The lines put before a message (RFC 5321 section 4.4; qmail's `Delivered-To`).
fn trace_lines(context: &DeliveryContext<'_>, envelope: &Envelope, header: Option<&Header<'_>>) -> String {
    let end = header.map_or("\n", Header::line_end);
    let mailbox =
        envelope.address(RecipientIndex::default()).map_or(String::new(), |address| address.text().to_owned());
    let mut lines = String::new();
    if !header.is_some_and(|header| header.has("Return-Path")) {
        lines.push_str(&format!("Return-Path: <{}>{end}", envelope.sender.as_str()));
    }
    lines.push_str(&format!("Delivered-To: {mailbox}{end}"));
    lines.push_str(&format!(
        "Received: by {} (mspool) id {}{end}\tfor <{mailbox}>; {}{end}",
        context.settings.hostname,
        envelope.id,
        envelope.arrival.rfc5322()
    ));
    if header.is_none_or(|header| header.fields.is_empty() && !header.closed) {
        // The message has no header at all: its text must not become one.
        lines.push_str(end);
    }
    lines
}

/// Tells the user, and whoever looks on.
pub fn announce(context: &DeliveryContext<'_>, id: &QueueId, look: &Classification, folder: &Folder, path: PathBuf) {
    let path = path.to_string_lossy().into_owned();
    if let Some(notice) = context.settings.notify.as_ref().filter(|notice| look.class.starts_with(&notice.class)) {
        let news = NewMailValues {
            id: id.as_str(),
            path: &path,
            folder: folder.as_str(),
            class: &look.class,
            from: &look.from,
            subject: &look.subject,
        };
        let trusted = refuse_untrusted(&[notice.configured_command()], &context.settings.trust);
        let told = trusted.map_err(|error| format!("cannot run: {error}"));
        if let Err(text) = told.and_then(|()| notice.run(&news, context.spool.path(), context.program_control())) {
            context.observer.error(&format!("{id}: the command of notify {text}"));
        }
    }
    context.observer.new_mail(&NewMail {
        id: id.clone(),
        path,
        folder: folder.as_str().to_owned(),
        class: look.class.clone(),
        flags: look.flags.clone(),
        from: look.from.clone(),
        subject: look.subject.clone(),
    });
}

struct MessageFiler<'f, 'e> {
    context: &'f DeliveryContext<'e>,
    envelope: &'f Envelope,
    log: crate::spool::log::MessageLog,
}

impl MessageFiler<'_, '_> {
    fn note(&mut self, event: LogEvent) -> Result<()> {
        Ok(self.log.append(&LogRecord::new(self.context.now(), event))?)
    }

    fn trouble(&mut self, text: String) -> Result<()> {
        self.context.observer.error(&format!("{}: {text}", self.envelope.id));
        self.note(LogEvent::Trouble { text })
    }

    /// Files the message. A folder that cannot be used is no reason to keep it from its reader: then the inbox takes it.
    fn deliver(&mut self, claim: &Claim<'_>, folder: Folder, trace: &[u8], body_at: u64) -> Result<(PathBuf, Folder)> {
        let (store, id) = (&self.context.settings.store, self.envelope.id.as_str());
        let file = claim.message().file();
        match maildir::file_message(store, &folder, id, trace, file.as_fd(), body_at) {
            Ok(path) => Ok((path, folder)),
            Err(error) if folder != Folder::inbox() && !error.is_shortage() => {
                let inbox = Folder::inbox();
                let path = maildir::file_message(store, &inbox, id, trace, file.as_fd(), body_at)?;
                self.trouble(format!("the folder {} cannot be used: {error}; the inbox takes it", folder.as_str()))?;
                Ok((path, inbox))
            }
            Err(error) => Err(error.into()),
        }
    }
}
