//! Conversation with a server (RFC 5321, RFC 2033) as a value: bytes of the server in, bytes for the server out.
//!
//! It knows no sockets, no clock and no files. The caller writes what [`Conversation::output`] holds, passes on what
//! arrives, and does what each [`ConversationEvent`] asks for.

use std::collections::VecDeque;

use crate::transports::answer::{BrokenTransport, TroubleKind};
use crate::transports::smtp::capabilities::Capabilities;
use crate::transports::smtp::login::{Credentials, LoginExchange, LoginFailure, LoginStep, Mechanism};
use crate::transports::smtp::reply::{Reply, ReplyError, ReplyReader};
use crate::transports::smtp::transaction::{CommandFlow, Protocol, SessionCondition, Transaction, TransactionStage};

/// Rules for the opening of a conversation.
#[derive(Clone, Debug)]
pub struct OpeningRules {
    /// Protocol.
    pub protocol: Protocol,
    /// Name of this host in EHLO.
    pub helo: String,
    /// Use of STARTTLS.
    pub starttls: StartTlsRule,
    /// Mechanisms of a login, in the order of preference; empty for none.
    pub mechanisms: Vec<Mechanism>,
}

/// Use of STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTlsRule {
    /// It is not used: the connection is encrypted already, or shall not be.
    Unused,
    /// It is used where the server offers it.
    WhenOffered,
    /// Nothing is sent without it.
    Required,
}

/// Demand of a conversation to its caller.
#[derive(Debug)]
pub enum ConversationEvent {
    /// Bytes of the server are needed, and come within the time for this wait.
    Wait(ServerWait),
    /// The TLS handshake is due; [`Conversation::tls_established`] follows.
    StartTls,
    /// The secret of a login is needed; [`Conversation::log_in`] follows.
    Login(Mechanism),
    /// Nothing is under way: a transaction can begin.
    Ready,
    /// The text of the first transaction is due; [`Conversation::text_ended`] follows.
    SendText,
    /// The first transaction is over.
    Finished(Box<Transaction>),
}

/// Reply that a conversation waits for (RFC 5321 section 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerWait {
    /// Greeting.
    Greeting,
    /// Reply to a command.
    Command,
    /// Reply to DATA.
    Data,
    /// Reply after the final dot.
    FinalDot,
}

/// Conversation with one server.
#[derive(Debug)]
pub struct Conversation {
    rules: OpeningRules,
    replies: ReplyReader,
    out: Vec<u8>,
    phase: ConversationPhase,
    capabilities: Capabilities,
    transactions: VecDeque<Transaction>,
    /// Replies to RSET that come before those of the first transaction.
    resets: usize,
    condition: SessionCondition,
    /// Reply 421, after which the server closes the connection.
    closing: Option<Reply>,
}

#[derive(Debug)]
enum ConversationPhase {
    Greeting,
    Hello(HelloForm),
    StartTlsCommand,
    Handshake,
    ChoosingLogin,
    Login(Box<LoginExchange>),
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HelloForm {
    Extended,
    Plain,
}

/// Builds a trouble of the server that may pass by itself.
fn broken(text: impl Into<String>) -> BrokenTransport {
    BrokenTransport { kind: TroubleKind::Broken, text: text.into() }
}

impl Conversation {
    /// Begins a conversation: the server speaks first.
    pub fn new(rules: OpeningRules) -> Conversation {
        Conversation {
            rules,
            replies: ReplyReader::default(),
            out: Vec::new(),
            phase: ConversationPhase::Greeting,
            capabilities: Capabilities::default(),
            transactions: VecDeque::new(),
            resets: 0,
            condition: SessionCondition::Clean,
            closing: None,
        }
    }

    /// Returns the bytes to send; the caller removes those that it has sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Takes bytes of the server.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.replies.receive(bytes);
    }

    /// Returns what the server offers.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// True if another transaction can begin: nothing is under way, and the server said nothing that was not asked for.
    pub fn is_reusable(&self) -> bool {
        self.transactions.is_empty()
            && self.replies.is_empty()
            && self.closing.is_none()
            && self.condition != SessionCondition::Unusable
            && matches!(self.phase, ConversationPhase::Open)
    }

    /// Reads the replies that have arrived, and returns what is to be done next.
    ///
    /// # Errors
    /// Trouble of the server. The conversation is over; [`Conversation::take_transactions`] returns what was under way.
    pub fn next_event(&mut self) -> Result<ConversationEvent, BrokenTransport> {
        loop {
            if let Some(event) = self.due_event()? {
                return Ok(event);
            }
            let reply = match self.replies.next_reply() {
                Ok(Some(reply)) => reply,
                Ok(None) => return Ok(ConversationEvent::Wait(self.wait())),
                Err(ReplyError(text)) => return Err(broken(text)),
            };
            self.take(reply)?;
        }
    }

    /// Returns the event that follows from what is known, if there is one.
    fn due_event(&mut self) -> Result<Option<ConversationEvent>, BrokenTransport> {
        match &self.phase {
            ConversationPhase::Handshake => return Ok(Some(ConversationEvent::StartTls)),
            ConversationPhase::ChoosingLogin => {
                return self.choose_login().map(|found| Some(ConversationEvent::Login(found)));
            }
            ConversationPhase::Open => {}
            _ => return Ok(None),
        }
        let finished = self.transactions.front().is_some_and(|first| first.stage() == TransactionStage::Finished);
        if let Some(first) = self.transactions.pop_front_if(|_| finished) {
            self.condition = first.condition();
            return Ok(Some(ConversationEvent::Finished(Box::new(first))));
        }
        if let Some(reply) = &self.closing {
            return Err(broken(format!("the server closes the connection: {}", reply.quote())));
        }
        match self.transactions.front() {
            None if self.resets == 0 => Ok(Some(ConversationEvent::Ready)),
            Some(first) if first.stage() == TransactionStage::Text => {
                // A reply that was not asked for could be taken for the one after the dot.
                if self.replies.is_empty() {
                    return Ok(Some(ConversationEvent::SendText));
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn wait(&self) -> ServerWait {
        match (&self.phase, self.transactions.front()) {
            (ConversationPhase::Greeting, _) => ServerWait::Greeting,
            (_, Some(first)) if first.stage() == TransactionStage::TextSent => ServerWait::FinalDot,
            (_, Some(first)) if first.awaits_data() => ServerWait::Data,
            _ => ServerWait::Command,
        }
    }

    fn take(&mut self, reply: Reply) -> Result<(), BrokenTransport> {
        if !matches!(self.phase, ConversationPhase::Open) {
            return self.take_opening(&reply);
        }
        if reply.closes() {
            self.closing = Some(reply.clone());
        }
        if self.resets > 0 {
            self.resets -= 1;
            if !reply.is_positive() && !reply.closes() {
                return Err(broken(format!("the server refused RSET: {}", reply.quote())));
            }
            if !self.capabilities.pipelining
                && let Some(first) = self.transactions.front_mut()
            {
                first.begin(CommandFlow::OneByOne, &mut self.out);
            }
            return Ok(());
        }
        if let Some(first) = self.transactions.front_mut() {
            first.take(reply, &mut self.out);
        }
        Ok(())
    }

    fn take_opening(&mut self, reply: &Reply) -> Result<(), BrokenTransport> {
        let refused = |what: &str| broken(format!("the server refused {what}: {}", reply.quote()));
        if reply.closes() {
            return Err(broken(format!("the server closes the connection: {}", reply.quote())));
        }
        match &mut self.phase {
            ConversationPhase::Greeting if reply.code == 220 => self.say_hello(HelloForm::Extended),
            ConversationPhase::Greeting => return Err(refused("the connection")),
            ConversationPhase::Hello(form) => {
                let form = *form;
                if reply.is_positive() {
                    self.greeted(form, reply)?;
                } else if form == HelloForm::Extended
                    && matches!(reply.code, 500 | 502 | 504)
                    && self.rules.protocol == Protocol::Smtp
                {
                    self.say_hello(HelloForm::Plain);
                } else {
                    return Err(refused("the greeting of this host"));
                }
            }
            ConversationPhase::StartTlsCommand if reply.code == 220 => {
                // What came with the reply was not encrypted, and would be taken for a part of the encrypted session.
                if !self.replies.is_empty() {
                    return Err(broken("the server sent data before the TLS handshake; it may have been inserted"));
                }
                self.phase = ConversationPhase::Handshake;
            }
            ConversationPhase::StartTlsCommand => return Err(refused("STARTTLS")),
            ConversationPhase::Login(exchange) => match exchange.take(reply, &mut self.out) {
                Ok(LoginStep::More) => {}
                Ok(LoginStep::Done) => self.phase = ConversationPhase::Open,
                Err(failure) => return Err(login_trouble(failure)),
            },
            ConversationPhase::Handshake | ConversationPhase::ChoosingLogin | ConversationPhase::Open => {}
        }
        Ok(())
    }

    fn say_hello(&mut self, form: HelloForm) {
        let verb = match (form, self.rules.protocol) {
            (HelloForm::Extended, Protocol::Smtp) => "EHLO",
            (HelloForm::Extended, Protocol::Lmtp) => "LHLO",
            (HelloForm::Plain, _) => "HELO",
        };
        self.out.extend_from_slice(format!("{verb} {}\r\n", self.rules.helo).as_bytes());
        self.phase = ConversationPhase::Hello(form);
    }

    fn greeted(&mut self, form: HelloForm, reply: &Reply) -> Result<(), BrokenTransport> {
        self.capabilities = match form {
            HelloForm::Extended => Capabilities::read(reply),
            HelloForm::Plain => Capabilities::default(),
        };
        let offered = self.capabilities.starttls;
        match self.rules.starttls {
            StartTlsRule::Required if !offered => {
                return Err(broken("the server does not offer STARTTLS, and tls is \"required\""));
            }
            StartTlsRule::Required | StartTlsRule::WhenOffered if offered => {
                self.out.extend_from_slice(b"STARTTLS\r\n");
                self.phase = ConversationPhase::StartTlsCommand;
            }
            _ if self.rules.mechanisms.is_empty() => self.phase = ConversationPhase::Open,
            _ => self.phase = ConversationPhase::ChoosingLogin,
        }
        Ok(())
    }

    /// Notes that the TLS handshake is done. What the server said before it does not count.
    pub fn tls_established(&mut self) {
        debug_assert!(matches!(self.phase, ConversationPhase::Handshake), "a handshake is asked for");
        self.rules.starttls = StartTlsRule::Unused;
        self.replies = ReplyReader::default();
        self.capabilities = Capabilities::default();
        self.say_hello(HelloForm::Extended);
    }

    fn choose_login(&self) -> Result<Mechanism, BrokenTransport> {
        let offered = &self.capabilities.mechanisms;
        self.rules.mechanisms.iter().copied().find(|mechanism| offered.contains(mechanism)).ok_or_else(|| {
            let wanted: Vec<&str> = self.rules.mechanisms.iter().map(|mechanism| mechanism.word()).collect();
            broken(format!("the server offers none of the login mechanisms {}", wanted.join(", ")))
        })
    }

    /// Sends the login that was asked for.
    pub fn log_in(&mut self, mechanism: Mechanism, credentials: Credentials) {
        debug_assert!(matches!(self.phase, ConversationPhase::ChoosingLogin), "a login is asked for");
        self.phase = ConversationPhase::Login(Box::new(LoginExchange::begin(mechanism, credentials, &mut self.out)));
    }

    /// Begins a transaction. With PIPELINING it may follow one whose final dot is sent.
    pub fn begin(&mut self, mut transaction: Transaction) {
        debug_assert!(matches!(self.phase, ConversationPhase::Open), "a transaction follows the opening");
        if self.condition == SessionCondition::NeedsReset {
            self.out.extend_from_slice(b"RSET\r\n");
            self.resets += 1;
            self.condition = SessionCondition::Clean;
        }
        if self.capabilities.pipelining {
            transaction.begin(CommandFlow::Group, &mut self.out);
        } else if self.resets == 0 {
            transaction.begin(CommandFlow::OneByOne, &mut self.out);
        }
        self.transactions.push_back(transaction);
    }

    /// Notes that the text of the first transaction and its final dot are in the output.
    pub fn text_ended(&mut self) {
        if let Some(first) = self.transactions.front_mut().filter(|first| first.stage() == TransactionStage::Text) {
            first.text_ended();
        }
    }

    /// Ends the conversation.
    pub fn quit(&mut self) {
        self.out.extend_from_slice(b"QUIT\r\n");
    }

    /// Returns the transactions that were under way when the connection was lost.
    pub fn take_transactions(&mut self) -> Vec<Transaction> {
        self.transactions.drain(..).collect()
    }
}

fn login_trouble(failure: LoginFailure) -> BrokenTransport {
    match failure {
        LoginFailure::Refused(reply) => BrokenTransport {
            kind: TroubleKind::LoginRefused,
            text: format!("the server refused the login: {}", reply.quote()),
        },
        LoginFailure::NotNow(reply) => broken(format!("the server cannot check the login now: {}", reply.quote())),
        LoginFailure::Wrong(text) => broken(format!("the login failed: {text}")),
    }
}
