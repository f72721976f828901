//! Delivery of a hand-off to a server: one or more transactions, and a result for each recipient.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::status::Status;
use crate::sys::dir;
use crate::sys::error::reason_text;
use crate::transports::answer::{
    BrokenTransport, HandOffResult, ResultKind, SuccessReporter, TransportResult, TroubleKind,
};
use crate::transports::hand_off::{HandOff, refused_result};
use crate::transports::program::ProgramControl;
use crate::transports::smtp::capabilities::Capabilities;
use crate::transports::smtp::client::{MessageInput, ServerSession, SessionFailure};
use crate::transports::smtp::envelope::{OutgoingEnvelope, OutgoingRecipient};
use crate::transports::smtp::pool::{CheckedOut, SessionPool, SessionWish};
use crate::transports::smtp::reply::{Reply, ReplyClass};
use crate::transports::smtp::text::TextScan;
use crate::transports::smtp::transaction::{RecipientAnswer, Transaction, TransactionStage};
use crate::transports::smtp::turn::Turn;
use crate::values::printable::{self, TextLimit};

/// Seconds until the second attempt after a first one whose end is unknown.
const QUICK_RETRY: u64 = 10;

/// Reply code of a server that wants a login, or TLS, before it takes mail.
const LOGIN_REQUIRED: u16 = 530;

/// Delivery under way.
struct Delivery<'a> {
    pool: &'a Arc<SessionPool>,
    hand_off: &'a HandOff<'a>,
    control: ProgramControl<'a>,
    turn: &'a dyn Turn,
    envelope: OutgoingEnvelope<'a>,
    /// Position in the hand-off of each recipient of the envelope.
    positions: Vec<usize>,
    results: Vec<Option<TransportResult>>,
    broken: Option<BrokenTransport>,
    /// Ids that the server gave. Each transaction has one of its own, and each recipient of LMTP can have one.
    remote_ids: BTreeSet<String>,
    /// True if the server was told which reports the sender wants.
    passes_dsn: bool,
}

/// Answer to whether recipients are left for another transaction.
enum Progress {
    /// Recipients are left, by their indices in the envelope.
    Left(Vec<usize>),
    /// The used session broke before anything was sent in it: the same recipients, in a new session.
    Again,
    /// Everything that can be done now is done.
    Done,
}

/// Hands a message to the server. Returns one result per recipient, in order.
pub(in crate::transports) fn deliver(
    pool: &Arc<SessionPool>,
    hand_off: &HandOff<'_>,
    control: ProgramControl<'_>,
    turn: &dyn Turn,
) -> HandOffResult {
    let mut results: Vec<Option<TransportResult>> = vec![None; hand_off.recipients.len()];
    let mut positions = Vec::new();
    let mut recipients = Vec::new();
    for (position, (index, address)) in hand_off.recipients.iter().enumerate() {
        match outgoing(hand_off, *index, address) {
            Some(recipient) => {
                positions.push(position);
                recipients.push(recipient);
            }
            None => {
                let text = format!("{address} is no address of internet mail");
                results[position] = Some(refused_result(Status::BAD_SYNTAX, &text));
            }
        }
    }
    let text = match scan(hand_off) {
        Ok(text) => text,
        Err(error) => {
            let text = format!("the message cannot be read: {}", reason_text(&error));
            let failed = TransportResult::new(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, text);
            let results = results.into_iter().map(|known| known.unwrap_or_else(|| failed.clone())).collect();
            return HandOffResult { results, broken: None, remote_id: None };
        }
    };
    let envelope = OutgoingEnvelope {
        sender: hand_off.sender.as_str(),
        ret: hand_off.envelope.ret,
        envid: hand_off.envid,
        recipients,
        text,
    };
    Delivery {
        pool,
        hand_off,
        control,
        turn,
        envelope,
        positions,
        results,
        broken: None,
        remote_ids: BTreeSet::new(),
        passes_dsn: false,
    }
    .run()
}

/// Returns a recipient as the server is told of it; `None` for an address that is no bare mailbox.
fn outgoing<'a>(hand_off: &HandOff<'a>, index: RecipientIndex, address: &'a Address) -> Option<OutgoingRecipient<'a>> {
    if !address.is_smtp() && Sender::parse(address.text()).is_ok_and(|sender| sender.as_str() != address.text()) {
        return None;
    }
    if !address.is_smtp() && Sender::parse(address.text()).is_err() {
        return None;
    }
    let recipient = hand_off.envelope.recipients.get(index);
    Some(OutgoingRecipient {
        address: address.text(),
        notify: recipient.and_then(|recipient| recipient.notify).or(hand_off.envelope.notify),
        orcpt: recipient.and_then(|recipient| recipient.orcpt.as_ref()),
    })
}

fn scan(hand_off: &HandOff<'_>) -> io::Result<TextScan> {
    let mut scan = TextScan::default();
    let mut buffer = vec![0; 64 << 10];
    let mut at = hand_off.body_at;
    loop {
        let count = dir::read_at(hand_off.input, &mut buffer, at)?;
        if count == 0 {
            return Ok(scan);
        }
        scan.add(&buffer[..count]);
        at += count as u64;
    }
}

impl Delivery<'_> {
    fn run(mut self) -> HandOffResult {
        let mut left: Vec<usize> = (0..self.envelope.recipients.len()).collect();
        let mut wish = SessionWish::Any;
        while !left.is_empty() {
            match self.transact(&left, wish) {
                Progress::Left(next) => (left, wish) = (next, SessionWish::Any),
                Progress::Again => wish = SessionWish::New,
                Progress::Done => break,
            }
        }
        let unreached = || {
            let text = "no answer for this recipient";
            TransportResult::new(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, text)
        };
        let results = self.results.into_iter().map(|known| known.unwrap_or_else(unreached)).collect();
        // A hand-off has one id for all its recipients: none is better than that of others.
        let remote_id = self.remote_ids.pop_first().filter(|_| self.remote_ids.is_empty());
        HandOffResult { results, broken: self.broken, remote_id }
    }

    fn set(&mut self, recipient: usize, result: TransportResult) {
        if let Some(slot) = self.positions.get(recipient).and_then(|position| self.results.get_mut(*position)) {
            *slot = Some(result);
        }
    }

    /// Runs one transaction for these recipients.
    fn transact(&mut self, recipients: &[usize], wish: SessionWish) -> Progress {
        // What the server offers is known when the messages before this one have a session.
        self.turn.wait();
        let known = self.pool.capabilities().filter(|offered| offered.pipelining && wish == SessionWish::Any);
        let prepared = known.and_then(|offered| self.prepare_all(recipients, &offered));
        let checked_out = self.pool.check_out(wish, prepared.as_ref(), self.control, self.turn);
        self.turn.end();
        let (mut session, is_fresh, is_begun) = match checked_out {
            Ok(CheckedOut::Fresh(session)) => (*session, true, false),
            Ok(CheckedOut::Used(session)) => (*session, false, false),
            Ok(CheckedOut::Begun(session)) => (*session, false, true),
            Err(failure) => {
                self.not_reached(recipients, &failure);
                return Progress::Done;
            }
        };
        self.passes_dsn = session.capabilities().dsn;
        let mut suitable = recipients.to_vec();
        if !is_begun {
            let offered = session.capabilities().clone();
            suitable = self.judge(recipients, &offered);
            if suitable.is_empty() {
                self.pool.check_in(session);
                return Progress::Done;
            }
            let transaction = self.transaction(&suitable, &offered);
            session.begin(transaction);
        }
        self.finish(session, &suitable, is_fresh)
    }

    fn finish(&mut self, mut session: ServerSession, recipients: &[usize], is_fresh: bool) -> Progress {
        let input = MessageInput { file: self.hand_off.input, begins_at: self.hand_off.body_at };
        let pool = Arc::clone(self.pool);
        let mut next = None;
        let finished = session.finish_first(input, self.control, |session| next = pool.begin_next(session));
        let (lost, failure) = match finished {
            Ok(transaction) => match transaction.closed_before_text() {
                None => {
                    match next {
                        Some(ticket) => self.pool.hand_on(ticket, session),
                        None => self.pool.check_in(session),
                    }
                    return self.apply(&transaction, recipients);
                }
                Some(reply) => {
                    let failure = session.closed_by(reply);
                    (Some(transaction), failure)
                }
            },
            Err(failure) => (session.take_transactions().into_iter().next(), failure),
        };
        let nothing_sent = lost
            .as_ref()
            .is_none_or(|lost| lost.stage() == TransactionStage::Envelope || lost.closed_before_text().is_some());
        let is_trouble = matches!(failure, SessionFailure::Trouble(_));
        self.pool.discard(session, (nothing_sent && is_trouble && is_fresh).then_some(&failure));
        if let Some(ticket) = next {
            self.pool.tell_lost(ticket);
        }
        match lost {
            _ if nothing_sent && is_trouble && !is_fresh => Progress::Again,
            Some(transaction) => {
                self.apply_lost(&transaction, recipients, &failure);
                Progress::Done
            }
            None => {
                self.not_reached(recipients, &failure);
                Progress::Done
            }
        }
    }

    /// Prepares a transaction for all of the recipients, if every one of them can be given to the server.
    fn prepare_all(&self, recipients: &[usize], offered: &Capabilities) -> Option<Transaction> {
        let fits = |recipient: &usize| self.envelope.recipients[*recipient].check(offered).is_ok();
        let all = self.envelope.check_message(offered).is_ok() && recipients.iter().all(fits);
        all.then(|| self.transaction(recipients, offered))
    }

    fn transaction(&self, recipients: &[usize], offered: &Capabilities) -> Transaction {
        let chosen: Vec<OutgoingRecipient<'_>> =
            recipients.iter().filter_map(|recipient| self.envelope.recipients.get(*recipient).copied()).collect();
        Transaction::new(self.pool.settings().protocol, self.envelope.commands(&chosen, offered))
    }

    /// Refuses what the server cannot take, and returns the other recipients.
    fn judge(&mut self, recipients: &[usize], offered: &Capabilities) -> Vec<usize> {
        let message = self.envelope.check_message(offered);
        let mut suitable = Vec::new();
        for recipient in recipients {
            let judged = message.clone().and_then(|()| self.envelope.recipients[*recipient].check(offered));
            match judged {
                Ok(()) => suitable.push(*recipient),
                Err((status, text)) => self.set(*recipient, refused_result(status, &text)),
            }
        }
        suitable
    }

    /// Takes over the answers of a finished transaction.
    fn apply(&mut self, transaction: &Transaction, recipients: &[usize]) -> Progress {
        if let Some(refusal) = transaction.mail_refusal().filter(|refusal| refusal.code == LOGIN_REQUIRED) {
            let text = format!("the server wants a login: {}", refusal.quote());
            let trouble = BrokenTransport { kind: TroubleKind::LoginRefused, text };
            self.not_reached(recipients, &SessionFailure::Trouble(trouble));
            return Progress::Done;
        }
        let closed = "the server closed the connection".to_owned();
        let lost = SessionFailure::Trouble(BrokenTransport { kind: TroubleKind::Broken, text: closed });
        let mut left = Vec::new();
        for (recipient, answer) in recipients.iter().zip(transaction.answers()) {
            match answer {
                RecipientAnswer::NextTransaction => left.push(*recipient),
                answer => self.settle(*recipient, answer, &lost),
            }
        }
        if left.is_empty() { Progress::Done } else { Progress::Left(left) }
    }

    /// Takes over what is known of a transaction whose session broke.
    fn apply_lost(&mut self, transaction: &Transaction, recipients: &[usize], failure: &SessionFailure) {
        for (recipient, answer) in recipients.iter().zip(transaction.answers()) {
            let answer = match answer {
                RecipientAnswer::NextTransaction => RecipientAnswer::NotReached,
                answer => answer,
            };
            self.settle(*recipient, answer, failure);
        }
    }

    fn settle(&mut self, recipient: usize, answer: RecipientAnswer, failure: &SessionFailure) {
        let reason = || printable::output(failure_text(failure).as_bytes(), TextLimit::Result);
        let result = match answer {
            RecipientAnswer::Accepted(reply) => {
                self.remote_ids.extend(remote_id(&reply));
                let accepted = TransportResult::new(ResultKind::Accepted, reply.status(), reply.text());
                TransportResult { success_reporter: self.success_reporter(recipient), ..accepted }
            }
            RecipientAnswer::Refused(reply) => refusal(&reply),
            RecipientAnswer::NotReached | RecipientAnswer::NextTransaction => {
                return self.not_reached(&[recipient], failure);
            }
            // Without the final dot, the server has no message.
            RecipientAnswer::TextCutOff if *failure == SessionFailure::Interrupted => {
                TransportResult::new(ResultKind::Busy, Status::NOT_NOW, "interrupted")
            }
            // The message may be the reason: it is charged, so that it cannot hold up the others for ever.
            RecipientAnswer::TextCutOff => {
                let text = format!("while the message was sent: {}", reason());
                TransportResult::new(ResultKind::Deferred(None), Status::CONNECTION_LOST, text)
            }
            RecipientAnswer::MaybeAccepted => {
                let wait = (self.hand_off.attempt <= 1).then_some(QUICK_RETRY);
                let text = format!("maybe delivered; after the message was sent: {}", reason());
                TransportResult::new(ResultKind::Deferred(wait), Status::CONNECTION_LOST, text)
            }
        };
        self.set(recipient, result);
    }

    fn success_reporter(&self, recipient: usize) -> SuccessReporter {
        let notify = self.envelope.recipients.get(recipient).and_then(|recipient| recipient.notify);
        if self.passes_dsn && notify.is_some_and(|notify| notify.success) {
            SuccessReporter::NextSystem
        } else {
            SuccessReporter::Mspool
        }
    }

    /// Gives recipients back that the server was not asked about, or not to the end. The relay's trouble charges no mail.
    fn not_reached(&mut self, recipients: &[usize], failure: &SessionFailure) {
        let text = printable::output(failure_text(failure).as_bytes(), TextLimit::Result);
        let result = match failure {
            SessionFailure::Trouble(trouble) => {
                self.broken = Some(BrokenTransport { kind: trouble.kind, text: text.clone() });
                match trouble.kind {
                    TroubleKind::Broken => TransportResult::new(ResultKind::Broken, Status::BROKEN, text),
                    TroubleKind::LoginRefused => TransportResult::new(ResultKind::LoginRefused, Status::NO_LOGIN, text),
                }
            }
            SessionFailure::Message(_) => TransportResult::new(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, text),
            SessionFailure::Interrupted => TransportResult::new(ResultKind::Busy, Status::NOT_NOW, text),
        };
        for recipient in recipients {
            self.set(*recipient, result.clone());
        }
    }
}

fn failure_text(failure: &SessionFailure) -> String {
    match failure {
        SessionFailure::Trouble(trouble) => trouble.text.clone(),
        SessionFailure::Message(reason) => format!("the message cannot be read: {reason}"),
        SessionFailure::Interrupted => "interrupted".to_owned(),
    }
}

fn refusal(reply: &Reply) -> TransportResult {
    let kind = match reply.class() {
        ReplyClass::Permanent => ResultKind::Failed,
        ReplyClass::Temporary | ReplyClass::Completed | ReplyClass::Intermediate => ResultKind::Deferred(None),
    };
    TransportResult::new(kind, reply.status(), reply.text())
}

/// Returns the id in a final reply: the word after `queued as`, or else the whole text.
fn remote_id(reply: &Reply) -> Option<String> {
    let text = reply.text();
    let id = match text.split_once("queued as ") {
        Some((_, rest)) => rest.split_whitespace().next().unwrap_or_default().trim_end_matches([',', '.', ';']),
        None => text.as_str(),
    };
    let id = printable::output(id.as_bytes(), TextLimit::Excerpt);
    (!id.is_empty() && id != reply.code.to_string()).then_some(id)
}
