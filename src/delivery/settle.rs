//! Moving a message on once nothing more is done for it now: to where its history says it belongs.
//!
//! For a message that is finished there is more to do, in this order: undo what preprocessing did elsewhere, ask the
//! outbound hooks, file the sent copy, and only then move it. A run that dies on the way leaves the message where it
//! was, and the next one does all of it again: the copy is found by its name.

use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Result;

use crate::mail::envelope::{AfterSent, Envelope};
use crate::mail::history::History;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::mail::message::class;
use crate::mail::message::folder::Folder;
use crate::settings::Settings;
use crate::spool::claim::Claim;
use crate::spool::draft::UnsyncedMessage;
use crate::spool::{QueueState, Spool};
use crate::transports::configured::{ConfiguredCommand, refuse_untrusted};
use crate::transports::hand_off::EarlierAttempt;
use crate::transports::hook::{Hook, HookVerdict};
use crate::transports::maildir::{self, FiledMessage, ReadMark};
use crate::transports::placeholder::Placeholder;

use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::{dsn_writer, final_steps, reports_due};
use crate::transports::transport::Transport;

/// Makes the reports that are due on one message, then moves it on.
pub fn conclude(context: &DeliveryContext<'_>, message: ClaimedMessage<'_>) -> Result<()> {
    make_reports(context, &message)?;
    settle(context, message)
}

/// Makes every report that is due on a message, durably.
pub fn make_reports(context: &DeliveryContext<'_>, message: &ClaimedMessage<'_>) -> Result<()> {
    // Nothing is reported that is not durable, also if a run that died left it.
    for event in message.sync_with_names(context.spool)? {
        context.observer.handled(&event);
    }
    let mut written = dsn_writer::write(context, message)?;
    UnsyncedMessage::commit(written.iter_mut().filter_map(|one| one.unsynced.take()).collect())?;
    dsn_writer::record_reports(context, message, written)?;
    for event in message.sync_with_names(context.spool)? {
        context.observer.handled(&event);
    }
    Ok(())
}

/// Moves the message to where its history says it belongs, and lets it go.
pub fn settle(context: &DeliveryContext<'_>, message: ClaimedMessage<'_>) -> Result<()> {
    let time = context.time();
    let queue = &context.settings.queue;
    let (claim, history) = message.into_parts(context.spool);
    if claim.state() == QueueState::Sent {
        // Nothing was due: the message moved with the mark of its result.
        return Ok(());
    }
    debug_assert_eq!(history.recipients.len(), claim.message().envelope.recipients.len(), "a history of this message");
    if history.is_settled() {
        debug_assert!(
            reports_due::due(context.settings, &claim.message().envelope, &history, time).is_empty(),
            "reports are durable before the message is finished"
        );
        if !run_final_steps(context, &claim, &history)? {
            return Ok(());
        }
        let envelope = &claim.message().envelope;
        let kept_sent = final_steps::sent_until(context.settings, envelope, time.running);
        let moved = match (&envelope.after_sent, history.is_sent()) {
            (AfterSent::Delete, true) => claim.delete(),
            (_, true) => claim.finish_sent(kept_sent),
            (_, false) => claim.finish_failed(Some(time.running.after(queue.keep_failed))),
        };
        return Ok(moved?);
    }
    let envelope = &claim.message().envelope;
    let warning = reports_due::next_delay_report(context.settings, envelope, &history, time);
    let wakes = [history.next(), warning, envelope.deadline()].into_iter().flatten().min();
    // A name never sends a message away for longer than the longest back-off: the time in it is believed no further.
    let latest = time.now.after(queue.retry.longest_delay());
    let due = wakes.filter(|_| history.next().is_some()).map(|due| due.min(latest)).filter(|due| *due > time.now);
    debug_assert!(due.is_none_or(|due| due > time.now && due <= latest), "a name never sends a message away for long");
    let moved = if history.was_attempted() { claim.requeue(due, &history) } else { claim.reschedule(due) };
    Ok(moved?)
}

/// Does what comes before a finished message moves. Returns false if a request to stop came first: the message stays
/// where it is.
pub fn run_final_steps(context: &DeliveryContext<'_>, claim: &Claim<'_>, history: &History) -> Result<bool> {
    let envelope = &claim.message().envelope;
    refuse_untrusted(&final_commands(context.settings, history), &context.settings.trust)?;
    undo(context, envelope, history)?;
    if !history.reached_any() {
        return Ok(true);
    }
    let copy = final_steps::sent_copy(context.settings, envelope);
    let filing = match &history.hook_answer {
        // An earlier run asked them, and could not do the rest.
        Some(Some(folder)) => SentCopyTarget::In(Folder::parse(folder).unwrap_or_default()),
        Some(None) => SentCopyTarget::Dropped,
        None => ask_hooks(context, claim, envelope, copy.as_deref())?,
    };
    match filing {
        SentCopyTarget::Interrupted => return Ok(false),
        SentCopyTarget::Dropped => {}
        SentCopyTarget::In(folder) => {
            if let Some(maildir) = &copy {
                let message = claim.message();
                maildir::file_message(
                    maildir,
                    &folder,
                    &FiledMessage {
                        name: &envelope.id.maildir_name(""),
                        mark: ReadMark::Read,
                        head: b"",
                        input: message.file().as_fd(),
                        body_at: message.body_at,
                        earlier_attempt: EarlierAttempt::MaybeDelivered,
                    },
                )?;
            }
        }
    }
    Ok(true)
}

/// Commands that run before a finished message moves: undo commands, and the hooks unless they were asked before.
fn final_commands(settings: &Settings, history: &History) -> Vec<ConfiguredCommand> {
    let undo = final_steps::transports_to_undo(settings, history).filter_map(Transport::undo_command);
    let asks = history.reached_any() && history.hook_answer.is_none();
    let hooks = settings.outbound_hooks.iter().filter(|_| asks).map(Hook::configured_command);
    undo.chain(hooks).collect()
}

/// Runs the undo commands of all transports that were given the message.
pub fn undo(context: &DeliveryContext<'_>, envelope: &Envelope, history: &History) -> Result<()> {
    for transport in final_steps::transports_to_undo(context.settings, history) {
        if let Err(text) = transport.undo(envelope.id.as_str(), context.spool.path(), context.program_control()) {
            let text = format!("undo of transport {} {text}", transport.name);
            context.observer.error(&format!("{}: {text}", envelope.id));
            append_trouble(context, context.spool, envelope, text)?;
        }
    }
    Ok(())
}

fn append_trouble(context: &DeliveryContext<'_>, spool: &Spool, envelope: &Envelope, text: String) -> Result<()> {
    Ok(spool.log(&envelope.id)?.append(&LogRecord::new(context.now(), LogEvent::Trouble { text }))?)
}

/// What the outbound hooks came to.
enum SentCopyTarget {
    In(Folder),
    Dropped,
    Interrupted,
}

fn ask_hooks(
    context: &DeliveryContext<'_>,
    claim: &Claim<'_>,
    envelope: &Envelope,
    copy: Option<&Path>,
) -> Result<SentCopyTarget> {
    let mut folder = Folder::inbox();
    let recipients: Vec<&str> = envelope.recipients.iter().map(|recipient| recipient.address.text()).collect();
    for hook in &context.settings.outbound_hooks {
        let own = [
            ("MSPOOL_ID", envelope.id.to_string()),
            ("MSPOOL_SENDER", envelope.sender.as_str().to_owned()),
            ("MSPOOL_RECIPIENTS", cut_list(&recipients.join("\n"))),
            ("MSPOOL_ENVID", envelope.report_id().to_owned()),
            ("MSPOOL_CLASS", class::MAIL.to_owned()),
            ("MSPOOL_FOLDER", folder.as_str().to_owned()),
            ("MSPOOL_SENT", copy.map_or(String::new(), |path| path.to_string_lossy().into_owned())),
            ("MSPOOL_SPOOL", context.spool.path().to_string_lossy().into_owned()),
        ];
        let words = [
            (Placeholder::Id, envelope.id.as_str()),
            (Placeholder::Class, class::MAIL),
            (Placeholder::Folder, folder.as_str()),
        ];
        let input = claim.private_copy(0)?;
        let answer = hook.ask(input.as_fd(), &words, &own, context.program_control());
        if let Some(wanted) = answer.folder {
            folder = wanted;
        }
        match answer.verdict {
            HookVerdict::Continue => {}
            HookVerdict::Stop => break,
            HookVerdict::Drop => {
                record_hook_answer(context, envelope, None)?;
                return Ok(SentCopyTarget::Dropped);
            }
            HookVerdict::Interrupted => return Ok(SentCopyTarget::Interrupted),
            HookVerdict::Broken(text) => {
                let text = format!("outbound hook {text}; ignored");
                context.observer.error(&format!("{}: {text}", envelope.id));
                append_trouble(context, context.spool, envelope, text)?;
            }
        }
    }
    record_hook_answer(context, envelope, Some(folder.as_str()))?;
    Ok(SentCopyTarget::In(folder))
}

/// Hooks are asked once, however often what follows is tried.
fn record_hook_answer(context: &DeliveryContext<'_>, envelope: &Envelope, folder: Option<&str>) -> Result<()> {
    if context.settings.outbound_hooks.is_empty() {
        return Ok(());
    }
    let event = LogEvent::Asked { folder: folder.map(str::to_owned) };
    Ok(context.spool.log(&envelope.id)?.append(&LogRecord::new(context.now(), event))?)
}

/// As much of a list as the kernel takes in one variable.
fn cut_list(list: &str) -> String {
    const MOST: usize = 100_000;
    if list.len() <= MOST {
        return list.to_owned();
    }
    let end = list[..list.floor_char_boundary(MOST)].rfind('\n').unwrap_or(0);
    list[..end].to_owned()
}
