//! One mail transaction (RFC 5321 section 3.3, RFC 2033 section 4): envelope commands, text, and what each recipient got.
//!
//! With PIPELINING (RFC 2920) the envelope is one group; without it each command waits for the reply to the one before.

use crate::transports::smtp::reply::{Reply, ReplyClass};

/// Protocol of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP: one reply after the text.
    Smtp,
    /// LMTP (RFC 2033): one reply after the text for each accepted recipient.
    Lmtp,
}

/// Way in which commands are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandFlow {
    /// All commands of an envelope in one group.
    Group,
    /// Each after the reply to the one before.
    OneByOne,
}

/// Command lines of one envelope, without line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeCommands {
    /// MAIL.
    pub mail: String,
    /// RCPT, one per recipient.
    pub recipients: Vec<String>,
}

/// What a server answered about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientAnswer {
    /// The server has taken the message for it.
    Accepted(Reply),
    /// A clear refusal, temporary or permanent.
    Refused(Reply),
    /// Too many recipients for this transaction: it is for the next one.
    NextTransaction,
    /// The connection ended before the text was sent.
    NotReached,
    /// The connection ended while the text was sent.
    TextCutOff,
    /// The connection ended after the final dot, without a reply: the server may have the message.
    MaybeAccepted,
}

/// Progress of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStage {
    /// Envelope commands are sent, or their replies are read.
    Envelope,
    /// The server waits for the text.
    Text,
    /// The final dot is sent.
    TextSent,
    /// The server has answered everything.
    Finished,
}

/// State in which a finished transaction leaves the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCondition {
    /// Another transaction can begin.
    Clean,
    /// The server keeps an envelope, which RSET discards.
    NeedsReset,
    /// The connection must be closed.
    Unusable,
}

/// Transaction under way.
#[derive(Clone, Debug)]
pub struct Transaction {
    protocol: Protocol,
    lines: Vec<String>,
    sent: usize,
    answered: usize,
    mail: Option<Reply>,
    recipients: Vec<Reply>,
    data: Option<Reply>,
    finals: Vec<Reply>,
    stage: TransactionStage,
    condition: SessionCondition,
}

impl Transaction {
    /// Prepares a transaction for at least one recipient.
    pub fn new(protocol: Protocol, commands: EnvelopeCommands) -> Transaction {
        let EnvelopeCommands { mail, recipients } = commands;
        let lines = [mail].into_iter().chain(recipients).chain(["DATA".to_owned()]).collect();
        Transaction {
            protocol,
            lines,
            sent: 0,
            answered: 0,
            mail: None,
            recipients: Vec::new(),
            data: None,
            finals: Vec::new(),
            stage: TransactionStage::Envelope,
            condition: SessionCondition::Clean,
        }
    }

    /// Returns how far the transaction has come.
    pub fn stage(&self) -> TransactionStage {
        self.stage
    }

    /// Returns the state in which the transaction leaves the session.
    pub fn condition(&self) -> SessionCondition {
        self.condition
    }

    /// Returns the reply to MAIL that refused the sender or the message.
    pub fn mail_refusal(&self) -> Option<&Reply> {
        self.mail.as_ref().filter(|reply| !reply.is_positive())
    }

    /// Returns the reply 421 with which the server closed the connection before it asked for the text.
    pub fn closed_before_text(&self) -> Option<&Reply> {
        let data = self.data.as_ref().filter(|_| self.finals.is_empty());
        self.mail.iter().chain(&self.recipients).chain(data).find(|reply| reply.closes())
    }

    /// True if the server waits for the DATA command next.
    pub(super) fn awaits_data(&self) -> bool {
        self.stage == TransactionStage::Envelope && self.answered + 1 == self.lines.len()
    }

    /// Appends the first commands.
    pub(super) fn begin(&mut self, flow: CommandFlow, out: &mut Vec<u8>) {
        let count = match flow {
            CommandFlow::Group => self.lines.len(),
            CommandFlow::OneByOne => 1,
        };
        self.send(count, out);
    }

    fn send(&mut self, count: usize, out: &mut Vec<u8>) {
        for line in self.lines.iter().skip(self.sent).take(count) {
            debug_assert!(!line.contains(['\r', '\n']), "a command is one line");
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        self.sent = (self.sent + count).min(self.lines.len());
    }

    /// Takes the next reply, and appends the next command if it waited for that.
    pub(super) fn take(&mut self, reply: Reply, out: &mut Vec<u8>) {
        match self.stage {
            TransactionStage::Envelope => self.take_envelope_reply(reply, out),
            TransactionStage::Text => {
                // A reply before the end of the text: the server reads no further.
                self.data = Some(reply);
                self.finish(SessionCondition::Unusable);
            }
            TransactionStage::TextSent => {
                self.finals.push(reply);
                if self.finals.len() >= self.final_count() {
                    self.finish(SessionCondition::Clean);
                }
            }
            TransactionStage::Finished => self.condition = SessionCondition::Unusable,
        }
    }

    fn take_envelope_reply(&mut self, reply: Reply, out: &mut Vec<u8>) {
        let last = self.lines.len() - 1;
        let position = self.answered;
        self.answered += 1;
        if position == 0 {
            self.mail = Some(reply);
        } else if position < last {
            self.recipients.push(reply);
        } else {
            return self.take_data_reply(reply);
        }
        if self.answered < self.sent {
            return;
        }
        if self.mail_refusal().is_some() {
            self.finish(SessionCondition::Clean);
        } else if self.answered == last && self.accepted() == 0 {
            self.finish(SessionCondition::NeedsReset);
        } else {
            self.send(1, out);
        }
    }

    fn take_data_reply(&mut self, reply: Reply) {
        let takes_text = reply.code == 354;
        let wanted = self.mail_refusal().is_none() && self.accepted() > 0;
        self.data = Some(reply);
        match (takes_text, wanted) {
            (true, true) => self.stage = TransactionStage::Text,
            // It waits for a text that must not be sent.
            (true, false) => self.finish(SessionCondition::Unusable),
            (false, _) if self.mail_refusal().is_some() => self.finish(SessionCondition::Clean),
            (false, _) => self.finish(SessionCondition::NeedsReset),
        }
    }

    fn finish(&mut self, condition: SessionCondition) {
        (self.stage, self.condition) = (TransactionStage::Finished, condition);
    }

    /// Notes that the final dot is on its way.
    pub(super) fn text_ended(&mut self) {
        debug_assert_eq!(self.stage, TransactionStage::Text, "a text ends once");
        self.stage = TransactionStage::TextSent;
    }

    /// Returns the number of recipients that the server has accepted.
    fn accepted(&self) -> usize {
        self.recipients.iter().filter(|reply| reply.is_positive()).count()
    }

    /// Returns the number of replies after the final dot.
    fn final_count(&self) -> usize {
        match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.accepted(),
        }
    }

    /// Returns the answer for each recipient, in the order of the commands: what is known when the transaction is
    /// over, or the connection is lost.
    pub fn answers(&self) -> Vec<RecipientAnswer> {
        let mut accepted = 0;
        let mut answers = Vec::new();
        for position in 0..self.lines.len() - 2 {
            let answer = match (self.mail_refusal(), self.recipients.get(position)) {
                (Some(refusal), _) if refusal.closes() => RecipientAnswer::NotReached,
                (Some(refusal), _) => RecipientAnswer::Refused(refusal.clone()),
                (None, None) => RecipientAnswer::NotReached,
                (None, Some(reply)) if reply.is_positive() => {
                    accepted += 1;
                    self.after_envelope(accepted - 1)
                }
                (None, Some(reply)) if reply.closes() => RecipientAnswer::NotReached,
                (None, Some(reply)) if accepted > 0 && is_too_many(reply) => RecipientAnswer::NextTransaction,
                (None, Some(reply)) => RecipientAnswer::Refused(reply.clone()),
            };
            answers.push(answer);
        }
        answers
    }

    /// Returns the answer for the recipient that was accepted as this one, counted from 0.
    fn after_envelope(&self, accepted: usize) -> RecipientAnswer {
        let place = match self.protocol {
            Protocol::Smtp => 0,
            Protocol::Lmtp => accepted,
        };
        match (self.finals.get(place), &self.data) {
            (Some(reply), _) if reply.is_positive() => RecipientAnswer::Accepted(reply.clone()),
            (Some(reply), _) => RecipientAnswer::Refused(reply.clone()),
            (None, None) => RecipientAnswer::NotReached,
            (None, Some(data)) => match (self.stage, data.class()) {
                (TransactionStage::TextSent, _) => RecipientAnswer::MaybeAccepted,
                (TransactionStage::Text, _) => RecipientAnswer::TextCutOff,
                // A refusal of DATA, or of the text before its end.
                (_, ReplyClass::Temporary | ReplyClass::Permanent) if !data.closes() => {
                    RecipientAnswer::Refused(data.clone())
                }
                (_, ReplyClass::Completed) | (_, ReplyClass::Intermediate) => RecipientAnswer::TextCutOff,
                _ => RecipientAnswer::NotReached,
            },
        }
    }
}

/// True for the refusal of a recipient because there are too many (RFC 5321 section 4.5.3.1.10). The same codes mean a
/// full mailbox, which an enhanced status tells apart.
fn is_too_many(reply: &Reply) -> bool {
    let status = reply.enhanced().map(|status| status.to_string());
    matches!(reply.code, 452 | 552) && status.is_none_or(|status| status.ends_with(".5.3"))
}
