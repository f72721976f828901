//! The arguments of `enqueue`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgAction, ValueEnum};

use crate::commands::enqueue::{self, EnqueueEffort, EnqueueOptions, MessageSource};
use crate::exit::{ExitStatus, Refusal, refuse};
use crate::mail::address::{Address, Sender};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::{EnvelopeId, NotifyOn, OriginalRecipient, ReturnContent};
use crate::mail::envelope::{AfterSent, Priority};
use crate::session::DryRun;
use crate::session::Session;
use crate::submission::options::{HeaderCompletion, HeaderUse, InitialState, SubmissionOptions};
use crate::values::printable;
use crate::values::time::{CENTURY, Timestamp, parse_span};

/// Take a message from standard input and print its id once it is safe.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The envelope sender; '' is the null sender.
    #[arg(short = 'f', long = "from", value_name = "SENDER", allow_hyphen_values = true)]
    sender: Option<String>,
    /// Read recipients from To, Cc and Bcc, remove Bcc, add a missing Date and Message-ID.
    #[arg(short = 't', long = "read-recipients")]
    header: bool,
    /// A recipient; may be given again.
    #[arg(long = "to", value_name = "[TYPE:]ADDR", action = ArgAction::Append, allow_hyphen_values = true)]
    to: Vec<String>,
    /// Recipients.
    #[arg(value_name = "ADDR")]
    recipients: Vec<String>,
    /// Do not attempt before this time.
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Do not attempt for so long; wins over --not-before.
    #[arg(long, value_name = "SPAN")]
    delay: Option<String>,
    /// Give up at this time.
    #[arg(long, value_name = "TIME")]
    deliver_by: Option<String>,
    /// When to report: never, or a list of success, failure, delay.
    #[arg(long, value_name = "WHEN")]
    notify: Option<String>,
    /// When to report on one recipient, if not as on the others.
    #[arg(long, value_name = "ADDR=WHEN", allow_hyphen_values = true)]
    rcpt_notify: Vec<String>,
    /// The address of a recipient as the sender wrote it, for reports.
    #[arg(long, value_name = "ADDR=TYPE;ADDR", allow_hyphen_values = true)]
    orcpt: Vec<String>,
    /// Ask readers to tell this address that they have read it.
    #[arg(long, value_name = "ADDR", allow_hyphen_values = true)]
    mdn_to: Option<String>,
    /// How much of the message a report carries.
    #[arg(long, value_name = "WHAT")]
    ret: Option<RetArg>,
    /// Your own name for the message, for reports.
    #[arg(long, value_name = "ID")]
    envid: Option<String>,
    /// Where reports go, instead of to the sender.
    #[arg(long, value_name = "ADDR", allow_hyphen_values = true)]
    report_to: Option<String>,
    /// Whose turn it is among messages that are due.
    #[arg(long, value_name = "LEVEL")]
    priority: Option<PriorityArg>,
    /// File a copy in this Maildir when all have the message.
    #[arg(long, value_name = "MAILDIR", conflicts_with_all = ["keep", "delete"])]
    sent: Option<PathBuf>,
    /// Keep the message in the spool when all have it.
    #[arg(long, conflicts_with = "delete")]
    keep: bool,
    /// Delete the message when all have it.
    #[arg(long)]
    delete: bool,
    /// Set the message aside until it is released.
    #[arg(long, conflicts_with_all = ["now", "wait"])]
    hold: bool,
    /// Use this transport and no other.
    #[arg(long, value_name = "NAME")]
    transport: Option<String>,
    /// Attempt it at once, in this process.
    #[arg(long)]
    now: bool,
    /// Attempt it and wait for the outcome, which becomes the exit status.
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    wait: Option<String>,
    /// Take every message of an mbox on standard input.
    #[arg(long, conflicts_with_all = ["maildir", "now", "wait"])]
    mbox: bool,
    /// Take every message of this Maildir.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["now", "wait"])]
    maildir: Option<PathBuf>,
    /// Queue nothing; say who would take each recipient.
    #[arg(long, conflicts_with_all = ["mbox", "maildir"])]
    dry_run: bool,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RetArg {
    /// All of it.
    Full,
    /// Its header.
    Hdrs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityArg {
    /// Before all others.
    Urgent,
    /// In order of submission.
    Normal,
    /// After all others.
    Nonurgent,
}

/// Checks the arguments and runs the verb.
pub fn run(args: Args, session: &Session) -> Result<ExitStatus> {
    enqueue::run(session, &args.options(session)?)
}

impl Args {
    fn options(self, session: &Session) -> Result<EnqueueOptions> {
        if let Some(span) = self.recipients.first().filter(|text| self.wait.as_deref() == Some("") && is_span(text)) {
            return refuse(ExitStatus::Usage, format!("--wait takes its time behind a =; did you mean --wait={span}?"));
        }
        let now = session.now();
        let after_sent = match &self.sent {
            Some(folder) => {
                let path = std::path::absolute(folder)?;
                let Some(text) = path.to_str() else {
                    return refuse(ExitStatus::Usage, "--sent: the path is not UTF-8");
                };
                AfterSent::Sent(text.to_owned())
            }
            None if self.keep => AfterSent::Keep,
            None if self.delete => AfterSent::Delete,
            None => AfterSent::Default,
        };
        let recipients = self.to.iter().chain(&self.recipients);
        Ok(EnqueueOptions {
            submission: SubmissionOptions {
                sender: self.sender.as_deref().map(|text| sender("-f", text)).transpose()?,
                report_to: self.report_to.as_deref().map(|text| sender("--report-to", text)).transpose()?,
                recipients: recipients.map(|text| recipient(text)).collect::<Result<_>>()?,
                header: if self.header { HeaderUse::Recipients } else { HeaderUse::None },
                completion: if self.header { HeaderCompletion::Submission } else { HeaderCompletion::None },
                body: None,
                not_before: match &self.delay {
                    Some(text) => Some(now.after(usage("--delay", text, parse_span(text))?)),
                    None => time("--not-before", self.not_before.as_deref(), now)?,
                },
                deliver_by: time("--deliver-by", self.deliver_by.as_deref(), now)?,
                notify: self
                    .notify
                    .as_deref()
                    .map(|text| usage("--notify", text, NotifyOn::parse(text)))
                    .transpose()?,
                requests: requests(&self.rcpt_notify, &self.orcpt)?,
                mdn_to: self
                    .mdn_to
                    .as_deref()
                    .map(|text| sender("--mdn-to", text))
                    .transpose()?
                    .filter(|to| !to.is_null()),
                ret: self.ret.map(|ret| match ret {
                    RetArg::Full => ReturnContent::Full,
                    RetArg::Hdrs => ReturnContent::Hdrs,
                }),
                envid: self.envid.as_deref().map(|text| usage("--envid", text, EnvelopeId::parse(text))).transpose()?,
                priority: match self.priority {
                    Some(PriorityArg::Urgent) => Priority::Urgent,
                    Some(PriorityArg::Nonurgent) => Priority::Nonurgent,
                    Some(PriorityArg::Normal) | None => Priority::Normal,
                },
                after_sent,
                begin: if self.hold { InitialState::Held } else { InitialState::Queued },
                transport: self.transport,
            },
            effort: match (&self.wait, self.now) {
                (Some(text), _) if text.is_empty() => EnqueueEffort::Outcome(None),
                (Some(text), _) => EnqueueEffort::Outcome(Some(span_or_seconds(text)?)),
                (None, true) => EnqueueEffort::Attempt,
                (None, false) => EnqueueEffort::Queue,
            },
            from: match self.maildir {
                Some(path) => MessageSource::Maildir(path),
                None if self.mbox => MessageSource::Mbox,
                None => MessageSource::Stdin,
            },
            rehearsal: if self.dry_run { DryRun::Yes } else { DryRun::No },
            form: crate::door::cli::verbs::form(self.json),
        })
    }
}

/// What is asked for single recipients.
fn requests(notify: &[String], orcpt: &[String]) -> Result<Vec<Recipient>> {
    let mut requests: Vec<Recipient> = Vec::new();
    let mut add = |address: Address, change: &dyn Fn(&mut Recipient)| {
        let known = requests.iter().position(|known| known.address.key() == address.key());
        let place = known.unwrap_or_else(|| {
            requests.push(address.into());
            requests.len() - 1
        });
        change(&mut requests[place]);
    };
    for text in notify {
        // The last sign: a local part may hold one.
        let Some((address, when)) = text.rsplit_once('=') else {
            return refuse(ExitStatus::Usage, "--rcpt-notify wants ADDR=WHEN");
        };
        let when = usage("--rcpt-notify", when, NotifyOn::parse(when))?;
        add(recipient(address)?, &|recipient| recipient.notify = Some(when));
    }
    for text in orcpt {
        let split = text.find(';').and_then(|end| text[..end].rfind('='));
        let Some((address, original)) = split.map(|at| (&text[..at], &text[at + 1..])) else {
            return refuse(ExitStatus::Usage, "--orcpt wants ADDR=TYPE;ADDR");
        };
        let original = usage("--orcpt", original, OriginalRecipient::parse(original))?;
        add(recipient(address)?, &|recipient| recipient.orcpt = Some(original.clone()));
    }
    Ok(requests)
}

pub(super) fn recipient(text: &str) -> Result<Address> {
    Address::parse(text).map_err(|error| bad_address("recipient", text, error))
}

fn sender(what: &str, text: &str) -> Result<Sender> {
    Sender::parse(text).map_err(|error| bad_address(what, text, error))
}

pub(super) fn bad_address(what: &str, text: &str, error: crate::mail::address::AddressError) -> anyhow::Error {
    let shown: String = printable::line(text).chars().take(60).collect();
    Refusal::new(ExitStatus::Data, format!("{what} {shown:?} {error}; nothing was queued")).into()
}

fn time(key: &str, text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>> {
    text.map(|text| usage(key, text, Timestamp::parse(text, now))).transpose()
}

fn usage<T, E: std::fmt::Display>(key: &str, text: &str, parsed: Result<T, E>) -> Result<T> {
    parsed.or_else(|error| {
        let shown: String = printable::line(text).chars().take(60).collect();
        refuse(ExitStatus::Usage, format!("{key} {shown:?}: {error}"))
    })
}

fn is_span(text: &str) -> bool {
    text.parse::<u64>().is_ok() || parse_span(text).is_ok()
}

fn span_or_seconds(text: &str) -> Result<std::time::Duration> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(std::time::Duration::from_secs(seconds).min(CENTURY)),
        Err(_) => usage("--wait", text, parse_span(text)),
    }
}
