//! SMTP on standard input and output, for programs that submit that way, for inetd and for systemd sockets; and LMTP the
//! same way. A message is answered with 250 when it is safe, and not before.

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
use crate::sys::signals::Signals;

use crate::exit::{ExitStatus, Refusal};
use crate::session::Session;
use crate::submission::compose::MessageComposer;
use crate::submission::input::MessageInput;
use crate::submission::limits::check_room;
use crate::submission::options::{HeaderCompletion, SubmissionOptions};

/// Which of the two is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpProtocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033: an answer for each recipient.
    Lmtp,
}

/// How long the client may say nothing (RFC 5321 section 4.5.3.2).
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a session may last.
const LONGEST_SESSION: Duration = Duration::from_secs(3600);

/// Recipients of one message at most; RFC 5321 section 4.5.3.1.8 asks for a hundred.
const MOST_RECIPIENTS: usize = 1000;

/// Complaints after which a client is sent away.
const MOST_COMPLAINTS: usize = 20;

/// Speaks until the client is done, or gone. Returns how that ended, and the ids of the messages that were queued.
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
        complaints: 0,
        accepted: Vec::new(),
        out: Vec::new(),
    };
    let end = server.speak(SmtpWire::new(stdin.as_fd(), signals, PATIENCE));
    (end, server.accepted)
}

struct SmtpSession<'s> {
    session: &'s Session,
    spool: &'s Spool,
    protocol: SmtpProtocol,
    hello: Option<(SmtpGreeting, String)>,
    mail: Option<MailCommand>,
    recipients: Vec<Recipient>,
    complaints: usize,
    accepted: Vec<QueueId>,
    out: Vec<u8>,
}

/// What follows a command.
enum NextStep {
    /// The next one.
    Command,
    /// The text of the message.
    Text,
    /// Nothing.
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
                Err(lost) => return self.connection_lost(&lost),
            };
            if self.complaints >= MOST_COMPLAINTS || begun.elapsed() > LONGEST_SESSION {
                let why = if self.complaints >= MOST_COMPLAINTS { "too many errors" } else { "this takes too long" };
                return self.close(&SmtpReply::new(421, "4.7.0", format!("{why}; goodbye")));
            }
            let next = match line {
                WireLine::Whole(line) => match command::parse(&line) {
                    Ok(command) => self.execute(command),
                    Err(reply) => {
                        self.send(&reply);
                        NextStep::Command
                    }
                },
                WireLine::TooLong => {
                    self.send(&SmtpReply::new(500, "5.5.6", "that line is too long"));
                    NextStep::Command
                }
                // Nothing behind such a line can be trusted.
                WireLine::Mixed => {
                    return self.close(&SmtpReply::new(521, "5.5.2", "a line does not end as the others do; goodbye"));
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
        self.complaints += usize::from(reply.is_complaint());
        self.out.extend_from_slice(format!("{reply}\r\n").as_bytes());
    }

    fn flush(&mut self) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&self.out)?;
        self.out.clear();
        Ok(stdout.flush()?)
    }

    /// The last word. That the client does not hear it is no reason to complain.
    fn close(&mut self, reply: &SmtpReply) -> Result<ExitStatus> {
        self.send(reply);
        let _ = self.flush();
        Ok(self.end())
    }

    /// A caller that never greeted and said things nobody understood has piped something else than SMTP into us, and
    /// must not take it for sent.
    fn end(&self) -> ExitStatus {
        if self.hello.is_none() && self.complaints > 0 { ExitStatus::Usage } else { ExitStatus::Ok }
    }

    fn connection_lost(&mut self, lost: &ConnectionLoss) -> Result<ExitStatus> {
        match lost {
            ConnectionLoss::Closed => {
                let _ = self.flush();
                Ok(self.end())
            }
            ConnectionLoss::TooSlow => self.close(&SmtpReply::new(421, "4.4.2", "nothing came for too long; goodbye")),
            ConnectionLoss::Stopped => self.close(&SmtpReply::new(421, "4.3.2", "going down; try again later")),
            ConnectionLoss::Failed(error) => Err(anyhow!("cannot read standard input: {error}")),
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
                SmtpReply::new(250, "2.0.0", "forgotten")
            }
            SmtpCommand::Noop => SmtpReply::new(250, "2.0.0", "nothing done"),
            SmtpCommand::Vrfy => SmtpReply::new(252, "2.1.5", "send it, and you will be told"),
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
            let word = if self.protocol == SmtpProtocol::Lmtp { "LHLO" } else { "EHLO or HELO" };
            self.send(&SmtpReply::new(500, "5.5.1", format!("say {word} here")));
            return NextStep::Command;
        }
        self.reset();
        let host = &self.session.settings.hostname;
        let limit = self.session.settings.queue.message_limit;
        let mut lines = vec![host.clone()];
        if greeting != SmtpGreeting::Plain {
            let offers = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "HELP"];
            lines.push(format!("SIZE {limit}"));
            lines.extend(offers.map(str::to_owned));
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
            return SmtpReply::new(503, "5.5.1", "say who you are first");
        }
        if self.mail.is_some() {
            return SmtpReply::new(503, "5.5.1", "a message is begun already");
        }
        if mail.size > self.session.settings.queue.message_limit {
            return SmtpReply::new(552, "5.3.4", "the message is larger than message_limit");
        }
        if let Err(error) = check_room(self.session, self.spool) {
            return SmtpReply::new(452, "4.3.1", format!("{error:#}"));
        }
        let reply = SmtpReply::new(250, "2.1.0", "sender taken");
        self.mail = Some(mail);
        reply
    }

    fn rcpt(&mut self, recipient: Recipient) -> SmtpReply {
        if self.mail.is_none() {
            return SmtpReply::new(503, "5.5.1", "say MAIL first");
        }
        if self.recipients.len() >= MOST_RECIPIENTS {
            return SmtpReply::new(452, "4.5.3", "too many recipients in one message");
        }
        self.recipients.push(recipient);
        SmtpReply::new(250, "2.1.5", "recipient taken")
    }

    fn data(&mut self) -> NextStep {
        let refusal = match (&self.mail, self.recipients.is_empty()) {
            (None, _) => Some("say MAIL first"),
            (Some(_), true) => Some("say RCPT first"),
            (Some(_), false) => None,
        };
        if let Some(text) = refusal {
            self.send(&SmtpReply::new(503, "5.5.1", text));
            return NextStep::Command;
        }
        self.send(&SmtpReply::new(354, "", "the message, and a line of a single dot behind it"));
        NextStep::Text
    }

    /// Takes the text of a message and answers; the exit when that ends the session.
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
            return self.connection_lost(&lost).map(Some);
        }
        // Whatever was wrong with it, the client says all of it before it listens.
        if let Err(lost) = input.text.skip() {
            return self.connection_lost(&lost).map(Some);
        }
        if input.text.is_mixed() {
            drop(taken);
            let reply =
                SmtpReply::new(550, "5.5.2", "a line of the message does not end as the others do; it was not taken");
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
            Err(error) => refusal(&error),
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

/// Why a message was not taken, as its sender may hear it.
fn refusal(error: &anyhow::Error) -> SmtpReply {
    let exit = error.chain().find_map(|cause| cause.downcast_ref::<Refusal>()).map(|refusal| refusal.status);
    let text = format!("{error:#}");
    match exit {
        Some(ExitStatus::Data) if text.contains("larger than") => SmtpReply::new(552, "5.3.4", text),
        Some(ExitStatus::Data) if text.contains("mail loop") => SmtpReply::new(554, "5.4.6", text),
        Some(ExitStatus::Data) => SmtpReply::new(554, "5.6.0", text),
        Some(ExitStatus::TryAgain) => SmtpReply::new(452, "4.3.1", text),
        _ => SmtpReply::new(451, "4.3.0", text),
    }
}

/// A message's text as an input.
struct SmtpInput<'t, 'l, 'w> {
    text: &'t mut MessageText<'l, 'w>,
    lost: Option<ConnectionLoss>,
}

impl MessageInput for SmtpInput<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.text.read(buffer).map_err(|lost| {
            self.lost = Some(lost);
            anyhow!("the client is gone")
        })
    }
}
