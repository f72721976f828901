//! `report --format`: the queue in the list formats of other mail systems, for programs that read those.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::output::print;
use crate::session::Session;
use crate::spool::QueueState;
use crate::values::time::Timestamp;

use crate::commands::report::next_attempt::TransportDelays;
use crate::commands::report::view::{MessageView, RecipientView, view};

/// Program whose list format is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueDialect {
    /// `mailq` of Postfix.
    Postfix,
    /// `postqueue -j`.
    PostfixJson,
    /// `exim -bp`.
    Exim,
    /// `nullmailer`'s `mailq`.
    Nullmailer,
    /// `qmail-qstat`.
    QmailQstat,
}

/// Prints the queued and held messages, oldest first.
///
/// # Errors
///
/// An error of the spool or of standard output.
pub fn run(session: &Session, dialect: QueueDialect) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let mut out = print::stdout();
    let mut list = DialectList { dialect, now: session.now(), messages: 0, untried: 0, bytes: 0 };
    let mut listed = Vec::new();
    for state in [QueueState::New, QueueState::Cur, QueueState::Hold] {
        listed.extend(spool.messages_in_order(state)?.into_iter().map(|name| (state, name)));
    }
    listed.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    let delays = TransportDelays::read(session, &spool, session.time(&spool)?)?;
    for (state, name) in listed {
        if let Some(view) = view(&spool, &delays, state, &name)?.filter(|view| view.text.is_none()) {
            list.message(&mut out, &view)?;
        }
    }
    list.end(&mut out)?;
    out.flush()?;
    Ok(ExitStatus::Ok)
}

struct DialectList {
    dialect: QueueDialect,
    now: Timestamp,
    messages: u64,
    untried: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct PostfixMessage<'a> {
    queue_name: &'static str,
    queue_id: &'a str,
    arrival_time: u64,
    message_size: u64,
    forced_expire: bool,
    sender: &'a str,
    recipients: Vec<PostfixRecipient<'a>>,
}

#[derive(Serialize)]
struct PostfixRecipient<'a> {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_reason: Option<&'a str>,
}

fn is_owed(recipient: &RecipientView) -> bool {
    !recipient.state.is_settled()
}

impl DialectList {
    fn message(&mut self, out: &mut impl Write, view: &MessageView) -> Result<()> {
        self.messages += 1;
        self.untried += u64::from(view.state == "new");
        self.bytes += view.size;
        match self.dialect {
            QueueDialect::Postfix => self.postfix(out, view),
            QueueDialect::PostfixJson => postfix_json(out, view),
            QueueDialect::Exim => self.exim(out, view),
            QueueDialect::Nullmailer => nullmailer(out, view),
            QueueDialect::QmailQstat => Ok(()),
        }
    }

    fn postfix(&self, out: &mut impl Write, view: &MessageView) -> Result<()> {
        if self.messages == 1 {
            print::line(out, "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------")?;
        }
        let mark = match view.state {
            _ if view.active => "*",
            "hold" => "!",
            _ => "",
        };
        let sender = if view.sender.is_empty() { "MAILER-DAEMON" } else { &view.sender };
        let id = format!("{}{mark}", view.id);
        print::line(out, &format!("{id:<11} {:>8} {:<20} {sender}", view.size, view.arrival.ctime()))?;
        let mut reason = "";
        for recipient in view.recipients.iter().filter(|recipient| is_owed(recipient)) {
            if recipient.text != reason && !recipient.text.is_empty() {
                reason = &recipient.text;
                let line = format!("({reason})");
                print::line(out, &format!("{line:>78}"))?;
            }
            print::line(out, &format!("{:41}{}", "", recipient.shown()))?;
        }
        Ok(writeln!(out)?)
    }

    fn exim(&self, out: &mut impl Write, view: &MessageView) -> Result<()> {
        let minutes = self.now.since(view.arrival).as_secs() / 60;
        let age = match minutes {
            0..100 => format!("{minutes}m"),
            100..4320 => format!("{}h", minutes / 60),
            _ => format!("{}d", minutes / 1440),
        };
        let size = match view.size {
            0..1024 => view.size.to_string(),
            1024..10_240 => format!("{:.1}K", view.size as f64 / 1024.0),
            10_240..1_048_576 => format!("{}K", view.size / 1024),
            _ => format!("{:.1}M", view.size as f64 / 1_048_576.0),
        };
        let frozen = if view.state == "hold" { " *** frozen ***" } else { "" };
        print::line(out, &format!("{age:>3} {size:>5} {} <{}>{frozen}", view.id, view.sender))?;
        for recipient in &view.recipients {
            let mark = if is_owed(recipient) { ' ' } else { 'D' };
            print::line(out, &format!("        {mark} {}", recipient.shown()))?;
        }
        Ok(writeln!(out)?)
    }

    fn end(&self, out: &mut impl Write) -> Result<()> {
        match self.dialect {
            QueueDialect::Postfix if self.messages == 0 => print::line(out, "Mail queue is empty"),
            QueueDialect::Postfix => {
                let plural = if self.messages == 1 { "" } else { "s" };
                let kilobytes = self.bytes.div_ceil(1024);
                print::line(out, &format!("-- {kilobytes} Kbytes in {} Request{plural}.", self.messages))
            }
            QueueDialect::QmailQstat => {
                print::line(out, &format!("messages in queue: {}", self.messages))?;
                print::line(out, &format!("messages in queue but not yet preprocessed: {}", self.untried))
            }
            QueueDialect::PostfixJson | QueueDialect::Exim | QueueDialect::Nullmailer => Ok(()),
        }
    }
}

fn postfix_json(out: &mut impl Write, view: &MessageView) -> Result<()> {
    let queue_name = match view.state {
        _ if view.active => "active",
        "new" => "incoming",
        "hold" => "hold",
        _ => "deferred",
    };
    let recipients = view.recipients.iter().filter(|recipient| is_owed(recipient)).map(|recipient| PostfixRecipient {
        address: recipient.shown(),
        delay_reason: Some(recipient.text.as_str()).filter(|text| !text.is_empty()),
    });
    let sender = if view.sender.is_empty() { "MAILER-DAEMON" } else { &view.sender };
    print::json(
        out,
        &PostfixMessage {
            queue_name,
            queue_id: view.id.as_str(),
            arrival_time: view.arrival.seconds(),
            message_size: view.size,
            forced_expire: false,
            sender,
            recipients: recipients.collect(),
        },
    )
}

fn nullmailer(out: &mut impl Write, view: &MessageView) -> Result<()> {
    let time = view.arrival.to_string().replace('T', " ").replace('Z', "");
    print::line(out, &format!("{time} {} bytes from <{}>", view.size, view.sender))?;
    for recipient in view.recipients.iter().filter(|recipient| is_owed(recipient)) {
        print::line(out, &format!("  to <{}>", recipient.shown()))?;
    }
    Ok(())
}
