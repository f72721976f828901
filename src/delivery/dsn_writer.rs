//! Reports to senders: which are due, and making them durable before the message they are about moves on.
//!
//! What is about to be reported is written into the log first, under the report's own id; then the report is made
//! durable; then that is written down too. A run that dies in between leaves an id to look for, so that the next one
//! rather finds the report than makes a second.

use anyhow::Result;

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::ReturnContent;
use crate::mail::envelope::{Envelope, without_duplicates};
use crate::mail::history::History;
use crate::mail::history::record::LogEvent;
use crate::mail::history::state::{RecipientEventKind, ReportKind};
use crate::mail::message::header::{Header, HeaderField, InputSupply, MAX_HEADER_BYTES};
use crate::mail::report::dsn::content::{Dsn, DsnAction, DsnReader, DsnRecipient, ReturnedPart};
use crate::mail::report::dsn::returned::{ReturnedEncoding, ReturnedScanner};
use crate::mail::status::{Status, StatusClass};
use crate::settings::ReportRoute;
use crate::spool::draft::{Draft, UnsyncedMessage};
use crate::spool::queue_file::QueueFile;
use crate::spool::{QueueState, Spool};
use crate::submission::resolve::AddressResolver;
use crate::values::printable;
use crate::values::time::Timestamp;

use crate::delivery::age::MessageAge;
use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::reports_due;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::spool::running_time::SpoolTime;

/// Bytes of a message in which its header is looked for.
const HEAD: usize = 64 << 10;

/// A report that is written, and not durable yet; or the reason why there is none.
#[derive(Debug)]
pub struct WrittenReport<'e> {
    /// The report itself.
    pub unsynced: Option<UnsyncedMessage<'e>>,
    kind: ReportKind,
    recipients: Vec<RecipientIndex>,
    id: Option<QueueId>,
    why_none: String,
}

/// Writes every report that is due on a message.
pub fn write<'e>(context: &DeliveryContext<'e>, message: &ClaimedMessage<'_>) -> Result<Vec<WrittenReport<'e>>> {
    let time = context.time();
    if !message.owes_report(context.settings, time) {
        return Ok(Vec::new());
    }
    record_finished_reports(context, message)?;
    let history = message.history();
    let mut written = Vec::new();
    for (kind, recipients) in reports_due::due(context.settings, message.envelope(), &history, time) {
        debug_assert!(!recipients.is_empty(), "a report is about somebody");
        let Some(reader) = reports_due::reader(context.settings, message.envelope()) else {
            debug_assert!(false, "a report that is due has a reader");
            continue;
        };
        let writer = DsnWriter { context, message, history: &history, kind, recipients, reader, time };
        written.push(writer.write()?);
    }
    Ok(written)
}

/// Notes that what was written is durable now.
pub fn record_reports(
    context: &DeliveryContext<'_>,
    message: &ClaimedMessage<'_>,
    written: Vec<WrittenReport<'_>>,
) -> Result<()> {
    for WrittenReport { unsynced, kind, recipients, id, why_none } in written {
        debug_assert!(unsynced.is_none(), "a report is noted when it is durable");
        debug_assert!(id.is_some() == why_none.is_empty(), "a report has an id, or a reason why there is none");
        let event = LogEvent::Reported { kind, recipients, report: id, text: why_none };
        message.append_event(context.spool, event, context.time())?;
    }
    Ok(())
}

/// Looks for the reports of a run that died before it could note them.
fn record_finished_reports(context: &DeliveryContext<'_>, message: &ClaimedMessage<'_>) -> Result<()> {
    for (kind, recipients, id) in message.history().unfinished_reports {
        if exists(context.spool, &id)? {
            let event = LogEvent::Reported { kind, recipients, report: Some(id), text: String::new() };
            message.append_event(context.spool, event, context.time())?;
        }
    }
    Ok(())
}

/// A report counts when it is whole. It is made durable now, since its writer may have died before that. One that
/// was filed has left the spool; its log has not.
fn exists(spool: &Spool, id: &QueueId) -> Result<bool> {
    let received = spool.find_received(id)?.map(|name| (QueueState::Received, name));
    let found = spool.find(id)?.filter(|(state, _)| *state != QueueState::Corrupt).or(received);
    match found {
        Some((state, name)) if spool.read(state, &name).is_ok() => {
            Ok(spool.ensure_durable(state, &name).map(|()| true)?)
        }
        Some(_) => Ok(false),
        None => {
            let log = spool.read_log(id)?;
            // One that a power failure cut short was set aside, and never reached the sender.
            Ok(!log.is_empty() && !History::is_of_incomplete(&log))
        }
    }
}

struct DsnWriter<'w, 'e> {
    context: &'w DeliveryContext<'e>,
    message: &'w ClaimedMessage<'w>,
    history: &'w History,
    kind: ReportKind,
    recipients: Vec<RecipientIndex>,
    reader: DsnReader<'w>,
    time: SpoolTime,
}

impl<'e> DsnWriter<'_, 'e> {
    fn write(self) -> Result<WrittenReport<'e>> {
        let file = self.message.claim.message();
        let envelope = &file.envelope;
        let none = |writer: Self, why: &str| {
            Ok(WrittenReport {
                unsynced: None,
                kind: writer.kind,
                recipients: writer.recipients,
                id: None,
                why_none: why.to_owned(),
            })
        };
        let bytes = file.first_bytes(HEAD)?;
        let header = Header::scan(&bytes, InputSupply::End);
        if self.kind == ReportKind::Delay && header.as_ref().is_some_and(Header::is_automatic) {
            return none(self, "nobody waits for automatic mail");
        }
        let Ok(to) = Address::parse(self.reader.as_str()) else {
            return none(self, "the sender's address cannot be written to");
        };
        let via = match self.reader {
            DsnReader::Sender(_) => self.context.settings.reports.via,
            // The address is not necessarily one of this spool.
            DsnReader::Postmaster(_) => ReportRoute::Queue,
        };
        let to: Vec<Recipient> = match via {
            ReportRoute::Inbox => vec![to.into()],
            // A report to a user of this host goes the way of all mail to that user.
            ReportRoute::Queue => {
                without_duplicates(AddressResolver::new(self.context.settings).recipients(vec![to.into()])?)
            }
        };
        let id = self.context.ids.next_id(self.context.clock.now());
        let full = self.kind == ReportKind::Failure
            && envelope.ret != Some(ReturnContent::Hdrs)
            && envelope.size <= self.context.settings.reports.return_limit;
        let returned = if full { ReturnedPart::Full } else { ReturnedPart::Header };
        let header_bytes = whole_header(file)?;
        let mut scanner = ReturnedScanner::default();
        match returned {
            ReturnedPart::Full => file.for_each_chunk(&mut |piece| {
                scanner.add(piece);
                anyhow::Ok(())
            })?,
            ReturnedPart::Header => scanner.add(&header_bytes),
        }
        let dsn = self.dsn(&id, header.as_ref(), returned, scanner.body());
        let report = Envelope {
            priority: envelope.priority,
            hops: envelope.hops.saturating_add(1),
            running: Some(self.time.running),
            ..Envelope::new(id.clone(), self.time.now, Sender::default(), to)
        };
        let event = LogEvent::Reporting { kind: self.kind, recipients: self.recipients.clone(), report: id.clone() };
        self.message.append_event(self.context.spool, event, self.time)?;
        let (mut draft, state) = match via {
            ReportRoute::Inbox => (Draft::begin_received(self.context.spool, &report)?, QueueState::Received),
            ReportRoute::Queue => (Draft::begin(self.context.spool, &report)?, QueueState::New),
        };
        draft.write(&dsn.head())?;
        match returned {
            ReturnedPart::Full => file.for_each_chunk(&mut |piece| anyhow::Ok(draft.write(piece)?))?,
            ReturnedPart::Header => draft.write(&header_bytes)?,
        }
        draft.write(&dsn.tail())?;
        let placed = Some(draft.rename_into(state, None)?);
        drop(dsn);
        Ok(WrittenReport {
            unsynced: placed,
            kind: self.kind,
            recipients: self.recipients,
            id: Some(id),
            why_none: String::new(),
        })
    }

    fn dsn<'d>(
        &'d self,
        id: &'d QueueId,
        header: Option<&Header<'_>>,
        returned: ReturnedPart,
        body: ReturnedEncoding,
    ) -> Dsn<'d> {
        let envelope = self.message.envelope();
        let value = |name: &str| header.and_then(|header| header.all(name).next()).map(HeaderField::value);
        Dsn {
            id,
            kind: self.kind,
            host: &self.context.settings.hostname,
            now: self.time.now,
            reader: self.reader,
            envid: envelope.report_id(),
            about_id: &envelope.id,
            arrival: envelope.arrival,
            subject: value("Subject").map(|subject| printable::line(&subject)),
            message_id: value("Message-ID"),
            recipients: self.recipients.iter().map(|recipient| self.about(*recipient)).collect(),
            returned,
            body,
        }
    }

    /// Returns until when delivery is retried, if a runner is at work from now on.
    fn retry_until(&self) -> Timestamp {
        let envelope = self.message.envelope();
        let age = MessageAge::of(envelope, self.history, self.time);
        let end = age.reaches(self.context.settings.queue.lifetime);
        envelope.deadline().map_or(end, |deadline| deadline.min(end))
    }

    fn about(&self, recipient: RecipientIndex) -> DsnRecipient<'_> {
        let envelope = self.message.envelope();
        let progress = &self.history.recipients[recipient];
        let (action, wanted, default) = match (self.kind, progress.state.properties().event) {
            (ReportKind::Success, RecipientEventKind::Relayed) => {
                (DsnAction::Relayed, StatusClass::Success, Status::DONE)
            }
            (ReportKind::Success, _) => (DsnAction::Delivered, StatusClass::Success, Status::DONE),
            (ReportKind::Delay, _) => (DsnAction::Delayed, StatusClass::Temporary, Status::TEMPORARY),
            (ReportKind::Failure, _) => (DsnAction::Failed, StatusClass::Permanent, Status::FAILED),
        };
        // RFC 3464 section 2.3.4 lets a failure have a 4 as its first digit: it was tried for too long.
        let fits = |status: &Status| {
            status.class() == wanted || (action == DsnAction::Failed && status.class() == StatusClass::Temporary)
        };
        DsnRecipient {
            recipient: &envelope.recipients[recipient],
            action,
            status: progress.status.filter(fits).unwrap_or(default),
            text: &progress.text,
            transport: progress.transport.as_deref(),
            remote_id: progress.remote_id.as_deref(),
            last_attempt: progress.last_attempt,
            retry_until: (action == DsnAction::Delayed).then(|| self.retry_until()),
        }
    }
}

/// The header of a message, as it was submitted. One that does not end within a megabyte is cut at a line.
fn whole_header(file: &QueueFile) -> Result<Vec<u8>> {
    let mut bytes = file.first_bytes(MAX_HEADER_BYTES)?;
    let len = Header::scan(&bytes, InputSupply::End).map_or(0, |header| header.len);
    bytes.truncate(len);
    Ok(bytes)
}
