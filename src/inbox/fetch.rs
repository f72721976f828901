//! `receive --poll`: ask the inbound transports for mail, one message a run of their fetch command, until nothing is
//! left. A source is told that a message is safe only once it is; a message that comes again, for its source was not
//! told or did not listen, is known by its reference and its bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::exit::{ExitStatus, RefusalKind, combine, is_distrust, refuse};
use crate::inbox::accept::{new_envelope, own_mailbox, sender_of, write_draft};
use crate::mail::address::Address;
use crate::mail::envelope::MailOrigin;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::mail::message::header::{Header, InputSupply};
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

/// What came of asking one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollResult {
    /// It has nothing more for us.
    Emptied,
    /// It has more, and was left: as many as wanted were taken, or we were told to stop.
    Left,
    /// Another run is asking it.
    Busy,
    /// It does not work: why.
    Failed(String),
    /// Another user could have written one of its programs: which.
    Untrusted(String),
}

/// The inbound transports of these names; all without a name.
pub fn chosen_sources<'s>(session: &'s Session, names: &[String]) -> Result<Vec<&'s MailSource>> {
    let known = &session.settings.sources;
    if known.is_empty() {
        return refuse(RefusalKind::Config, "no source of mail is configured; see [inbound.NAME] in mspool.conf(5)");
    }
    if names.is_empty() {
        return Ok(known.iter().collect());
    }
    let find = |name: &String| match known.iter().find(|inbound| inbound.name == *name) {
        Some(inbound) => Ok(inbound),
        None if session.settings.transport(name).is_some() => {
            refuse(RefusalKind::Unavailable, format!("transport {name} only sends; it has no [inbound.{name}]"))
        }
        None => {
            let names: Vec<&str> = known.iter().map(|inbound| inbound.name.as_str()).collect();
            refuse(RefusalKind::Usage, format!("there is no source {}; configured: {}", quoted(name), names.join(", ")))
        }
    };
    names.iter().map(find).collect()
}

/// Asks several sources, and goes on after one that does not work.
pub fn fetch_all(
    session: &Session,
    context: &DeliveryContext<'_>,
    sources: &[&MailSource],
    limit: Option<usize>,
) -> Result<ExitStatus> {
    let mut ends = Vec::new();
    for inbound in sources {
        if context.signals.stop_requested().is_some() {
            break;
        }
        let polled = fetch_source(session, context, inbound, limit)
            .unwrap_or_else(|error| PollResult::Failed(format!("{error:#}")));
        ends.push(match polled {
            PollResult::Emptied | PollResult::Left => ExitStatus::Ok,
            PollResult::Busy => {
                context.observer.error(&format!("inbound {}: another run is asking it", inbound.name));
                ExitStatus::TryAgain
            }
            PollResult::Failed(text) => {
                context.observer.error(&format!("inbound {}: {text}", inbound.name));
                ExitStatus::TryAgain
            }
            PollResult::Untrusted(text) => {
                context.observer.error(&format!("inbound {}: {text}; its mail stays where it is", inbound.name));
                ExitStatus::Config
            }
        });
    }
    if ends.contains(&ExitStatus::Config) {
        return Ok(ExitStatus::Config);
    }
    // What they have in common is more than that some failed.
    Ok(match ends.first() {
        Some(first) if ends.iter().all(|end| end == first) => *first,
        _ => combine(&ends),
    })
}

/// Asks one source until it has nothing left, and notes how that went.
pub fn fetch_source(
    session: &Session,
    context: &DeliveryContext<'_>,
    inbound: &MailSource,
    limit: Option<usize>,
) -> Result<PollResult> {
    if session.network == Network::Offline {
        return Ok(PollResult::Left);
    }
    let Some(_turn) = context.spool.lock_source(&inbound.name)? else { return Ok(PollResult::Busy) };
    let mut poll = SourcePoll { session, context, inbound, seen: HashMap::new(), index: SentMailIndex::default() };
    let mut polled = PollResult::Left;
    let judged = refuse_untrusted(&inbound.commands(), &context.settings.trust);
    if let Err(error) = &judged {
        polled = PollResult::Untrusted(error.to_string());
    }
    for _ in 0..limit.unwrap_or(usize::MAX) {
        if judged.is_err() || context.signals.stop_requested().is_some() {
            break;
        }
        match poll.fetch() {
            Ok(None) => {}
            Ok(Some(end)) => {
                polled = end;
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
    context.spool.update_source_state(&inbound.name, |state| {
        (state.polled, state.trouble) = (Some(context.now()), trouble);
    })?;
    Ok(polled)
}

struct SourcePoll<'p, 'e> {
    session: &'p Session,
    context: &'p DeliveryContext<'e>,
    inbound: &'p MailSource,
    /// The messages of this run, and how often each came.
    seen: HashMap<(Option<String>, String), usize>,
    index: SentMailIndex,
}

/// Equal messages without a name that are taken in one run: a source may have some, but one that has nothing else does
/// not take away what it gave.
const MOST_EQUAL: usize = 10;

impl SourcePoll<'_, '_> {
    /// One run of the fetch command; `None` when there may be more.
    fn fetch(&mut self) -> Result<Option<PollResult>> {
        let (context, inbound) = (self.context, self.inbound);
        // Its source keeps it until it is taken: what is large must not bar the way for all behind it.
        let limit = context.spool.room()?.bytes.saturating_sub(self.session.settings.queue.reserve);
        let mailbox = match &inbound.mailbox {
            Some(text) => Address::parse(text)?,
            None => own_mailbox(self.session)?,
        };
        // The envelope goes before the message and tells what is known only behind it: so the message waits outside.
        let id = self.session.ids.next_id(self.session.clock.now());
        let work = context.spool.work(&id, &inbound.name, RecipientIndex::default())?;
        let mut incoming = FetchedMessage::begin(work.path(), limit)?;
        let known = match inbound.keeping {
            SourceKeeping::Yes => Some(context.spool.seen_messages(&inbound.name)?),
            SourceKeeping::No => None,
        };
        let seen = known.as_ref().map(|(path, _)| path.as_path());
        let fetched =
            inbound.fetch(context.spool.path(), seen, context.program_control(), &mut |piece| incoming.take(piece));
        let reference = match fetched {
            FetchResult::Message(reference) => reference,
            FetchResult::Nothing => return Ok(Some(PollResult::Emptied)),
            FetchResult::Failed(text) => return Ok(Some(PollResult::Failed(text))),
            FetchResult::Interrupted => return Ok(Some(PollResult::Left)),
        };
        let hash = incoming.hash();
        let mut file = incoming.rewound()?;
        let head = input::head(&mut file, HeaderUse::None)?;
        let header = Header::scan(&head.bytes, InputSupply::End);
        let source = MailOrigin { inbound: inbound.name.clone(), reference: reference.clone() };
        let sender = sender_of(&head, header.as_ref());
        if let Some((_, names)) = &known {
            let wrong = match &reference {
                None => Some("it keeps its mail, and gave a message without a name"),
                Some(name) if names.contains(name) => Some("it gave a message that MSPOOL_SEEN lists"),
                Some(_) => None,
            };
            if let Some(text) = wrong {
                return Ok(Some(PollResult::Failed(text.to_owned())));
            }
        }
        let key = (reference.clone(), hash.clone());
        let times = self.seen.entry(key).and_modify(|times| *times += 1).or_insert(1);
        let (times, trusts) = (*times, inbound.ack.is_some() && reference.is_some());
        let again = "it gives the same message again and again; it is left for now";
        if trusts && times > 1 {
            return Ok(Some(PollResult::Failed(again.to_owned())));
        }
        // Without an ack the source has forgotten it already: then this is the only copy, whatever it looks like.
        let comes_again = inbound.ack.is_some() || known.is_some();
        if comes_again && self.is_known(reference.as_deref(), &hash)? {
            if let (Some(_), Some(reference)) = (&known, &reference) {
                context.spool.remember_seen(&inbound.name, reference)?;
            }
            return Ok(match self.acknowledge(reference.as_deref(), &hash, "known")? {
                file::SourceKnowledge::Knows => None,
                file::SourceKnowledge::MayNotKnow => Some(PollResult::Failed(
                    "it cannot be told which messages are safe here; it is left for now".to_owned(),
                )),
            });
        }
        let envelope = new_envelope(self.session, mailbox, sender, 0, Some(source));
        let draft = write_draft(context.spool, &envelope, &head, &mut file, u64::MAX)?;
        UnsyncedMessage::commit(vec![draft.rename_into(QueueState::Received, None)?])?;
        // Safe: from here on the source may forget it.
        let claim = match context.spool.find_received(&envelope.id)? {
            Some(name) => context.spool.claim(QueueState::Received, &name)?,
            None => ClaimOutcome::Gone,
        };
        if let (Some(_), Some(reference)) = (&known, &reference) {
            context.spool.remember_seen(&inbound.name, reference)?;
        }
        let known = self.acknowledge(reference.as_deref(), &hash, envelope.id.as_str())?;
        if known == file::SourceKnowledge::Knows && inbound.ack.is_some() {
            // Whoever files it, should we not come to it, must not wait for it to come again.
            let record = LogRecord::new(context.now(), LogEvent::Acknowledged);
            context.spool.log(&envelope.id)?.append(&record)?;
        }
        if let ClaimOutcome::Claimed(claim) = claim {
            self.file(*claim, known)?;
        }
        // They are all taken; but a source that has nothing else would fill the disk.
        Ok((times >= MOST_EQUAL).then(|| PollResult::Failed(again.to_owned())))
    }

    fn file(&mut self, claim: Claim<'_>, known: file::SourceKnowledge) -> Result<()> {
        let id = claim.message().envelope.id.clone();
        // A hook that is not trusted is reported once for all mail, when what is left is filed.
        if let Err(error) = file::file(self.context, &mut self.index, claim, known)
            && !is_distrust(&error)
        {
            self.context.observer.error(&format!("{id}: {error:#}; it stays in the spool"));
        }
        Ok(())
    }

    /// Tells the source. One that cannot be told will give the message again, which is no reason to stop.
    fn acknowledge(&self, reference: Option<&str>, hash: &str, id: &str) -> Result<file::SourceKnowledge> {
        let (context, inbound) = (self.context, self.inbound);
        match inbound.acknowledge(reference.unwrap_or_default(), id, context.spool.path(), context.program_control()) {
            Ok(()) => {
                context.spool.update_source_state(&inbound.name, |state| state.forget(reference, hash))?;
                Ok(file::SourceKnowledge::Knows)
            }
            Err(text) => {
                let problem =
                    format!("inbound {}: the message is safe, but ack {text}; it may come again", inbound.name);
                context.observer.error(&problem);
                Ok(file::SourceKnowledge::MayNotKnow)
            }
        }
    }

    /// True when this message is here already: filed and not acknowledged, or not even filed.
    fn is_known(&self, reference: Option<&str>, hash: &str) -> Result<bool> {
        let spool = self.context.spool;
        if spool.source_state(&self.inbound.name)?.knows(reference, hash) {
            return Ok(true);
        }
        for entry in spool.entries(QueueState::Received)? {
            let DirectoryEntry::Message(name) = entry? else { continue };
            let Ok(message) = spool.read(QueueState::Received, &name) else { continue };
            let Some(source) = &message.envelope.source else { continue };
            let same = source.inbound == self.inbound.name && source.reference.as_deref() == reference;
            if same && message.fingerprint()? == hash {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A message that is being fetched.
struct FetchedMessage {
    file: File,
    print: Fingerprint,
    room: u64,
}

impl FetchedMessage {
    fn begin(work: &Path, limit: u64) -> Result<FetchedMessage> {
        let file = Dir::open(work)?.create_new("message")?;
        Ok(FetchedMessage { file, print: Fingerprint::default(), room: limit })
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.room = self.room.checked_sub(piece.len() as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::StorageFull, "the message is larger than the room there is")
        })?;
        self.print.add(piece);
        self.file.write_all(piece)
    }

    fn hash(&self) -> String {
        self.print.clone().finish()
    }

    /// The message as a file that stands at its first byte.
    fn rewound(mut self) -> Result<File> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(self.file)
    }
}
