//! Filing of a received message: from `in/new` through the hooks into the store, with correlation and notification.
//!
//! No step can lose the message: it stays in `in/new` until it is durable in the store, and the next run repeats a step that
//! failed. A message that was already filed is found in the store by its name, so that it is not filed twice.

use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::exit::is_distrust;
use crate::mail::envelope::Envelope;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::mail::message::folder::Folder;
use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::mail::report::bounce;
use crate::output::observer::NewMail;
use crate::spool::claim::Claim;
use crate::spool::draft::UnqueuedMessage;
use crate::spool::log::MessageLog;
use crate::spool::queue_file::QueueFile;
use crate::spool::source_state::UnacknowledgedMessage;
use crate::transports::configured::refuse_untrusted;
use crate::transports::hand_off::EarlierAttempt;
use crate::transports::maildir::{self, FiledMessage, ReadMark};
use crate::transports::notify::NewMailValues;
use crate::values::quoting::quoted;

use crate::inbox::classify::Classification;
use crate::inbox::correlate::{self, Application, ReceivedReport, SentMailIndex};
use crate::inbox::hooks::{HookDecision, HookRun, check_hooks};
use crate::mail::envelope::recipient::RecipientIndex;

/// Result of filing a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilingResult {
    /// The message is in the store.
    Yes,
    /// A hook dropped the message.
    Dropped,
    /// The message stays in the spool: a signal stopped the run, or the report in it cannot be applied yet.
    NotNow,
}

/// Knowledge of a source that its message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKnowledge {
    /// The message was acknowledged, or the source has no acknowledgement: it does not send the message again.
    Knows,
    /// The source may send the message again.
    MayNotKnow,
}

/// Files a claimed message, applies the report in it and notifies the user.
///
/// # Errors
///
/// An error of the spool or of the store; the message then stays in the spool.
pub fn file(
    context: &DeliveryContext<'_>,
    index: &mut SentMailIndex,
    claim: Claim<'_>,
    source: SourceKnowledge,
) -> Result<FilingResult> {
    let filing = steps(context, index, claim.message()).map_err(|error| error.cause)?;
    let id = claim.message().envelope.id.clone();
    if filing.result != FilingResult::NotNow {
        remember_unacknowledged(context, claim.message(), source)?;
        claim.finish_filed()?;
    }
    filing.news.announce(context, &id);
    Ok(filing.result)
}

/// Files a message that was just received from a caller, who learns from the exit status that it is durable. It is queued
/// only if it cannot be filed now.
///
/// # Errors
///
/// An error means that the message was not received.
pub fn file_unqueued(
    context: &DeliveryContext<'_>,
    index: &mut SentMailIndex,
    received: UnqueuedMessage<'_>,
) -> Result<()> {
    match steps(context, index, received.message()) {
        Ok(filing) => {
            let id = received.message().envelope.id.clone();
            if filing.result == FilingResult::NotNow {
                received.queue()?;
            } else {
                received.discard();
            }
            filing.news.announce(context, &id);
        }
        Err(error) => {
            let id = received.message().envelope.id.clone();
            if let Err(mut failed) = received.queue() {
                if error.may_be_filed(context, &id) && !failed.may_be_queued.contains(&id) {
                    failed.may_be_queued.push(id);
                }
                return Err(failed.into());
            }
            let cause = error.cause;
            // An untrusted hook is reported once for all mail, by `pending::file_all`.
            if !is_distrust(&cause) {
                context.observer.error(&format!("{cause:#}; the message is in the spool, and the next run files it"));
            }
        }
    }
    Ok(())
}

/// Error of filing a message.
struct FilingError {
    cause: anyhow::Error,
    /// Folder in which it was being filed, if it came so far.
    folder: Option<Folder>,
}

impl<E: Into<anyhow::Error>> From<E> for FilingError {
    fn from(cause: E) -> FilingError {
        FilingError { cause: cause.into(), folder: None }
    }
}

impl FilingError {
    /// True unless it is certain that the message is not in the store.
    fn may_be_filed(&self, context: &DeliveryContext<'_>, id: &QueueId) -> bool {
        let Some(folder) = &self.folder else { return false };
        let inbox = Folder::inbox();
        let is_in = |folder| maildir::may_have(&context.settings.store, folder, &id.maildir_name(""));
        is_in(folder) || is_in(&inbox)
    }
}

/// What became of a message.
struct Filing {
    result: FilingResult,
    news: FilingNews,
}

/// News of a message, to be told once nothing can make its filing happen again.
enum FilingNews {
    /// There is none.
    None,
    /// It is in the store, at this path.
    Filed { folder: Folder, path: PathBuf, classification: Classification },
    /// This hook dropped it.
    Dropped(String),
}

impl FilingNews {
    fn announce(self, context: &DeliveryContext<'_>, id: &QueueId) {
        match self {
            FilingNews::None => {}
            FilingNews::Filed { folder, path, classification } => {
                announce(context, id, &classification, &folder, path);
            }
            FilingNews::Dropped(hook) => context.observer.dropped(id, &hook),
        }
    }
}

/// Runs the hooks, files the message, and applies the report in it. The message itself stays where it is.
fn steps(
    context: &DeliveryContext<'_>,
    index: &mut SentMailIndex,
    message: &QueueFile,
) -> std::result::Result<Filing, FilingError> {
    check_hooks(context)?;
    let envelope = &message.envelope;
    let head = message.first_bytes(MAX_HEADER_BYTES)?;
    let header = Header::scan(&head, InputSupply::End);
    let report = bounce::read_report(&head);
    let received = ReceivedReport::new(envelope, header.as_ref(), &report);
    if context.spool.history(message)?.was_filed {
        // Another run worked on the message that the report is about.
        let applied = correlate::apply_report(context, index, &received)?;
        return Ok(Filing { result: result_after(&Ok(applied)), news: FilingNews::None });
    }
    let classification = Classification::of(context.settings, envelope, header.as_ref(), &report);
    // A `From ` line that the delivery program put before the message is not part of it.
    let marker = header.as_ref().map_or(0, |header| header.marker.len()) as u64;
    let mut filer = MessageFiler::new(context, envelope)?;
    let hooks = HookRun { context, envelope, classification: &classification };
    let (decision, problems) = hooks.run(&mut || Ok(context.spool.private_copy_of(message, b"", marker)?))?;
    for text in problems {
        filer.record_problem(text)?;
    }
    let folder = match decision {
        HookDecision::In(folder) => folder,
        HookDecision::NotNow => return Ok(Filing { result: FilingResult::NotNow, news: FilingNews::None }),
        HookDecision::Dropped(hook) => {
            filer.record(LogEvent::Dropped { hook: hook.clone() })?;
            filer.log.sync()?;
            return Ok(Filing { result: FilingResult::Dropped, news: FilingNews::Dropped(hook) });
        }
    };
    let mut trace = trace_lines(context, envelope, header.as_ref()).into_bytes();
    // A `Return-Path` that the sender wrote must not be taken for the one of this delivery.
    let kept_fields = header.as_ref().and_then(|header| Some((header.fields_without("Return-Path")?, header.len)));
    let rest_at = kept_fields.as_ref().map_or(message.body_at + marker, |(_, len)| message.body_at + *len as u64);
    trace.extend(kept_fields.map_or_else(Vec::new, |(fields, _)| fields));
    let delivered = filer.deliver(message, folder.clone(), &trace, rest_at);
    let (path, folder) = delivered.map_err(|cause| FilingError { cause, folder: Some(folder) })?;
    let in_folder = |cause| FilingError { cause, folder: Some(folder.clone()) };
    let event = LogEvent::Filed { folder: folder.as_str().to_owned(), class: classification.class.clone() };
    filer.record(event).map_err(in_folder)?;
    let applied = correlate::apply_report(context, index, &received);
    if let Err(error) = &applied {
        filer.record_problem(format!("cannot apply the report in this message yet: {error:#}")).map_err(in_folder)?;
    }
    if result_after(&applied) == FilingResult::NotNow {
        // The next run must know that the message is filed, also after a power failure.
        filer.log.sync().map_err(|error| in_folder(error.into()))?;
        context.spool.sync_log_names().map_err(|error| in_folder(error.into()))?;
    }
    Ok(Filing { result: result_after(&applied), news: FilingNews::Filed { folder, path, classification } })
}

fn result_after(applied: &Result<Application>) -> FilingResult {
    // After an error as well: the message stays, and the next run applies the report. It does not file the message again.
    if matches!(applied, Ok(Application::Done)) { FilingResult::Yes } else { FilingResult::NotNow }
}

/// Records a message that its source may send again, so that the copy is recognized.
fn remember_unacknowledged(context: &DeliveryContext<'_>, message: &QueueFile, source: SourceKnowledge) -> Result<()> {
    let (Some(origin), SourceKnowledge::MayNotKnow) = (&message.envelope.source, source) else { return Ok(()) };
    if context.spool.history(message)?.was_acknowledged {
        return Ok(());
    }
    let known = UnacknowledgedMessage {
        reference: origin.reference.clone(),
        hash: message.fingerprint()?,
        id: message.envelope.id.clone(),
        at: context.now(),
    };
    Ok(context.spool.update_source_state(&origin.inbound, |state| state.remember(known))?)
}

/// Returns the lines that are put before a message: `Return-Path` and `Received` (RFC 5321, section 4.4), and
/// `Delivered-To`, which stops mail loops.
fn trace_lines(context: &DeliveryContext<'_>, envelope: &Envelope, header: Option<&Header<'_>>) -> String {
    let eol = header.map_or("\n", Header::line_end);
    let mailbox =
        envelope.address(RecipientIndex::default()).map_or(String::new(), |address| address.text().to_owned());
    let mut lines = format!("Return-Path: <{}>{eol}Delivered-To: {mailbox}{eol}", envelope.sender.as_str());
    lines.push_str(&format!(
        "Received: by {} (mspool) id {}{eol}\tfor <{mailbox}>; {}{eol}",
        context.settings.hostname,
        envelope.id,
        envelope.arrival.rfc5322()
    ));
    if header.is_none_or(|header| header.fields.is_empty() && !header.closed) {
        // Without this empty line the text of a message that has no header would become part of these fields.
        lines.push_str(eol);
    }
    lines
}

/// Runs the notification command for a filed message, and reports the message to the observer.
pub fn announce(
    context: &DeliveryContext<'_>,
    id: &QueueId,
    classification: &Classification,
    folder: &Folder,
    path: PathBuf,
) {
    let path = path.to_string_lossy().into_owned();
    if let Some(notice) =
        context.settings.notify.as_ref().filter(|notice| classification.class.starts_with(&notice.class))
    {
        let news = NewMailValues {
            id: id.as_str(),
            path: &path,
            folder: folder.as_str(),
            class: &classification.class,
            from: &classification.from,
            subject: &classification.subject,
        };
        let trusted = refuse_untrusted(&[notice.configured_command()], &context.settings.trust);
        let trusted = trusted.map_err(|error| format!("cannot run: {error}"));
        if let Err(text) = trusted.and_then(|()| notice.run(&news, context.spool.path(), context.program_control())) {
            context.observer.error(&format!("{id}: the [notify] command {text}"));
        }
    }
    context.observer.new_mail(&NewMail {
        id: id.clone(),
        path,
        folder: folder.as_str().to_owned(),
        class: classification.class.clone(),
        flags: classification.flags.clone(),
        from: classification.from.clone(),
        subject: classification.subject.clone(),
    });
}

struct MessageFiler<'f, 'e> {
    context: &'f DeliveryContext<'e>,
    envelope: &'f Envelope,
    log: MessageLog,
    /// Whether an earlier run may have filed the message. It made the log before, and an empty log is a sign of it.
    earlier: EarlierAttempt,
}

impl<'f, 'e> MessageFiler<'f, 'e> {
    fn new(context: &'f DeliveryContext<'e>, envelope: &'f Envelope) -> Result<MessageFiler<'f, 'e>> {
        let has_log = context.spool.has_log(&envelope.id)?;
        let earlier = if has_log { EarlierAttempt::MaybeDelivered } else { EarlierAttempt::NotDelivered };
        Ok(MessageFiler { context, envelope, log: context.spool.log(&envelope.id)?, earlier })
    }

    fn record(&mut self, event: LogEvent) -> Result<()> {
        Ok(self.log.append(&LogRecord::new(self.context.now(), event))?)
    }

    /// Prints a problem, and records it in the log of the message.
    fn record_problem(&mut self, text: String) -> Result<()> {
        self.context.observer.error(&format!("{}: {text}", self.envelope.id));
        self.record(LogEvent::Trouble { text })
    }

    /// Writes the message to its folder, or to the inbox if the folder cannot be used: the user must get the message in any
    /// case. Returns the path and the folder.
    fn deliver(&mut self, message: &QueueFile, folder: Folder, head: &[u8], body_at: u64) -> Result<(PathBuf, Folder)> {
        let (store, name) = (&self.context.settings.store, self.envelope.id.maildir_name(""));
        let filed = FiledMessage {
            name: &name,
            mark: ReadMark::Unread,
            head,
            input: message.file().as_fd(),
            body_at,
            earlier_attempt: self.earlier,
        };
        match maildir::file_message(store, &folder, &filed) {
            Ok(path) => Ok((path, folder)),
            Err(error) if folder != Folder::inbox() && !error.is_shortage() => {
                let inbox = Folder::inbox();
                let path = maildir::file_message(store, &inbox, &filed)?;
                self.record_problem(format!(
                    "folder {} cannot be used: {error}; filed in the inbox instead",
                    quoted(folder.as_str())
                ))?;
                Ok((path, inbox))
            }
            Err(error) => Err(error.into()),
        }
    }
}
