//! Moving a message on once nothing more is done for it now: to where its history says it belongs.
//!
//! For a message that is finished there is more to do, in this order: undo what preprocessing did elsewhere, ask the
//! outbound hooks, file the sent copy, and only then move it. A run that dies on the way leaves the message where it
//! was, and the next one does all of it again: the copy is found by its name.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::mail::envelope::{AfterSent, Envelope};
use crate::mail::history::History;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::mail::message::class;
use crate::mail::message::folder::Folder;
use crate::settings::Settings;
use crate::spool::Spool;
use crate::spool::claim::Claim;
use crate::spool::draft::UnsyncedMessage;
use crate::transports::configured::{ConfiguredCommand, refuse_untrusted};
use crate::transports::hook::{Hook, HookVerdict};
use crate::transports::maildir::{self, ReadMark};
use crate::transports::placeholder::Placeholder;

use crate::delivery::context::DeliveryContext;
use crate::delivery::dsn_writer;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::reports_due;
use crate::transports::transport::Transport;

/// True when programs may be run before messages move on.
pub fn runs_programs(settings: &Settings) -> bool {
    !settings.outbound_hooks.is_empty() || settings.transports.iter().any(|transport| transport.undo.is_some())
}

/// True when programs are run before the message moves on.
pub fn needs_programs(settings: &Settings, message: &ClaimedMessage<'_>) -> bool {
    let history = message.history();
    history.is_settled()
        && (history.reached_any() && !settings.outbound_hooks.is_empty()
            || transports_to_undo(settings, &history).next().is_some())
}

/// Makes the reports that are due on one message, then moves it on.
pub fn conclude(context: &DeliveryContext<'_>, message: ClaimedMessage<'_>) -> Result<()> {
    make_reports(context, &message)?;
    settle(context, message)
}

/// Makes every report that is due on a message, durably.
pub fn make_reports(context: &DeliveryContext<'_>, message: &ClaimedMessage<'_>) -> Result<()> {
    let mut written = dsn_writer::write(context, message)?;
    UnsyncedMessage::commit(written.iter_mut().filter_map(|one| one.unsynced.take()).collect())?;
    dsn_writer::record_reports(context, message, written)?;
    for event in message.sync_with_name(context.spool)? {
        context.observer.handled(&event);
    }
    Ok(())
}

/// Moves the message to where its history says it belongs, and lets it go.
pub fn settle(context: &DeliveryContext<'_>, message: ClaimedMessage<'_>) -> Result<()> {
    let time = context.time();
    let queue = &context.settings.queue;
    let (claim, history) = message.into_parts(context.spool)?;
    let keep = |span: Duration| Some(time.running.after(span));
    debug_assert_eq!(history.recipients.len(), claim.message().envelope.recipients.len(), "a history of this message");
    if history.is_settled() {
        debug_assert!(
            reports_due::due(context.settings, &claim.message().envelope, &history, time).is_empty(),
            "reports are durable before the message is finished"
        );
        if !run_final_steps(context, &claim, &history)? {
            return Ok(());
        }
        let moved = match (&claim.message().envelope.after_sent, history.is_sent()) {
            (AfterSent::Delete, true) => claim.delete(),
            (AfterSent::Keep, true) => claim.finish_sent(None),
            (_, true) => claim.finish_sent(keep(queue.keep_sent)),
            (_, false) => claim.finish_failed(keep(queue.keep_failed)),
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
    let moved = if history.was_attempted() { claim.requeue(due) } else { claim.reschedule(due) };
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
    let copy = match &envelope.after_sent {
        AfterSent::Sent(folder) => Some(PathBuf::from(folder)),
        // Reports leave no copy: no user has written them.
        AfterSent::Default if !envelope.sender.is_null() => context.settings.queue.sent.clone(),
        _ => None,
    };
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
                let file = message.file().as_fd();
                let id = envelope.id.as_str();
                maildir::file_message(maildir, &folder, id, ReadMark::Read, b"", file, message.body_at)?;
            }
        }
    }
    Ok(true)
}

/// Commands that run before a finished message moves: undo commands, and the hooks unless they were asked before.
fn final_commands(settings: &Settings, history: &History) -> Vec<ConfiguredCommand> {
    let undo = transports_to_undo(settings, history).filter_map(Transport::undo_command);
    let asks = history.reached_any() && history.hook_answer.is_none();
    let hooks = settings.outbound_hooks.iter().filter(|_| asks).map(Hook::configured_command);
    undo.chain(hooks).collect()
}

/// Runs the undo commands of all transports that were given the message.
pub fn undo(context: &DeliveryContext<'_>, envelope: &Envelope, history: &History) -> Result<()> {
    for transport in transports_to_undo(context.settings, history) {
        if let Err(text) = transport.undo(envelope.id.as_str(), context.spool.path(), context.program_control()) {
            let text = format!("undo of transport {} {text}", transport.name);
            context.observer.error(&format!("{}: {text}", envelope.id));
            append_trouble(context, context.spool, envelope, text)?;
        }
    }
    Ok(())
}

fn transports_to_undo<'a>(settings: &'a Settings, history: &'a History) -> impl Iterator<Item = &'a Transport> + 'a {
    let tried = |name: &String| history.tried_transports.contains(name);
    settings.transports.iter().filter(move |transport| transport.undo.is_some() && tried(&transport.name))
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
