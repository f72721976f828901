//! Arguments of `enqueue`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgAction, ValueEnum};

use crate::commands::enqueue::{self, EnqueueEffort, EnqueueOptions, MessageSource};
use crate::exit::ExitStatus;
use crate::mail::address::{Address, Sender};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::{EnvelopeId, NotifyOn, ReturnContent};
use crate::mail::envelope::{AfterSent, Priority};
use crate::session::DryRun;
use crate::session::Session;
use crate::submission::options::{HeaderCompletion, HeaderUse, InitialState, SubmissionOptions};
use crate::values::time::parse_span;

use crate::cli::errors::refuse_usage;
use crate::cli::help::{self, OUTPUT};
use crate::cli::values::{self, OriginalRecipientArg, RecipientNotifyArg, TimeArg, WaitLimit};
use crate::values::quoting::quoted;

const ADDRESSES: &str = "Recipients and sender";
const WHEN: &str = "When to deliver";
const REPORTS: &str = "Reports";
const AFTER: &str = "After delivery";
const INPUT: &str = "Many messages";

const EXAMPLES: &str = "\
Examples:
  Queue a message for two recipients:
    mspool enqueue bob@example.org eve@example.org < mail
  Queue what a mail program wrote, recipients from its header:
    mspool enqueue -t -f joe@example.org < mail
  Send tomorrow, and report delivery too:
    mspool enqueue --delay 1d --notify success,failure bob@example.org < mail
  Deliver now, and wait at most 30 seconds for the result:
    mspool enqueue --wait=30 bob@example.org < mail";

/// Queue a message from standard input
///
/// Reads one message from standard input, queues it durably and prints its queue id. With any exit status other than
/// 0, nothing was queued; the exceptions are --wait, --mbox and --maildir.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = help::with_time_forms(EXAMPLES))]
#[command(override_usage = "mspool enqueue [OPTIONS] ADDR...\n       mspool enqueue -t [OPTIONS]")]
pub struct EnqueueArgs {
    /// Recipient, as TYPE:ADDRESS or a mail address: bob@example.org, FAX:+49301234
    #[arg(value_name = "ADDR", value_parser = values::recipient)]
    pub(super) recipients: Vec<Address>,

    /// Recipient; repeat for more
    #[arg(
        long, value_name = "[TYPE:]ADDR", action = ArgAction::Append, allow_hyphen_values = true,
        value_parser = values::recipient, help_heading = ADDRESSES
    )]
    pub(super) to: Vec<Address>,
    /// Envelope sender; '' is the null sender
    ///
    /// Default: with -t the Sender or From field, else the configured sender, else your user name at this host.
    #[arg(
        short = 'f', long = "from", value_name = "SENDER", allow_hyphen_values = true,
        value_parser = values::sender, help_heading = ADDRESSES
    )]
    pub(super) sender: Option<Sender>,
    /// Read recipients from To, Cc and Bcc
    ///
    /// Also removes Bcc and Return-Path, and adds a missing From, Date and Message-ID.
    #[arg(short = 't', long = "read-recipients", help_heading = ADDRESSES)]
    pub(super) header: bool,
    /// Use this transport only
    #[arg(long, value_name = "NAME", help_heading = ADDRESSES)]
    transport: Option<String>,

    /// Do not deliver before this time
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = WHEN)]
    not_before: Option<TimeArg>,
    /// Do not deliver for this long; overrides --not-before
    #[arg(long, value_name = "SPAN", value_parser = values::span, help_heading = WHEN)]
    delay: Option<std::time::Duration>,
    /// Give up at this time
    ///
    /// The configured lifetime still applies if it ends earlier.
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = WHEN)]
    deliver_by: Option<TimeArg>,
    /// Fail what is not delivered at this time, because the message is of no use then
    ///
    /// Default: with -t the time in the Expires or Expiry-Date field.
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = WHEN)]
    expires: Option<TimeArg>,
    /// Order among messages that are due
    ///
    /// Default: with -t that of the MT-Priority or Priority field, else normal.
    #[arg(long, value_name = "LEVEL", help_heading = WHEN)]
    priority: Option<PriorityArg>,
    /// Hold the message until it is released
    #[arg(long, conflicts_with_all = ["now", "wait"], help_heading = WHEN)]
    hold: bool,
    /// Attempt delivery once before exiting
    ///
    /// Recipients still owed stay in the queue; the exit status is 0 all the same.
    #[arg(long, help_heading = WHEN)]
    now: bool,
    /// Attempt delivery and wait for the result
    ///
    /// The result is the exit status: 0 delivered, 69 failed, 75 still owed after SECS seconds (or a span such as
    /// 5m). Default: no time limit.
    #[arg(
        long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "",
        value_parser = values::wait_limit, help_heading = WHEN
    )]
    wait: Option<WaitLimit>,

    /// Events to report: never, or a list of success, failure, delay
    ///
    /// Default: failure, and delay if delay_warning is configured.
    #[arg(long, value_name = "WHEN", value_parser = values::notify, help_heading = REPORTS)]
    notify: Option<NotifyOn>,
    /// Events to report for one recipient; repeat for more
    ///
    /// Example: bob@example.org=never
    #[arg(
        long, value_name = "ADDR=WHEN", allow_hyphen_values = true,
        value_parser = values::recipient_notify, help_heading = REPORTS
    )]
    rcpt_notify: Vec<RecipientNotifyArg>,
    /// Original address of a recipient, for reports; repeat for more
    ///
    /// Example: 'bob@x=rfc822;bob@y.example'
    #[arg(
        long, value_name = "ADDR=TYPE;ADDR", allow_hyphen_values = true,
        value_parser = values::original_recipient, help_heading = REPORTS
    )]
    orcpt: Vec<OriginalRecipientArg>,
    /// Send reports to this address instead of to the sender
    #[arg(
        long, value_name = "ADDR", allow_hyphen_values = true,
        value_parser = values::sender, help_heading = REPORTS
    )]
    report_to: Option<Sender>,
    /// Part of the message that a report returns
    #[arg(long, value_name = "PART", help_heading = REPORTS)]
    ret: Option<RetArg>,
    /// Your own id for the message, for reports
    ///
    /// 1 to 100 printable ASCII characters. Default: the queue id.
    #[arg(long, value_name = "ID", value_parser = values::envelope_id, help_heading = REPORTS)]
    envid: Option<EnvelopeId>,
    /// Request read receipts to this address
    #[arg(
        long, value_name = "ADDR", allow_hyphen_values = true,
        value_parser = values::sender, help_heading = REPORTS
    )]
    mdn_to: Option<Sender>,

    /// File a copy in this Maildir
    ///
    /// Default: the Maildir that "sent" of the configuration names.
    #[arg(long, value_name = "MAILDIR", conflicts_with_all = ["keep", "delete"], help_heading = AFTER)]
    sent: Option<PathBuf>,
    /// Keep the message in the spool until you remove it
    #[arg(long, conflicts_with = "delete", help_heading = AFTER)]
    keep: bool,
    /// Delete the message at once
    #[arg(long, help_heading = AFTER)]
    delete: bool,

    /// Queue every message of an mbox on standard input
    #[arg(long, conflicts_with_all = ["maildir", "now", "wait"], help_heading = INPUT)]
    mbox: bool,
    /// Queue every message of this Maildir
    #[arg(long, value_name = "DIR", conflicts_with_all = ["now", "wait"], help_heading = INPUT)]
    maildir: Option<PathBuf>,

    /// Queue nothing; print the transports of each recipient
    #[arg(long, conflicts_with_all = ["mbox", "maildir"], help_heading = OUTPUT)]
    dry_run: bool,
    /// Print JSON Lines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RetArg {
    /// The whole message
    Full,
    /// Its header
    Hdrs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityArg {
    /// Before all others
    Urgent,
    /// In order of submission
    Normal,
    /// After all others
    Nonurgent,
}

/// Runs the command.
pub fn run(args: EnqueueArgs, session: &Session) -> Result<ExitStatus> {
    enqueue::run(session, &args.options(session)?)
}

impl EnqueueArgs {
    fn options(self, session: &Session) -> Result<EnqueueOptions> {
        // `--wait 5 bob@x` would wait without a limit, and send to "5".
        if let Some(first) = self.recipients.first().map(Address::text)
            && self.wait == Some(WaitLimit::Unlimited)
            && (first.parse::<u64>().is_ok() || parse_span(first).is_ok())
        {
            return refuse_usage(
                "enqueue",
                &format!("{} is no recipient: did you mean --wait={first}?", quoted(first)),
            );
        }
        let now = session.now();
        let after_sent = match &self.sent {
            Some(folder) => {
                let path = std::path::absolute(folder)?;
                let Some(text) = path.to_str() else {
                    return refuse_usage("enqueue", "--sent: the path is not UTF-8");
                };
                AfterSent::Sent(text.to_owned())
            }
            None if self.keep => AfterSent::Keep,
            None if self.delete => AfterSent::Delete,
            None => AfterSent::Default,
        };
        Ok(EnqueueOptions {
            submission: SubmissionOptions {
                sender: self.sender,
                report_to: self.report_to,
                recipients: self.to.into_iter().chain(self.recipients).collect(),
                header: if self.header { HeaderUse::Recipients } else { HeaderUse::None },
                completion: if self.header { HeaderCompletion::Submission } else { HeaderCompletion::None },
                body: None,
                not_before: match (self.delay, self.not_before) {
                    (Some(span), _) => Some(now.after(span)),
                    (None, time) => time.map(|time| time.after(now)),
                },
                deliver_by: self.deliver_by.map(|time| time.after(now)),
                expires: self.expires.map(|time| time.after(now)),
                notify: self.notify,
                requests: requests_by_recipient(self.rcpt_notify, self.orcpt),
                mdn_to: self.mdn_to.filter(|to| !to.is_null()),
                ret: self.ret.map(|ret| match ret {
                    RetArg::Full => ReturnContent::Full,
                    RetArg::Hdrs => ReturnContent::Hdrs,
                }),
                envid: self.envid,
                priority: self.priority.map(|priority| match priority {
                    PriorityArg::Urgent => Priority::Urgent,
                    PriorityArg::Nonurgent => Priority::Nonurgent,
                    PriorityArg::Normal => Priority::Normal,
                }),
                after_sent,
                initial_state: if self.hold { InitialState::Held } else { InitialState::Queued },
                transport: self.transport,
            },
            effort: match (self.wait, self.now) {
                (Some(WaitLimit::Unlimited), _) => EnqueueEffort::Outcome(None),
                (Some(WaitLimit::Span(span)), _) => EnqueueEffort::Outcome(Some(span)),
                (None, true) => EnqueueEffort::Attempt,
                (None, false) => EnqueueEffort::Queue,
            },
            source: match self.maildir {
                Some(path) => MessageSource::Maildir(path),
                None if self.mbox => MessageSource::Mbox,
                None => MessageSource::Stdin,
            },
            dry_run: if self.dry_run { DryRun::Yes } else { DryRun::No },
            format: values::output_form(self.json),
        })
    }
}

/// Returns what is asked for single recipients, each recipient once.
fn requests_by_recipient(notify: Vec<RecipientNotifyArg>, orcpt: Vec<OriginalRecipientArg>) -> Vec<Recipient> {
    let mut requests: Vec<Recipient> = Vec::new();
    let mut change = |address: Address, set: &dyn Fn(&mut Recipient)| {
        let known = requests.iter().position(|known| known.address.key() == address.key());
        let index = known.unwrap_or_else(|| {
            requests.push(address.into());
            requests.len() - 1
        });
        set(&mut requests[index]);
    };
    for RecipientNotifyArg { address, notify } in notify {
        change(address, &|recipient| recipient.notify = Some(notify));
    }
    for OriginalRecipientArg { address, original } in orcpt {
        change(address, &|recipient| recipient.orcpt = Some(original.clone()));
    }
    requests
}
