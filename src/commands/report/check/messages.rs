//! Checks of the messages in the spool, and of the space for more.

use anyhow::Result;

use crate::exit::ExitStatus;
use crate::mail::history::History;
use crate::mail::history::record::CUT_SHORT;
use crate::session::Session;
use crate::spool::file_name::FileName;
use crate::spool::listing::DirectoryEntry;
use crate::spool::queue_file::{QueueFile, UnusableFile};
use crate::spool::{QueueState, Spool};
use crate::values::plural::counted;

use crate::commands::report::check::findings::CheckFindings;

/// Part of each message that a check reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageReading {
    /// Envelope, header and size.
    Envelopes,
    /// Every byte, which is compared with the checksum.
    Whole,
}

pub(super) fn check_space(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let room = spool.room()?;
    let reserve = session.settings.queue.reserve;
    let text = format!("{} free, {reserve} reserved", counted(room.bytes, "byte"));
    let exit = if room.bytes < reserve { ExitStatus::TryAgain } else { ExitStatus::Ok };
    findings.add("space", exit, text, Some(spool.path()));
    if let Some(inodes) = room.inodes {
        let exit = if inodes < 1000 { ExitStatus::TryAgain } else { ExitStatus::Ok };
        findings.add("inodes", exit, format!("{inodes} free"), Some(spool.path()));
    }
    Ok(())
}

/// Reads every queue file and every log.
pub(super) fn check_messages(
    session: &Session,
    spool: &Spool,
    reading: MessageReading,
    findings: &mut CheckFindings,
) -> Result<()> {
    let mut count = 0;
    let mut bad = 0;
    for state in QueueState::ALL {
        for entry in spool.entries(state)? {
            let name = match entry? {
                DirectoryEntry::Message(name) => name,
                DirectoryEntry::Stray(name) => {
                    bad += 1;
                    let path = spool.path_of_state(state).join(name);
                    findings.add(
                        "messages",
                        ExitStatus::Config,
                        "is not a message of this spool; it is left alone",
                        Some(&path),
                    );
                    continue;
                }
            };
            count += 1;
            let path = spool.path_of_message(state, &name);
            if let Some((exit, text)) = message_problem(session, spool, state, &name, reading, findings)? {
                bad += 1;
                findings.add("messages", exit, text, Some(&path));
            }
        }
    }
    if bad == 0 {
        let words = match reading {
            MessageReading::Envelopes => "all readable",
            MessageReading::Whole => "all whole",
        };
        findings.good("messages", format!("{count}, {words}"), None);
    }
    Ok(())
}

/// Returns the problem of one message, if it has one. A cut log is no problem of the message; it is added to the findings.
fn message_problem(
    session: &Session,
    spool: &Spool,
    state: QueueState,
    name: &FileName,
    reading: MessageReading,
    findings: &mut CheckFindings,
) -> Result<Option<(ExitStatus, String)>> {
    let wrong = |text: String| Ok(Some((ExitStatus::Config, text)));
    let whole = |message: QueueFile| match reading {
        MessageReading::Envelopes => Ok(message),
        MessageReading::Whole => message.verify(&spool.path_of_message(state, name)).map(|()| message),
    };
    let message = match spool.read(state, name).and_then(whole) {
        Ok(message) => message,
        Err(UnusableFile::Gone) => return Ok(None),
        Err(UnusableFile::Stray(reason)) => return wrong(reason.to_owned()),
        Err(UnusableFile::Incomplete(reason)) => {
            let is_known = || Ok::<bool, anyhow::Error>(History::is_of_incomplete(&spool.read_log(&name.id)?));
            if spool.may_be_unacknowledged(state, name)? || is_known()? {
                let text = format!("{CUT_SHORT}: {reason}");
                return Ok(Some((ExitStatus::Partial, text)));
            }
            return wrong(reason);
        }
        Err(UnusableFile::Corrupt(reason)) => return wrong(reason),
        Err(UnusableFile::Path(error)) => return wrong(error.to_string()),
    };
    let history = spool.history(&message)?;
    if history.unreadable > 0 {
        let lines = counted(history.unreadable, "unreadable line");
        let path = spool.path_of_message(state, name);
        findings.good("messages", format!("the log has {lines}, ignored"), Some(&path));
    }
    let is_in_future = message.envelope.arrival.since(session.now()).as_secs() > 86_400;
    Ok(is_in_future.then(|| (ExitStatus::Config, "arrival time is in the future; check the clock".to_owned())))
}
