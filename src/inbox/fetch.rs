//! `receive --poll`: ask the inbound transports for mail, one message a run of their fetch command, until nothing is
//! left. A source is told that a message is safe only once it is; a message that comes again, for its source was not
//! told or did not listen, is known by its reference and its bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::Result;

use crate::delivery::context::Engine;
use crate::exit::{Exit, over_all, refuse};
use crate::inbox::accept::{envelope, own_mailbox, sender_of, take_in};
use crate::mail::address::Address;
use crate::mail::envelope::Source;
use crate::mail::history::record::{Event, Record};
use crate::mail::message::header::{Header, Supply};
use crate::session::{Reach, Session};
use crate::spool::State;
use crate::spool::claim::{Claim, Taken};
use crate::spool::draft::Placed;
use crate::spool::listing::Entry;
use crate::submission::input;
use crate::submission::options::HeaderUse;
use crate::sys::dir::Dir;
use crate::transports::source::{Fetched, Inbound, Keeping};
use crate::values::digest::Fingerprint;

use crate::inbox::correlate::Index;
use crate::inbox::file;

/// What came of asking one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// It has nothing more for us.
    Emptied,
    /// It has more, and was left: as many as wanted were taken, or we were told to stop.
    Left,
    /// Another run is asking it.
    Busy,
    /// It does not work: why.
    Failed(String),
}

/// The inbound transports of these names; all without a name.
pub fn chosen<'s>(session: &'s Session, names: &[String]) -> Result<Vec<&'s Inbound>> {
    let known = &session.settings.inbound;
    if known.is_empty() {
        return refuse(Exit::Config, "no inbound transport is configured; mspool.conf(5) tells how");
    }
    if names.is_empty() {
        return Ok(known.iter().collect());
    }
    let find = |name: &String| match known.iter().find(|inbound| inbound.name == *name) {
        Some(inbound) => Ok(inbound),
        None if session.settings.transport(name).is_some() => {
            refuse(Exit::Unavailable, format!("transport {name} only sends; it has no [inbound.{name}]"))
        }
        None => {
            let names: Vec<&str> = known.iter().map(|inbound| inbound.name.as_str()).collect();
            refuse(Exit::Usage, format!("there is no inbound transport {name:?}; configured: {}", names.join(", ")))
        }
    };
    names.iter().map(find).collect()
}

/// Asks several sources, and goes on after one that does not work.
pub fn all(session: &Session, engine: &Engine<'_>, sources: &[&Inbound], limit: Option<usize>) -> Result<Exit> {
    let mut ends = Vec::new();
    for inbound in sources {
        if engine.signals.stop_requested().is_some() {
            break;
        }
        let polled = one(session, engine, inbound, limit).unwrap_or_else(|error| Polled::Failed(format!("{error:#}")));
        ends.push(match polled {
            Polled::Emptied | Polled::Left => Exit::Ok,
            Polled::Busy => {
                engine.observer.problem(&format!("inbound {}: another run is asking it", inbound.name));
                Exit::TryAgain
            }
            Polled::Failed(text) => {
                engine.observer.problem(&format!("inbound {}: {text}", inbound.name));
                Exit::TryAgain
            }
        });
    }
    // What they have in common is more than that some failed.
    Ok(match ends.first() {
        Some(first) if ends.iter().all(|end| end == first) => *first,
        _ => over_all(&ends),
    })
}

/// Asks one source until it has nothing left, and notes how that went.
pub fn one(session: &Session, engine: &Engine<'_>, inbound: &Inbound, limit: Option<usize>) -> Result<Polled> {
    if session.reach == Reach::Offline {
        return Ok(Polled::Left);
    }
    let Some(_turn) = engine.spool.take_source(&inbound.name)? else { return Ok(Polled::Busy) };
    let mut poll = Poll { session, engine, inbound, seen: HashMap::new(), index: Index::default() };
    let mut polled = Polled::Left;
    for _ in 0..limit.unwrap_or(usize::MAX) {
        if engine.signals.stop_requested().is_some() {
            break;
        }
        match poll.fetch() {
            Ok(None) => {}
            Ok(Some(end)) => {
                polled = end;
                break;
            }
            Err(error) => {
                polled = Polled::Failed(format!("{error:#}"));
                break;
            }
        }
    }
    let trouble = if let Polled::Failed(text) = &polled { Some(text.clone()) } else { None };
    engine.spool.change_source(&inbound.name, |state| {
        (state.polled, state.trouble) = (Some(engine.now()), trouble);
    })?;
    Ok(polled)
}

struct Poll<'p, 'e> {
    session: &'p Session,
    engine: &'p Engine<'e>,
    inbound: &'p Inbound,
    /// The messages of this run, and how often each came.
    seen: HashMap<(Option<String>, String), usize>,
    index: Index,
}

/// Equal messages without a name that are taken in one run: a source may have some, but one that has nothing else does
/// not take away what it gave.
const MOST_EQUAL: usize = 10;

impl Poll<'_, '_> {
    /// One run of the fetch command; `None` when there may be more.
    fn fetch(&mut self) -> Result<Option<Polled>> {
        let (engine, inbound) = (self.engine, self.inbound);
        // Its source keeps it until it is taken: what is large must not bar the way for all behind it.
        let limit = engine.spool.room()?.bytes.saturating_sub(self.session.settings.queue.reserve);
        let mailbox = match &inbound.mailbox {
            Some(text) => Address::parse(text)?,
            None => own_mailbox(self.session)?,
        };
        // The envelope goes before the message and tells what is known only behind it: so the message waits outside.
        let id = self.session.mint.next(self.session.clock.now());
        let work = engine.spool.work(&id, &inbound.name, 0)?;
        let mut incoming = Incoming::begin(work.path(), limit)?;
        let known = match inbound.keeping {
            Keeping::Yes => Some(engine.spool.seen(&inbound.name)?),
            Keeping::No => None,
        };
        let seen = known.as_ref().map(|(path, _)| path.as_path());
        let fetched = inbound.fetch(engine.spool.path(), seen, engine.signals, &mut |piece| incoming.take(piece));
        let reference = match fetched {
            Fetched::Message(reference) => reference,
            Fetched::Nothing => return Ok(Some(Polled::Emptied)),
            Fetched::Failed(text) => return Ok(Some(Polled::Failed(text))),
            Fetched::Interrupted => return Ok(Some(Polled::Left)),
        };
        let hash = incoming.hash();
        let mut file = incoming.rewound()?;
        let head = input::head(&mut file, HeaderUse::None)?;
        let header = Header::scan(&head.bytes, Supply::End);
        let source = Source { inbound: inbound.name.clone(), reference: reference.clone() };
        let sender = sender_of(&head, header.as_ref());
        if let Some((_, names)) = &known {
            let wrong = match &reference {
                None => Some("it keeps its mail, and gave a message without a name"),
                Some(name) if names.contains(name) => Some("it gave a message that MSPOOL_SEEN lists"),
                Some(_) => None,
            };
            if let Some(text) = wrong {
                return Ok(Some(Polled::Failed(text.to_owned())));
            }
        }
        let key = (reference.clone(), hash.clone());
        let times = self.seen.entry(key).and_modify(|times| *times += 1).or_insert(1);
        let (times, trusts) = (*times, inbound.ack.is_some() && reference.is_some());
        let again = "it gives the same message again and again; it is left for now";
        if trusts && times > 1 {
            return Ok(Some(Polled::Failed(again.to_owned())));
        }
        // Without an ack the source has forgotten it already: then this is the only copy, whatever it looks like.
        let comes_again = inbound.ack.is_some() || known.is_some();
        if comes_again && self.is_known(reference.as_deref(), &hash)? {
            if let (Some(_), Some(reference)) = (&known, &reference) {
                engine.spool.see(&inbound.name, reference)?;
            }
            return Ok(match self.acknowledge(reference.as_deref(), &hash, "known")? {
                file::Source::Knows => None,
                file::Source::MayNotKnow => Some(Polled::Failed(
                    "it cannot be told which messages are safe here; it is left for now".to_owned(),
                )),
            });
        }
        let envelope = envelope(self.session, mailbox, sender, 0, Some(source));
        let draft = take_in(engine.spool, &envelope, &head, &mut file, u64::MAX)?;
        Placed::commit(vec![draft.place(State::Received, None)?])?;
        // Safe: from here on the source may forget it.
        let claim = match engine.spool.find_received(&envelope.id)? {
            Some(name) => engine.spool.claim(State::Received, &name)?,
            None => Taken::Gone,
        };
        if let (Some(_), Some(reference)) = (&known, &reference) {
            engine.spool.see(&inbound.name, reference)?;
        }
        let known = self.acknowledge(reference.as_deref(), &hash, envelope.id.as_str())?;
        if known == file::Source::Knows && inbound.ack.is_some() {
            // Whoever files it, should we not come to it, must not wait for it to come again.
            let record = Record { at: engine.now(), event: Event::Acknowledged };
            engine.spool.log(&envelope.id)?.append(&record)?;
        }
        if let Taken::Claimed(claim) = claim {
            self.file(*claim, known)?;
        }
        // They are all taken; but a source that has nothing else would fill the disk.
        Ok((times >= MOST_EQUAL).then(|| Polled::Failed(again.to_owned())))
    }

    fn file(&mut self, claim: Claim<'_>, known: file::Source) -> Result<()> {
        let id = claim.message().envelope.id.clone();
        if let Err(error) = file::file(self.engine, &mut self.index, claim, known) {
            self.engine.observer.problem(&format!("{id}: {error:#}; it stays in the spool"));
        }
        Ok(())
    }

    /// Tells the source. One that cannot be told will give the message again, which is no reason to stop.
    fn acknowledge(&self, reference: Option<&str>, hash: &str, id: &str) -> Result<file::Source> {
        let (engine, inbound) = (self.engine, self.inbound);
        match inbound.acknowledge(reference.unwrap_or_default(), id, engine.spool.path(), engine.signals) {
            Ok(()) => {
                engine.spool.change_source(&inbound.name, |state| state.forget(reference, hash))?;
                Ok(file::Source::Knows)
            }
            Err(text) => {
                let problem =
                    format!("inbound {}: the message is safe, but ack {text}; it may come again", inbound.name);
                engine.observer.problem(&problem);
                Ok(file::Source::MayNotKnow)
            }
        }
    }

    /// True when this message is here already: filed and not acknowledged, or not even filed.
    fn is_known(&self, reference: Option<&str>, hash: &str) -> Result<bool> {
        let spool = self.engine.spool;
        if spool.source(&self.inbound.name)?.knows(reference, hash) {
            return Ok(true);
        }
        for entry in spool.entries(State::Received)? {
            let Entry::Message(name) = entry? else { continue };
            let Ok(message) = spool.read(State::Received, &name) else { continue };
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
struct Incoming {
    file: File,
    print: Fingerprint,
    room: u64,
}

impl Incoming {
    fn begin(work: &Path, limit: u64) -> Result<Incoming> {
        let file = Dir::open(work)?.create_new("message")?;
        Ok(Incoming { file, print: Fingerprint::default(), room: limit })
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
