//! `receive --in-place`: runs hooks, folders, correlation and notification for mail that another program put into a
//! Maildir. The messages are unchanged, and each is processed once.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};

use crate::delivery::context::DeliveryContext;
use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::inbox::accept::{new_envelope, own_mailbox, sender_of};
use crate::mail::message::folder::Folder;
use crate::mail::message::header::{Header, InputSupply};
use crate::mail::report::bounce;
use crate::session::Session;
use crate::submission::input;
use crate::submission::options::HeaderUse;
use crate::sys::dir::Dir;
use crate::transports::hand_off::EarlierAttempt;
use crate::transports::maildir::{self, FiledMessage, ReadMark};

use crate::inbox::classify::Classification;
use crate::inbox::correlate::{self, Application, ReceivedReport, SentMailIndex};
use crate::inbox::file;
use crate::inbox::hooks::{HookDecision, HookRun, check_hooks};

/// Number of messages after which the processed ones are recorded. After a crash at most this many are processed twice.
const RECORD_INTERVAL: usize = 64;

/// Processes every message in the `new` directory of the Maildir that was not processed before. Exit status 75 if a message
/// could not be processed.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Busy`] if another run does the same; an error if a hook is not trusted or the directory cannot be read.
pub fn look_at_all(session: &Session, context: &DeliveryContext<'_>, store: &Path) -> Result<ExitStatus> {
    let spool = context.spool;
    let new = Dir::open(&store.join("new"))?;
    let Some(_lock) = spool.lock_in_place()? else {
        return refuse(RefusalKind::Busy, "another \"receive --in-place\" is running; try again later");
    };
    check_hooks(context)?;
    let key = store.to_string_lossy().into_owned();
    let seen = spool.seen_in_place(&key)?;
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(new.path()).with_context(|| format!("cannot list {}", new.path().display()))? {
        match entry?.file_name().into_string() {
            Ok(name) if name.starts_with('.') => {}
            Ok(name) => drop(names.insert(name)),
            Err(name) => {
                let path = new.path().join(name);
                context
                    .observer
                    .error(&format!("{}: the name is not UTF-8; the message is left alone", path.display()));
            }
        }
    }
    let mut done: BTreeSet<String> = names.intersection(&seen).cloned().collect();
    let mut status = ExitStatus::Ok;
    for name in names.difference(&seen) {
        if context.signals.stop_requested().is_some() {
            break;
        }
        match one(session, context, store, &new, name) {
            Ok(true) => {
                done.insert(name.clone());
                if done.len().is_multiple_of(RECORD_INTERVAL) {
                    spool.remember_in_place(&key, done.clone())?;
                }
            }
            Ok(false) => {}
            Err(error) => {
                context
                    .observer
                    .error(&format!("{}: {error:#}; the message is unchanged", new.path_of(name).display()));
                status = ExitStatus::TryAgain;
            }
        }
    }
    spool.remember_in_place(&key, done)?;
    Ok(context.signals.stop_requested().map_or(status, ExitStatus::Signal))
}

/// Processes one message. Returns `false` if a signal interrupted a hook, or if the report in the message cannot be applied
/// yet: the message must be processed again.
fn one(session: &Session, context: &DeliveryContext<'_>, store: &Path, new: &Dir, name: &str) -> Result<bool> {
    if !new.stat_name(name)?.is_some_and(|stat| stat.regular) {
        // Removed in the meantime, or not a message file.
        return Ok(true);
    }
    let mut file = new.open_file(name)?;
    let head = input::head(&mut file, HeaderUse::None)?;
    let header = Header::scan(&head.bytes, InputSupply::End);
    let report = bounce::read_report(&head.bytes);
    let envelope = new_envelope(session, own_mailbox(session)?, sender_of(&head, header.as_ref()), 0, None);
    let classification = Classification::of(context.settings, &envelope, header.as_ref(), &report);
    let hooks = HookRun { context, envelope: &envelope, classification: &classification };
    // A copy, since a hook must not be able to change the message.
    let (decision, problems) =
        hooks.run(&mut || Ok(context.spool.private_copy_of_file(&file, &new.path_of(name))?))?;
    for text in problems {
        context.observer.error(&format!("{name}: {text}"));
    }
    let folder = match decision {
        HookDecision::NotNow => return Ok(false),
        HookDecision::Dropped(hook) => {
            new.remove_if_there(name)?;
            context.observer.dropped(&envelope.id, &hook);
            return Ok(true);
        }
        HookDecision::In(folder) => folder,
    };
    let received = ReceivedReport::new(&envelope, header.as_ref(), &report);
    if correlate::apply_report(context, &mut SentMailIndex::default(), &received)? == Application::NotNow {
        return Ok(false);
    }
    let path = if folder == Folder::inbox() {
        new.path_of(name)
    } else {
        let filed = FiledMessage {
            name,
            mark: ReadMark::Unread,
            head: b"",
            input: file.as_fd(),
            body_at: 0,
            earlier_attempt: EarlierAttempt::MaybeDelivered,
        };
        let path = maildir::file_message(store, &folder, &filed)?;
        new.remove_if_there(name)?;
        path
    };
    file::announce(context, &envelope.id, &classification, &folder, path);
    Ok(true)
}
