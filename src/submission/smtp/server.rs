//! Session of SMTP (RFC 5321) or LMTP (RFC 2033) on standard input and output, for programs that submit this way, for
//! inetd and for systemd sockets. The reply 250 to a message is sent only after the message is durable, because the
//! client may delete its copy on that reply.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::spool::Spool;
use crate::spool::draft::UnsyncedMessage;
use crate::submission::smtp::command::{self, MailCommand, SmtpCommand, SmtpGreeting};
use crate::submission::smtp::reply::SmtpReply;
use crate::submission::smtp::wire::{ConnectionLoss, MessageText, SmtpWire, WireLine};
use crate::sys::error::PathError;
use crate::sys::signals::Signals;

use crate::exit::{ExitStatus, Refusal, RefusalKind};
use crate::session::Session;
use crate::submission::compose::MessageComposer;
use crate::submission::input::MessageInput;
use crate::submission::limits::check_room;
use crate::submission::options::{HeaderCompletion, SubmissionOptions};

/// Protocol of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpProtocol {
    /// SMTP (RFC 5321).
    Smtp,
    /// LMTP (RFC 2033): after the text, one reply per recipient.
    Lmtp,
}

/// Time limit for input from the client (RFC 5321 section 4.5.3.2.7).
const INPUT_TIMEOUT: Duration = Duration::from_secs(300);

/// Time limit for a session, so that a slow client cannot hold a process forever.
const SESSION_TIMEOUT: Duration = Duration::from_secs(3600);

/// Maximum number of recipients per message; RFC 5321 section 4.5.3.1.8 requires at least 100.
const MAX_RECIPIENTS: usize = 1000;

/// Number of replies 5xx after which the session ends.
const MAX_CLIENT_ERRORS: usize = 20;

/// Number of replies 5xx after which a session ends that no `MAIL` has been accepted in: its client does not speak SMTP.
const MAX_ERRORS_BEFORE_MAIL: usize = 3;

/// Runs a session until the client quits or the connection ends. Returns the exit status, and the ids of the messages
/// that were queued, also after an error.
pub fn run(
    session: &Session,
    spool: &Spool,
    signals: &Signals,
    protocol: SmtpProtocol,
) -> (Result<ExitStatus>, Vec<QueueId>) {
    let stdin = std::io::stdin();
    let mut server = SmtpSession {
        session,
        spool,
        protocol,
        hello: None,
        mail: None,
        recipients: Vec::new(),
        client_errors: 0,
        had_mail: false,
        accepted: Vec::new(),
        out: Vec::new(),
    };
    let end = server.speak(SmtpWire::new(stdin.as_fd(), signals, INPUT_TIMEOUT));
    (end, server.accepted)
}

struct SmtpSession<'s> {
    session: &'s Session,
    spool: &'s Spool,
    protocol: SmtpProtocol,
    hello: Option<(SmtpGreeting, String)>,
    mail: Option<MailCommand>,
    recipients: Vec<Recipient>,
    client_errors: usize,
    /// True after the first `MAIL` that was accepted.
    had_mail: bool,
    accepted: Vec<QueueId>,
    out: Vec<u8>,
}

/// Input that is expected after a command.
enum NextStep {
    /// Another command.
    Command,
    /// Text of the message.
    Text,
    /// End of the session.
    End,
}

impl SmtpSession<'_> {
    fn speak(&mut self, mut wire: SmtpWire<'_>) -> Result<ExitStatus> {
        let kind = if self.protocol == SmtpProtocol::Lmtp { "LMTP" } else { "ESMTP" };
        let begun = Instant::now();
        self.send(&SmtpReply::new(220, "", format!("{} {kind} mspool", self.session.settings.hostname)));
        loop {
            if !wire.has_more() {
                self.flush()?;
            }
            let line = match wire.line() {
                Ok(line) => line,
                Err(lost) => return self.connection_lost(lost),
            };
            let limit = if self.had_mail { MAX_CLIENT_ERRORS } else { MAX_ERRORS_BEFORE_MAIL };
            if self.client_errors >= limit || begun.elapsed() > SESSION_TIMEOUT {
                let reason = if self.client_errors >= limit { "too many errors" } else { "session too long" };
                return self.close(&SmtpReply::new(421, "4.7.0", format!("{reason}; closing the session")));
            }
            let next = match line {
                WireLine::Whole(line) if command::is_foreign(&line) => {
                    return self.close(&SmtpReply::new(521, "5.5.1", "this is not SMTP; closing the session"));
                }
                WireLine::Whole(line) => match command::parse(&line) {
                    Ok(command) => self.execute(command),
                    Err(reply) => {
                        self.send(&reply);
                        NextStep::Command
                    }
                },
                WireLine::TooLong => {
                    self.send(&SmtpReply::new(500, "5.5.6", "command line too long; the limit is 4096 bytes"));
                    NextStep::Command
                }
                // After such a line, client and server may disagree about where commands begin (SMTP smuggling): stop.
                WireLine::Mixed => {
                    let text = "line end differs from that of the first line; closing the session";
                    return self.close(&SmtpReply::new(521, "5.5.2", text));
                }
            };
            match next {
                NextStep::Command => {}
                NextStep::End => {
                    self.flush()?;
                    return Ok(self.end());
                }
                NextStep::Text => {
                    self.flush()?;
                    let mut text = wire.text();
                    if let Some(end) = self.receive_message(&mut text)? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    fn send(&mut self, reply: &SmtpReply) {
        self.client_errors += usize::from(reply.is_permanent_error());
        self.out.extend_from_slice(format!("{reply}\r\n").as_bytes());
    }

    fn flush(&mut self) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&self.out)?;
        self.out.clear();
        Ok(stdout.flush()?)
    }

    /// Sends the last reply and ends the session. A client that is gone already is no error.
    fn close(&mut self, reply: &SmtpReply) -> Result<ExitStatus> {
        self.send(reply);
        let _ = self.flush();
        Ok(self.end())
    }

    /// Returns the exit status of the session: 64 if the client sent errors and never a greeting. Such a caller piped a
    /// message instead of SMTP, and must not take exit status 0 for "queued".
    fn end(&self) -> ExitStatus {
        if self.hello.is_none() && self.client_errors > 0 { ExitStatus::Usage } else { ExitStatus::Ok }
    }

    fn connection_lost(&mut self, lost: ConnectionLoss) -> Result<ExitStatus> {
        match lost {
            ConnectionLoss::Closed => {
                let _ = self.flush();
                Ok(self.end())
            }
            ConnectionLoss::TooSlow => {
                self.close(&SmtpReply::new(421, "4.4.2", "no input for 5 minutes; closing the session"))
            }
            ConnectionLoss::Stopped => self.close(&SmtpReply::new(421, "4.3.2", "shutting down; try again later")),
            ConnectionLoss::Failed(error) => Err(PathError::new("read", "standard input", error).into()),
        }
    }

    fn execute(&mut self, command: SmtpCommand) -> NextStep {
        let reply = match command {
            SmtpCommand::Hello(greeting, name) => return self.greet(greeting, name),
            SmtpCommand::Quit => {
                self.send(&SmtpReply::new(221, "2.0.0", "goodbye"));
                return NextStep::End;
            }
            SmtpCommand::Data => return self.data(),
            SmtpCommand::Mail(mail) => self.mail(mail),
            SmtpCommand::Rcpt(recipient) => self.rcpt(recipient),
            SmtpCommand::Rset => {
                self.reset();
                SmtpReply::new(250, "2.0.0", "message discarded")
            }
            SmtpCommand::Noop => SmtpReply::new(250, "2.0.0", "no effect"),
            SmtpCommand::Vrfy => SmtpReply::new(252, "2.1.5", "cannot verify; send the message to find out"),
            SmtpCommand::Help => SmtpReply::new(214, "2.0.0", "HELO EHLO LHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"),
        };
        self.send(&reply);
        NextStep::Command
    }

    fn reset(&mut self) {
        self.mail = None;
        self.recipients.clear();
    }

    fn greet(&mut self, greeting: SmtpGreeting, name: String) -> NextStep {
        if (greeting == SmtpGreeting::Lmtp) != (self.protocol == SmtpProtocol::Lmtp) {
            let text = match self.protocol {
                SmtpProtocol::Lmtp => "this is LMTP: send LHLO",
                SmtpProtocol::Smtp => "this is SMTP: send EHLO or HELO",
            };
            self.send(&SmtpReply::new(500, "5.5.1", text));
            return NextStep::Command;
        }
        self.reset();
        let host = &self.session.settings.hostname;
        let limit = self.session.settings.queue.message_limit;
        let mut lines = vec![host.clone()];
        if greeting != SmtpGreeting::Plain {
            let extensions = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "HELP"];
            lines.push(format!("SIZE {limit}"));
            lines.extend(extensions.map(str::to_owned));
        }
        let last = lines.len() - 1;
        for (number, line) in lines.iter().enumerate() {
            let mark = if number == last { ' ' } else { '-' };
            self.out.extend_from_slice(format!("250{mark}{line}\r\n").as_bytes());
        }
        self.hello = Some((greeting, name));
        NextStep::Command
    }

    fn mail(&mut self, mail: MailCommand) -> SmtpReply {
        if self.hello.is_none() {
            let word = if self.protocol == SmtpProtocol::Lmtp { "LHLO" } else { "EHLO or HELO" };
            return SmtpReply::new(503, "5.5.1", format!("send {word} first"));
        }
        if self.mail.is_some() {
            return SmtpReply::new(503, "5.5.1", "MAIL was sent already; send RSET to start over");
        }
        let limit = self.session.settings.queue.message_limit;
        if mail.size > limit {
            return SmtpReply::new(552, "5.3.4", format!("the message is larger than message_limit, {limit} bytes"));
        }
        if let Err(error) = check_room(self.session, self.spool) {
            return SmtpReply::new(452, "4.3.1", format!("{error:#}"));
        }
        let reply = SmtpReply::new(250, "2.1.0", "sender accepted");
        self.mail = Some(mail);
        self.had_mail = true;
        reply
    }

    fn rcpt(&mut self, recipient: Recipient) -> SmtpReply {
        if self.mail.is_none() {
            return SmtpReply::new(503, "5.5.1", "send MAIL first");
        }
        if self.recipients.len() >= MAX_RECIPIENTS {
            let text = format!("too many recipients; the limit is {MAX_RECIPIENTS} per message");
            return SmtpReply::new(452, "4.5.3", text);
        }
        self.recipients.push(recipient);
        SmtpReply::new(250, "2.1.5", "recipient accepted")
    }

    fn data(&mut self) -> NextStep {
        let refusal = match (&self.mail, self.recipients.is_empty()) {
            (None, _) => Some("send MAIL first"),
            (Some(_), true) => Some("send RCPT first"),
            (Some(_), false) => None,
        };
        if let Some(text) = refusal {
            self.send(&SmtpReply::new(503, "5.5.1", text));
            return NextStep::Command;
        }
        self.send(&SmtpReply::new(354, "", "send the message; end it with a line that is a single dot"));
        NextStep::Text
    }

    /// Reads the text of a message, queues it and replies. Returns the exit status if that ends the session.
    fn receive_message(&mut self, text: &mut MessageText<'_, '_>) -> Result<Option<ExitStatus>> {
        let mail = self.mail.take();
        let recipients = std::mem::take(&mut self.recipients);
        let Some(mail) = mail else { return Ok(None) };
        let count = if self.protocol == SmtpProtocol::Lmtp { recipients.len() } else { 1 };
        let options = self.options(mail, recipients);
        let composer =
            MessageComposer { session: self.session, options: &options, spool: self.spool, ids: &self.session.ids };
        let mut input = SmtpInput { text, lost: None };
        let taken = composer.read_message(&mut input);
        if let Some(lost) = input.lost {
            return self.connection_lost(lost).map(Some);
        }
        // Even after an error: the client sends the whole text before it reads a reply.
        if let Err(lost) = input.text.skip() {
            return self.connection_lost(lost).map(Some);
        }
        if input.text.is_mixed() {
            drop(taken);
            let text = "a line end in the message differs from that of the first line; nothing was queued";
            let reply = SmtpReply::new(550, "5.5.2", text);
            return self.close(&reply).map(Some);
        }
        let queued = taken.and_then(|(draft, envelope)| {
            UnsyncedMessage::commit(vec![composer.place(draft, &envelope)?])?;
            Ok(envelope.id)
        });
        let reply = match queued {
            Ok(id) => {
                let reply = SmtpReply::new(250, "2.0.0", format!("queued as {id}"));
                self.accepted.push(id);
                reply
            }
            Err(error) => refusal_reply(&error),
        };
        for _ in 0..count {
            self.send(&reply);
        }
        Ok(None)
    }

    fn options(&self, mail: MailCommand, recipients: Vec<Recipient>) -> SubmissionOptions {
        let (greeting, name) = self.hello.clone().unwrap_or((SmtpGreeting::Plain, String::new()));
        let name: String = name.chars().filter(|c| c.is_ascii_graphic() && !"()<>;\\".contains(*c)).take(100).collect();
        let with = match greeting {
            SmtpGreeting::Plain => "SMTP",
            SmtpGreeting::Extended => "ESMTP",
            SmtpGreeting::Lmtp => "LMTP",
        };
        let user = crate::sys::identity::user();
        let addresses = recipients.iter().map(|recipient| recipient.address.clone()).collect();
        let completion = HeaderCompletion::Smtp { from: format!("from {name} (userid {user})"), with };
        SubmissionOptions {
            body: mail.body,
            requests: recipients,
            ret: mail.ret,
            envid: mail.envid,
            ..SubmissionOptions::new(Some(mail.sender), addresses, completion)
        }
    }
}

/// Returns the reply to a client whose message was refused.
fn refusal_reply(error: &anyhow::Error) -> SmtpReply {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<Refusal>()).map(|refusal| refusal.kind);
    let (code, status) = match kind {
        Some(RefusalKind::TooLarge) => (552, "5.3.4"),
        Some(RefusalKind::MailLoop) => (554, "5.4.6"),
        Some(RefusalKind::BadData) => (554, "5.6.0"),
        Some(RefusalKind::NoRoom | RefusalKind::Busy) => (452, "4.3.1"),
        // Everything else is wrong with this machine, and no reason for the client to return the mail.
        Some(
            RefusalKind::Usage
            | RefusalKind::NotFound
            | RefusalKind::Unavailable
            | RefusalKind::AlreadyExists
            | RefusalKind::Permission
            | RefusalKind::Config
            | RefusalKind::Interrupted(_),
        )
        | None => (451, "4.3.0"),
    };
    SmtpReply::new(code, status, format!("{error:#}"))
}

/// Adapter: the text of a message as the input of the composer.
struct SmtpInput<'t, 'l, 'w> {
    text: &'t mut MessageText<'l, 'w>,
    lost: Option<ConnectionLoss>,
}

impl MessageInput for SmtpInput<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.text.read(buffer).map_err(|lost| {
            self.lost = Some(lost);
            anyhow!("the client closed the connection")
        })
    }
}
