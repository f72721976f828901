//! Session with a server: a connection with its conversation.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::sys::dir;
use crate::sys::error::reason_text;
use crate::transports::answer::{BrokenTransport, TroubleKind};
use crate::transports::program::ProgramControl;
use crate::transports::smtp::capabilities::Capabilities;
use crate::transports::smtp::conversation::{Conversation, ConversationEvent, ServerWait};
use crate::transports::smtp::link::{Link, LinkFailure, TransferGoal};
use crate::transports::smtp::reply::Reply;
use crate::transports::smtp::text::TextEncoder;
use crate::transports::smtp::transaction::Transaction;

/// Bytes of a message that are read and written at once.
const TEXT_PIECE: usize = 64 << 10;

/// Time for each piece of the text (RFC 5321 section 4.5.3.2.5).
const TEXT_WAIT: Duration = Duration::from_secs(180);

/// Reason why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionFailure {
    /// Trouble of the server, or of the way to it.
    Trouble(BrokenTransport),
    /// The message cannot be read; with the reason.
    Message(String),
    /// A signal asked mspool to stop at once.
    Interrupted,
}

/// Message as a session reads it.
#[derive(Clone, Copy, Debug)]
pub struct MessageInput<'a> {
    /// Open file.
    pub file: BorrowedFd<'a>,
    /// Offset of the message in it, in bytes.
    pub begins_at: u64,
}

/// Session with a server.
#[derive(Debug)]
pub struct ServerSession {
    pub(super) link: Link,
    pub(super) conversation: Conversation,
    /// Name of the server for messages.
    pub(super) server: String,
    /// Longest wait, in place of a longer one of RFC 5321.
    pub(super) timeout: Duration,
    /// Messages that were sent.
    pub(super) messages: u32,
}

/// Returns the time for a wait (RFC 5321 section 4.5.3.2).
fn limit_of(wait: ServerWait) -> Duration {
    Duration::from_secs(match wait {
        ServerWait::Greeting | ServerWait::Command => 300,
        ServerWait::Data => 120,
        ServerWait::FinalDot => 600,
    })
}

impl ServerSession {
    /// Returns what the server offers.
    pub fn capabilities(&self) -> &Capabilities {
        self.conversation.capabilities()
    }

    /// Returns the name of the encryption, if there is one.
    pub fn encryption(&self) -> Option<String> {
        self.link.channel().encryption()
    }

    /// Returns the name of the server for messages.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// True if the session can be used for another transaction.
    pub fn is_reusable(&self) -> bool {
        self.conversation.is_reusable()
    }

    /// True if the server has not closed the unused session.
    pub fn is_alive(&self) -> bool {
        self.link.is_quiet()
    }

    /// Begins a transaction. With PIPELINING it may follow one whose final dot is sent.
    pub fn begin(&mut self, transaction: Transaction) {
        self.messages += 1;
        self.conversation.begin(transaction);
    }

    /// Builds a trouble with the server's name before it.
    fn trouble(&self, found: BrokenTransport) -> SessionFailure {
        SessionFailure::Trouble(BrokenTransport { kind: found.kind, text: format!("{}: {}", self.server, found.text) })
    }

    /// Builds the failure of a session that the server ended with this reply.
    pub fn closed_by(&self, reply: &Reply) -> SessionFailure {
        let text = format!("the server closes the connection: {}", reply.quote());
        self.trouble(BrokenTransport { kind: TroubleKind::Broken, text })
    }

    /// Exchanges bytes until the conversation asks for something else than bytes.
    ///
    /// # Errors
    /// The session is over.
    pub fn next_event(&mut self, control: ProgramControl<'_>) -> Result<ConversationEvent, SessionFailure> {
        loop {
            match self.conversation.next_event().map_err(|found| self.trouble(found))? {
                ConversationEvent::Wait(wait) => {
                    let limit = limit_of(wait).min(self.timeout);
                    let arrived = self.transfer(TransferGoal::Received, limit, control)?;
                    self.conversation.receive(&arrived);
                }
                event => return Ok(event),
            }
        }
    }

    /// Writes what the conversation has to say, and reads what arrives.
    pub(super) fn transfer(
        &mut self,
        goal: TransferGoal,
        limit: Duration,
        control: ProgramControl<'_>,
    ) -> Result<Vec<u8>, SessionFailure> {
        let moved = self.link.transfer(self.conversation.output(), goal, limit, control);
        moved.map_err(|failure| match failure {
            LinkFailure::Broken(text) => self.trouble(BrokenTransport { kind: TroubleKind::Broken, text }),
            LinkFailure::Interrupted => SessionFailure::Interrupted,
        })
    }

    /// Sends the text of the first transaction, which waits for it. `at_end` runs when the final dot is about to leave: what
    /// it begins leaves together with the dot.
    ///
    /// # Errors
    /// The session is over, or the message cannot be read.
    pub fn send_text(
        &mut self,
        input: MessageInput<'_>,
        control: ProgramControl<'_>,
        at_end: impl FnOnce(&mut ServerSession),
    ) -> Result<(), SessionFailure> {
        let mut encoder = TextEncoder::default();
        let mut at = input.begins_at;
        let mut buffer = vec![0; TEXT_PIECE];
        loop {
            let read = dir::read_at(input.file, &mut buffer, at);
            // The connection is closed without the final dot, so that no part of the message counts.
            let count = read.map_err(|error| SessionFailure::Message(reason_text(&error)))?;
            if count == 0 {
                break;
            }
            at += count as u64;
            encoder.encode(&buffer[..count], self.conversation.output());
            if self.conversation.output().len() >= TEXT_PIECE {
                let limit = TEXT_WAIT.min(self.timeout);
                let arrived = self.transfer(TransferGoal::Sent, limit, control)?;
                if !arrived.is_empty() {
                    // A reply before the end: the server reads no further, and the conversation ends the transaction.
                    self.conversation.receive(&arrived);
                    return Ok(());
                }
            }
        }
        encoder.finish(self.conversation.output());
        self.conversation.text_ended();
        at_end(self);
        Ok(())
    }

    /// Runs the first transaction to its end.
    ///
    /// # Errors
    /// The session is over; the transaction, as far as it came, and the reason.
    pub fn finish_first(
        &mut self,
        input: MessageInput<'_>,
        control: ProgramControl<'_>,
        at_end: impl FnOnce(&mut ServerSession),
    ) -> Result<Transaction, SessionFailure> {
        let mut at_end = Some(at_end);
        loop {
            match self.next_event(control)? {
                ConversationEvent::SendText => {
                    let at_end = at_end.take();
                    self.send_text(input, control, |session| {
                        if let Some(at_end) = at_end {
                            at_end(session);
                        }
                    })?;
                }
                ConversationEvent::Finished(transaction) => return Ok(*transaction),
                ConversationEvent::Wait(_)
                | ConversationEvent::StartTls
                | ConversationEvent::Login(_)
                | ConversationEvent::Ready => {
                    let text = "the conversation lost its transaction".to_owned();
                    return Err(self.trouble(BrokenTransport { kind: TroubleKind::Broken, text }));
                }
            }
        }
    }

    /// Returns the transactions that were under way when the session broke, the first one first.
    pub fn take_transactions(&mut self) -> Vec<Transaction> {
        self.conversation.take_transactions()
    }

    /// Ends the session. The reply to QUIT is not waited for: nothing follows from it.
    pub fn close(mut self) {
        if self.is_reusable() {
            self.conversation.quit();
        } else {
            self.conversation.output().clear();
        }
        let ServerSession { link, mut conversation, .. } = self;
        link.close(conversation.output());
    }
}
