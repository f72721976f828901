//! The arguments of all other verbs.

use anyhow::Result;
use clap::builder::PossibleValue;
use clap::{Subcommand, ValueEnum};

use crate::commands::flush::{self, FlushDirection, OwedMeaning};
use crate::commands::report::check::ProbeUse;
use crate::commands::report::dialect::{self, QueueDialect};
use crate::commands::report::{self, ReportSubject};
use crate::commands::watch;
use crate::commands::watch::events::WatchEvent;
use crate::delivery::selection::ForceLevel;
use crate::exit::{ExitStatus, refuse};
use crate::mail::address::Address;
use crate::mail::address::pattern::AddressPattern;
use crate::mail::status::Status;
use crate::output::console::ProgressBarUse;
use crate::output::mode::OutputFormat;
use crate::session::Session;
use crate::settings::Settings;
use crate::values::printable;
use crate::values::time::{Timestamp, parse_span};

/// The form that a `--json` flag asks for.
pub fn form(json: bool) -> OutputFormat {
    if json { OutputFormat::Json } else { OutputFormat::Text }
}

// No doc comment: each verb that takes ids has its own words.
#[derive(Debug, clap::Args)]
pub struct Ids {
    /// Queue ids.
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
}

// No doc comment: each verb has its own words.
#[derive(Debug, clap::Args)]
pub struct Foreign {
    /// Flags and recipients of sendmail(1).
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Attempt what is due, and end.
#[derive(Debug, clap::Args)]
pub struct Flush {
    /// Only these messages, whatever their back-off.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Only mail for this transport.
    #[arg(long, value_name = "NAME")]
    transport: Option<String>,
    /// Only recipients that match.
    #[arg(long, value_name = "PATTERN")]
    to: Option<String>,
    /// Send mail out; what flush does anyway.
    #[arg(long)]
    out: bool,
    /// Fetch mail instead: ask the inbound transports.
    #[arg(long = "in", conflicts_with_all = ["out", "ids", "to", "dry_run"])]
    inward: bool,
    /// Send mail out, then fetch mail.
    #[arg(long, conflicts_with_all = ["out", "inward", "ids", "dry_run"])]
    both: bool,
    /// Ignore back-off and breakers; never hold, not-before or deliver-by.
    #[arg(long)]
    force: bool,
    /// Hand-offs at once, all transports together.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Messages at most.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Do nothing; say what would be done, and why.
    #[arg(long)]
    dry_run: bool,
    /// Exit with 75 when mail is still queued.
    #[arg(long)]
    strict: bool,
    /// Show a progress bar wherever the output goes.
    #[arg(long)]
    progress: bool,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
    /// Let no more mail go to this transport.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["resume", "ids", "dry_run", "force", "inward", "both"])]
    pause: Option<String>,
    /// Pause for so long.
    #[arg(long = "for", value_name = "SPAN", requires = "pause")]
    span: Option<String>,
    /// Why it is paused.
    #[arg(long, value_name = "TEXT", requires = "pause", default_value = "", hide_default_value = true)]
    reason: String,
    /// End a transport's pause and close its breaker.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["ids", "dry_run", "force", "inward", "both"])]
    resume: Option<String>,
}

impl Flush {
    /// Checks the arguments and runs the verb.
    pub fn run(self, session: &Session) -> Result<ExitStatus> {
        if let Some(name) = &self.pause {
            let span = self.span.as_deref().map(|text| match parse_span(text) {
                Ok(span) => Ok(span),
                Err(error) => refuse(ExitStatus::Usage, format!("--for {:?}: {error}", printable::line(text))),
            });
            return flush::pause(session, name, span.transpose()?, &printable::line(&self.reason));
        }
        if let Some(name) = &self.resume {
            return flush::resume(session, name);
        }
        let to = self.to.as_deref().map(|text| match AddressPattern::parse(text) {
            Ok(pattern) => Ok(pattern),
            Err(error) => refuse(ExitStatus::Usage, format!("--to {:?} {error}", printable::line(text))),
        });
        let options = flush::FlushOptions {
            ids: self.ids,
            transport: self.transport,
            to: to.transpose()?,
            force: if self.force { ForceLevel::BackoffAndBreaker } else { ForceLevel::No },
            jobs: self.jobs.map(usize::from),
            limit: self.limit,
            owed: if self.strict { OwedMeaning::IsFailure } else { OwedMeaning::IsFine },
            bar: if self.progress { ProgressBarUse::Always } else { ProgressBarUse::IfUseful },
            form: form(self.json),
            direction: match (self.inward, self.both) {
                (true, _) => FlushDirection::In,
                (_, true) => FlushDirection::Both,
                _ => FlushDirection::Out,
            },
        };
        if self.dry_run { flush::dry_run::run(session, &options) } else { flush::run(session, &options) }
    }
}

/// Deliver as mail arrives and as attempts fall due, until told to stop.
#[derive(Debug, clap::Args)]
pub struct Watch {
    /// Hand-offs at once, all transports together.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Print only these events: queued, sent, deferred, failed, newmail, status, error, shutdown.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    events: Vec<EventArg>,
    /// Print events as JSON Lines.
    #[arg(long)]
    json: bool,
}

/// A kind of event.
#[derive(Clone, Copy, Debug)]
struct EventArg(WatchEvent);

impl ValueEnum for EventArg {
    fn value_variants<'a>() -> &'a [EventArg] {
        const ALL: [EventArg; 8] = {
            let mut all = [EventArg(WatchEvent::Queued); 8];
            let mut at = 0;
            while at < all.len() {
                all[at] = EventArg(WatchEvent::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.word()))
    }
}

impl Watch {
    /// Runs the verb; `reload` reads the configuration anew.
    pub fn run(self, session: &Session, reload: &dyn Fn() -> Result<Settings>) -> Result<ExitStatus> {
        let options = watch::WatchOptions {
            jobs: self.jobs.map(usize::from),
            form: form(self.json),
            events: self.events.into_iter().map(|EventArg(event)| event).collect(),
        };
        watch::run(session, &options, reload)
    }
}

/// Show what is in the spool.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Report {
    /// Only these messages, in full.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// List the queue as another mail system does.
    #[arg(long, value_name = "DIALECT", conflicts_with_all = ["ids", "json"])]
    format: Option<DialectArg>,
    /// Print JSON Lines.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    about: Option<About>,
}

/// Whose list the queue is printed as.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DialectArg {
    /// mailq of Postfix
    Postfix,
    /// postqueue -j
    PostfixJson,
    /// exim -bp
    Exim,
    /// mailq of nullmailer
    Nullmailer,
    /// qmail-qstat
    QmailQstat,
}

impl From<DialectArg> for QueueDialect {
    fn from(dialect: DialectArg) -> QueueDialect {
        match dialect {
            DialectArg::Postfix => QueueDialect::Postfix,
            DialectArg::PostfixJson => QueueDialect::PostfixJson,
            DialectArg::Exim => QueueDialect::Exim,
            DialectArg::Nullmailer => QueueDialect::Nullmailer,
            DialectArg::QmailQstat => QueueDialect::QmailQstat,
        }
    }
}

#[derive(Debug, Subcommand)]
enum About {
    /// What becomes of addresses: rules, aliases, and who would take them.
    Rewrite {
        /// Addresses.
        #[arg(value_name = "ADDR", required = true)]
        addresses: Vec<String>,
    },
    /// The transports and the runner.
    Status,
    /// The address types, and who takes them.
    Types,
    /// What happened, oldest first.
    Log {
        /// Only to these messages.
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// From this time on; a span counts back from now.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
    /// Counts by state, domain and age.
    Stats,
    /// Whether everything is as it should be.
    Check {
        /// Run the probes of all transports.
        #[arg(long)]
        probe: bool,
    },
    /// What messages say about others: delivery reports, read receipts, bounces.
    Parse {
        /// Files with one message each; - is standard input.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<String>,
    },
    /// Give the result of a hand-off whose result was to come later.
    Complete {
        /// The message.
        id: String,
        /// The recipient.
        #[arg(long, value_name = "ADDR")]
        rcpt: String,
        /// The result, as an enhanced status code: 2.0.0, 5.1.1.
        #[arg(long, value_name = "STATUS")]
        status: String,
    },
}

impl Report {
    /// Checks the arguments and runs the verb.
    pub fn run(self, session: &Session) -> Result<ExitStatus> {
        if let Some(dialect) = self.format {
            return dialect::run(session, dialect.into());
        }
        let subject = match self.about {
            Some(About::Rewrite { addresses }) => {
                let addresses = addresses.iter().map(|text| crate::door::cli::enqueue::recipient(text));
                ReportSubject::Rewrite(addresses.collect::<Result<_>>()?)
            }
            None if self.ids.is_empty() => ReportSubject::Queue,
            None => ReportSubject::Messages(self.ids),
            Some(About::Status) => ReportSubject::Status,
            Some(About::Types) => ReportSubject::Types,
            Some(About::Log { ids, since }) => {
                let since = since.map(|text| match ago(&text, session.now()) {
                    Ok(time) => Ok(time),
                    Err(error) => refuse(ExitStatus::Usage, format!("--since: {error}")),
                });
                ReportSubject::Log { since: since.transpose()?, ids }
            }
            Some(About::Stats) => ReportSubject::Stats,
            Some(About::Check { probe }) => ReportSubject::Check(if probe { ProbeUse::Yes } else { ProbeUse::No }),
            Some(About::Parse { files }) => ReportSubject::Parse(files),
            Some(About::Complete { id, rcpt, status }) => {
                let Ok(address) = Address::parse(&rcpt) else {
                    return refuse(ExitStatus::Data, format!("{:?} is no address", printable::line(&rcpt)));
                };
                let Some(status) = Status::parse(&status) else {
                    return refuse(
                        ExitStatus::Usage,
                        "--status wants a status code of RFC 3463, such as 2.0.0 or 5.1.1",
                    );
                };
                return report::complete::run(session, &id, &address, status);
            }
        };
        report::run(session, &subject, form(self.json))
    }
}

/// A time, or a span before now.
fn ago(text: &str, now: Timestamp) -> Result<Timestamp, crate::values::time::TimeError> {
    match parse_span(text) {
        Ok(span) => Ok(Timestamp::from_seconds(now.seconds().saturating_sub(span.as_secs()))),
        Err(_) => Timestamp::parse(text, now),
    }
}

/// Shells with completions.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

impl Shell {
    /// The completions, as they lie in the source tree.
    pub fn script(self) -> &'static str {
        match self {
            Shell::Bash => include_str!("../../../completions/mspool.bash"),
            Shell::Zsh => include_str!("../../../completions/_mspool"),
            Shell::Fish => include_str!("../../../completions/mspool.fish"),
        }
    }
}
