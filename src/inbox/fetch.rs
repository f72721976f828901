//! Polling of sources: runs the fetch command of each source, one message per run, until no message is left.
//!
//! A message is acknowledged to its source only after it is durable. A source that was not told, or ignored the
//! acknowledgement, sends the message again; it is then recognized by its reference and its bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::exit::{ExitStatus, RefusalKind, combine, is_distrust, refuse};
use crate::inbox::accept::{new_envelope, own_mailbox, own_trace, sender_of, write_draft};
use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::{Envelope, MailOrigin};
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::mail::message::header::{Header, HeaderField, InputSupply};
use crate::session::{Network, Session};
use crate::spool::QueueState;
use crate::spool::claim::{Claim, ClaimOutcome};
use crate::spool::draft::UnsyncedMessage;
use crate::spool::listing::DirectoryEntry;
use crate::submission::input;
use crate::submission::options::HeaderUse;
use crate::sys::dir::Dir;
use crate::transports::configured::refuse_untrusted;
use crate::transports::source::{FetchResult, MailSource, SourceKeeping};
use crate::values::digest::Fingerprint;

use crate::inbox::correlate::SentMailIndex;
use crate::inbox::file;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::values::quoting::quoted;

/// Result of polling one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollResult {
    /// The source has no more messages.
    Emptied,
    /// The source may have more messages: the limit was reached, a signal stopped the run, or `--offline` is set.
    Left,
    /// Another run is polling the source.
    Busy,
    /// The source failed: the reason.
    Failed(String),
    /// A user other than this one or root can write a program of the source: the reason, with its path. Nothing was run.
    Untrusted(String),
}

/// Returns the sources with these names; all of them for an empty list.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Config`] if no source is configured, [`RefusalKind::Unavailable`] if the name is only that of
/// a transport, or [`RefusalKind::Usage`] if it is unknown.
pub fn chosen_sources<'s>(session: &'s Session, names: &[String]) -> Result<Vec<&'s MailSource>> {
    let known = &session.settings.sources;
    if known.is_empty() {
        return refuse(
            RefusalKind::Config,
            "no source is configured; add [inbound.NAME] to the configuration, see mspool.conf(5)",
        );
    }
    if names.is_empty() {
        return Ok(known.iter().collect());
    }
    let find = |name: &String| match known.iter().find(|source| source.name == *name) {
        Some(source) => Ok(source),
        None if session.settings.transport(name).is_some() => refuse(
            RefusalKind::Unavailable,
            format!(
                "transport {} only delivers mail; to fetch mail, add [inbound.{name}] to the configuration",
                quoted(name)
            ),
        ),
        None => {
            let names: Vec<&str> = known.iter().map(|source| source.name.as_str()).collect();
            refuse(RefusalKind::Usage, format!("unknown source {}; configured: {}", quoted(name), names.join(", ")))
        }
    };
    names.iter().map(find).collect()
}

/// Polls several sources, at most `limit` messages each, and prints the failure of a source and continues. Exit status 75 if all
/// failed or are polled by another run, 1 if some did.
pub fn fetch_all(
    session: &Session,
    context: &DeliveryContext<'_>,
    sources: &[&MailSource],
    limit: Option<usize>,
) -> Result<ExitStatus> {
    let mut statuses = Vec::new();
    for source in sources {
        if context.signals.stop_requested().is_some() {
            break;
        }
        let polled = fetch_source(session, context, source, limit)
            .unwrap_or_else(|error| PollResult::Failed(format!("{error:#}")));
        statuses.push(match polled {
            PollResult::Emptied | PollResult::Left => ExitStatus::Ok,
            PollResult::Busy => {
                context.observer.error(&format!("source {}: another run is polling it; try again later", source.name));
                ExitStatus::TryAgain
            }
            PollResult::Failed(text) => {
                context.observer.error(&format!("source {}: {text}", source.name));
                ExitStatus::TryAgain
            }
            PollResult::Untrusted(text) => {
                context.observer.error(&format!("source {}: {text}; its mail was not fetched", source.name));
                ExitStatus::Config
            }
        });
    }
    if statuses.contains(&ExitStatus::Config) {
        return Ok(ExitStatus::Config);
    }
    // One status that all sources share tells the caller more than 1.
    Ok(match statuses.first() {
        Some(first) if statuses.iter().all(|status| status == first) => *first,
        _ => combine(&statuses),
    })
}

/// Polls one source until it has no more messages, at most `limit` messages, and records the result in its state.
///
/// # Errors
///
/// An error if the state of the source cannot be locked or written; other failures are a [`PollResult::Failed`].
pub fn fetch_source(
    session: &Session,
    context: &DeliveryContext<'_>,
    source: &MailSource,
    limit: Option<usize>,
) -> Result<PollResult> {
    if session.network == Network::Offline {
        return Ok(PollResult::Left);
    }
    let Some(_turn) = context.spool.lock_source(&source.name)? else { return Ok(PollResult::Busy) };
    let mut poll = SourcePoll { session, context, source, seen: HashMap::new(), index: SentMailIndex::default() };
    let mut polled = PollResult::Left;
    let trusted = refuse_untrusted(&source.commands(), &context.settings.trust);
    if let Err(error) = &trusted {
        polled = PollResult::Untrusted(error.to_string());
    }
    for _ in 0..limit.unwrap_or(usize::MAX) {
        if trusted.is_err() || context.signals.stop_requested().is_some() {
            break;
        }
        match poll.fetch() {
            Ok(None) => {}
            Ok(Some(result)) => {
                polled = result;
                break;
            }
            Err(error) => {
                polled = PollResult::Failed(format!("{error:#}"));
                break;
            }
        }
    }
    let trouble = match &polled {
        PollResult::Failed(text) | PollResult::Untrusted(text) => Some(text.clone()),
        _ => None,
    };
    context.spool.update_source_state(&source.name, |state| {
        (state.polled, state.trouble) = (Some(context.now()), trouble);
    })?;
    Ok(polled)
}

struct SourcePoll<'p, 'e> {
    session: &'p Session,
    context: &'p DeliveryContext<'e>,
    source: &'p MailSource,
    /// Number of times that each message, by reference and digest, came in this run.
    seen: HashMap<(Option<String>, String), usize>,
    index: SentMailIndex,
}

/// Number of equal messages after which a run leaves the source. A source can have a few equal messages; more of them mean
/// that it does not remove what it sent.
const MAX_EQUAL_MESSAGES: usize = 10;

/// Number of times that this host may have received a message before: forwarding can bring it back a few times.
const MAX_ROUNDS: usize = 20;

const GOES_ROUND: &str =
    "it sent a message that this host has received 20 times; it may give back what was filed, and keeps this one";

/// Error about a source that sends one message repeatedly.
const REPEATED: &str = "it sends the same message repeatedly; polling stops for now";

impl SourcePoll<'_, '_> {
    /// Runs the fetch command once. Returns `None` if there may be more messages.
    fn fetch(&mut self) -> Result<Option<PollResult>> {
        let (context, source) = (self.context, self.source);
        // The limit is the free space, not `message_limit`: the source keeps a refused message, which would block those
        // behind it.
        let limit = context.spool.room()?.bytes.saturating_sub(self.session.settings.queue.reserve);
        let mailbox = match &source.mailbox {
            Some(text) => Address::parse(text)?,
            None => own_mailbox(self.session)?,
        };
        // The envelope precedes the message in its file, but depends on the whole message. The message therefore goes to a
        // work file first.
        let id = self.session.ids.next_id(self.session.clock.now());
        let work = context.spool.work(&id, &source.name, RecipientIndex::default())?;
        let mut message = FetchedMessage::begin(work.path(), limit)?;
        let seen = match source.keeping {
            SourceKeeping::Yes => Some(context.spool.seen_messages(&source.name)?),
            SourceKeeping::No => None,
        };
        let seen_path = seen.as_ref().map(|(path, _)| path.as_path());
        let programs = context.program_control();
        let fetched = source.fetch(context.spool.path(), seen_path, programs, &mut |piece| message.write(piece));
        let reference = match fetched {
            FetchResult::Message(reference) => reference,
            FetchResult::Nothing => return Ok(Some(PollResult::Emptied)),
            FetchResult::Failed(text) => return Ok(Some(PollResult::Failed(text))),
            FetchResult::Interrupted => return Ok(Some(PollResult::Left)),
        };
        if let Some((_, names)) = &seen {
            let problem = match &reference {
                None => Some("it keeps its mail, but sent a message without a reference"),
                Some(name) if names.contains(name) => Some("it sent a message that is listed in MSPOOL_SEEN"),
                Some(_) => None,
            };
            if let Some(text) = problem {
                return Ok(Some(PollResult::Failed(text.to_owned())));
            }
        }
        self.accept(mailbox, message, reference)
    }

    /// Receives and files a fetched message, unless it was received before. Returns `None` if there may be more messages.
    fn accept(
        &mut self,
        mailbox: Address,
        message: FetchedMessage,
        reference: Option<String>,
    ) -> Result<Option<PollResult>> {
        let (context, source) = (self.context, self.source);
        let hash = message.hash();
        let key = (reference.clone(), hash.clone());
        let times = self.seen.entry(key).and_modify(|times| *times += 1).or_insert(1);
        let (times, is_identified) = (*times, source.ack.is_some() && reference.is_some());
        if is_identified && times > 1 {
            return Ok(Some(PollResult::Failed(REPEATED.to_owned())));
        }
        // Without an acknowledgement the source has already deleted the message. This is then the only copy, even if it
        // equals an earlier message.
        let may_be_repeated = source.ack.is_some() || source.keeping == SourceKeeping::Yes;
        if may_be_repeated && self.is_known(reference.as_deref(), &hash)? {
            self.remember_kept(reference.as_deref())?;
            return Ok(match self.acknowledge(reference.as_deref(), &hash, "known")? {
                file::SourceKnowledge::Knows => None,
                file::SourceKnowledge::MayNotKnow => Some(PollResult::Failed(
                    "ack failed, so it would send the same message again; polling stops for now".to_owned(),
                )),
            });
        }
        let Some(id) = self.receive(mailbox, message, reference.clone())? else {
            return Ok(Some(PollResult::Failed(GOES_ROUND.to_owned())));
        };
        // The message is durable: the source may delete it.
        let claim = match context.spool.find_received(&id)? {
            Some(name) => context.spool.claim(QueueState::Received, &name)?,
            None => ClaimOutcome::Gone,
        };
        self.remember_kept(reference.as_deref())?;
        let knowledge = self.acknowledge(reference.as_deref(), &hash, id.as_str())?;
        if knowledge == file::SourceKnowledge::Knows && source.ack.is_some() {
            // If another run files the message, this record tells it that the source will not send the message again.
            let record = LogRecord::new(context.now(), LogEvent::Acknowledged);
            context.spool.log(&id)?.append(&record)?;
        }
        if let ClaimOutcome::Claimed(claim) = claim {
            self.file(*claim, knowledge)?;
        }
        // Every copy is accepted, but a source that sends nothing else would fill the disk.
        Ok((times >= MAX_EQUAL_MESSAGES).then(|| PollResult::Failed(REPEATED.to_owned())))
    }

    /// Writes a fetched message to `in/new` and syncs it. Returns its id; `None` for a message that this host received so
    /// often that the source must be giving back what was filed. That one stays with the source.
    fn receive(&self, mailbox: Address, message: FetchedMessage, reference: Option<String>) -> Result<Option<QueueId>> {
        let spool = self.context.spool;
        let mut file = message.rewound()?;
        let head = input::head(&mut file, HeaderUse::None)?;
        let header = Header::scan(&head.bytes, InputSupply::End);
        let trace = own_trace(self.session);
        let is_own = |field: &&HeaderField<'_>| field.value().starts_with(&trace);
        let rounds = header.as_ref().map_or(0, |header| header.all("Received").filter(is_own).count());
        if rounds >= MAX_ROUNDS {
            return Ok(None);
        }
        let sender = sender_of(&head, header.as_ref());
        let origin = MailOrigin { inbound: self.source.name.clone(), reference };
        let envelope =
            Envelope { way: self.source.way, ..new_envelope(self.session, mailbox, sender, 0, Some(origin)) };
        let draft = write_draft(spool, &envelope, &head, &mut file, u64::MAX)?;
        UnsyncedMessage::commit(vec![draft.rename_into(QueueState::Received, None)?])?;
        Ok(Some(envelope.id))
    }

    /// Records the reference of a received message that its source keeps, so that it is not fetched again.
    fn remember_kept(&self, reference: Option<&str>) -> Result<()> {
        match (self.source.keeping, reference) {
            (SourceKeeping::Yes, Some(reference)) => {
                Ok(self.context.spool.remember_seen(&self.source.name, reference)?)
            }
            _ => Ok(()),
        }
    }

    /// Files a received message now. After an error it stays in the spool for the next run.
    fn file(&mut self, claim: Claim<'_>, known: file::SourceKnowledge) -> Result<()> {
        let id = claim.message().envelope.id.clone();
        // An untrusted hook is reported once for all mail, by `pending::file_all`.
        if let Err(error) = file::file(self.context, &mut self.index, claim, known)
            && !is_distrust(&error)
        {
            self.context.observer.error(&format!("{id}: {error:#}; the message stays in the spool"));
        }
        Ok(())
    }

    /// Acknowledges a message to the source. A failure is printed: the source sends the message again, and it is recognized.
    fn acknowledge(&self, reference: Option<&str>, hash: &str, id: &str) -> Result<file::SourceKnowledge> {
        let (context, source) = (self.context, self.source);
        match source.acknowledge(reference.unwrap_or_default(), id, context.spool.path(), context.program_control()) {
            Ok(()) => {
                context.spool.update_source_state(&source.name, |state| state.forget(reference, hash))?;
                Ok(file::SourceKnowledge::Knows)
            }
            Err(text) => {
                let problem =
                    format!("source {}: a message was received, but ack {text}; it may be sent again", source.name);
                context.observer.error(&problem);
                Ok(file::SourceKnowledge::MayNotKnow)
            }
        }
    }

    /// True if this message was already received: filed but not acknowledged, or not filed yet.
    fn is_known(&self, reference: Option<&str>, hash: &str) -> Result<bool> {
        let spool = self.context.spool;
        if spool.source_state(&self.source.name)?.knows(reference, hash) {
            return Ok(true);
        }
        for entry in spool.entries(QueueState::Received)? {
            let DirectoryEntry::Message(name) = entry? else { continue };
            let Ok(message) = spool.read(QueueState::Received, &name) else { continue };
            let Some(origin) = &message.envelope.source else { continue };
            let is_same = origin.inbound == self.source.name && origin.reference.as_deref() == reference;
            if is_same && message.fingerprint()? == hash {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Message that is being fetched, in a work file.
struct FetchedMessage {
    file: File,
    fingerprint: Fingerprint,
    /// Remaining size limit, in bytes.
    space_left: u64,
}

impl FetchedMessage {
    fn begin(work: &Path, limit: u64) -> Result<FetchedMessage> {
        let file = Dir::open(work)?.create_new("message")?;
        Ok(FetchedMessage { file, fingerprint: Fingerprint::default(), space_left: limit })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.space_left = self.space_left.checked_sub(piece.len() as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::StorageFull, "the message is larger than the free space of the spool")
        })?;
        self.fingerprint.add(piece);
        self.file.write_all(piece)
    }

    fn hash(&self) -> String {
        self.fingerprint.clone().finish()
    }

    /// Returns the file, positioned at its first byte.
    fn rewound(mut self) -> Result<File> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(self.file)
    }
}
