//! `report check`: checks the configuration and the spool. Uses no network without `--probe`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::delivery::transport_control::TransportControl;
use crate::exit::ExitStatus;
use crate::mail::address::Sender;
use crate::mail::envelope::file_name::FileName;
use crate::mail::history::History;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::settings::SettingsSource;
use crate::spool::listing::DirectoryEntry;
use crate::spool::queue_file::{QueueFile, UnusableFile};
use crate::spool::transport_state::BreakerCause;
use crate::spool::{QueueState, Spool};
use crate::submission::resolve::{AddressResolver, check_alias_file, check_include_file};
use crate::sys::error::reason_text;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::transports::configured::{ConfiguredCommand, refuse_untrusted};
use crate::transports::program::ProgramControl;
use crate::transports::transport::{DeliveryMethod, Transport};
use crate::values::plural::counted;

/// Scope of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckScope {
    /// Use of the probes of transports.
    pub probing: ProbeUse,
    /// Part of each message that is read.
    pub reading: MessageReading,
}

/// Part of each message that a check reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageReading {
    /// Envelope, header and size.
    Envelopes,
    /// Every byte, which is compared with the checksum.
    Whole,
}

/// Use of the transports' probe commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeUse {
    /// Only this machine is checked.
    No,
    /// Every probe command is run.
    Yes,
}

/// Result of one check.
#[derive(Debug, Serialize)]
struct CheckFinding {
    check: &'static str,
    ok: bool,
    text: String,
    path: Option<PathBuf>,
    /// Exit status that this finding causes.
    #[serde(skip)]
    exit: ExitStatus,
}

struct CheckFindings(Vec<CheckFinding>);

impl CheckFindings {
    fn good(&mut self, check: &'static str, text: impl Into<String>, path: Option<&Path>) {
        self.add(check, ExitStatus::Ok, text, path);
    }

    fn add(&mut self, check: &'static str, exit: ExitStatus, text: impl Into<String>, path: Option<&Path>) {
        let path = path.map(Path::to_owned);
        self.0.push(CheckFinding { check, ok: exit == ExitStatus::Ok, text: text.into(), path, exit });
    }

    /// Returns the worst exit status of the findings.
    fn exit_status(&self) -> ExitStatus {
        let has = |exit| self.0.iter().any(|finding| finding.exit == exit);
        if has(ExitStatus::Config) {
            ExitStatus::Config
        } else if has(ExitStatus::TryAgain) {
            ExitStatus::TryAgain
        } else if has(ExitStatus::Partial) {
            ExitStatus::Partial
        } else {
            ExitStatus::Ok
        }
    }
}

/// Prints all findings. Exit status 78 if the configuration or the spool is wrong, 75 if something fails at the moment, 1
/// if something is probably a mistake.
///
/// # Errors
///
/// An error if the spool cannot be opened or listed.
pub fn run(session: &Session, scope: CheckScope, format: OutputFormat) -> Result<ExitStatus> {
    let mut findings = CheckFindings(Vec::new());
    match &session.settings.source {
        SettingsSource::File(path) => findings.good("configuration", "read", Some(path)),
        SettingsSource::BuiltIn(path) => {
            findings.good("configuration", "built in; this file would be read", Some(path))
        }
    }
    let spool = session.spool()?;
    match spool.verify() {
        Ok(()) => {
            let filesystem = spool.filesystem()?;
            let hosts = if filesystem.reaches_other_hosts { ", which other hosts may use" } else { "" };
            let text = format!("owned by this user, on one filesystem ({}{hosts}), version 1", filesystem.name);
            findings.good("spool", text, Some(spool.path()));
        }
        Err(error) => findings.add("spool", ExitStatus::Config, error.to_string(), Some(spool.path())),
    }
    if let Some(error) = spool.report_key_problem() {
        findings.add("spool", ExitStatus::Config, format!("{error}; reports of other systems prove nothing"), None);
    }
    check_space(session, &spool, &mut findings)?;
    check_messages(session, &spool, scope.reading, &mut findings)?;
    for transport in &session.settings.transports {
        check_transport(session, &spool, transport, &mut findings)?;
    }
    check_sender(session, &mut findings);
    check_aliases(session, &mut findings);
    check_inbound(session, &spool, &mut findings)?;
    if scope.probing == ProbeUse::Yes {
        run_probes(session, &spool, &mut findings)?;
    }
    print_findings(&findings, format)?;
    Ok(findings.exit_status())
}

fn print_findings(findings: &CheckFindings, format: OutputFormat) -> Result<()> {
    let mut out = print::stdout();
    for finding in &findings.0 {
        match format {
            OutputFormat::Json => print::json(&mut out, finding)?,
            OutputFormat::Text => {
                let word = match finding.exit {
                    ExitStatus::Ok => "ok",
                    ExitStatus::Partial => "warn",
                    _ => "BAD",
                };
                let path = finding.path.as_ref().map_or(String::new(), |path| format!(" ({})", path.display()));
                print::line(&mut out, &format!("{word:<3} {:<14}{}{path}", finding.check, finding.text))?;
            }
        }
    }
    Ok(out.flush()?)
}

/// Warns if the default sender has a domain that no other host can know, although mail leaves this host.
fn check_sender(session: &Session, findings: &mut CheckFindings) {
    let settings = &session.settings;
    if !settings.transports.iter().any(Transport::reaches_beyond_host) {
        return;
    }
    let own = || Sender::parse(&settings.own_address()).ok();
    let Some(sender) = settings.sender.clone().filter(|sender| !sender.is_null()).or_else(own) else { return };
    let sender = AddressResolver::new(settings).sender(sender);
    let domain = sender.as_str().rsplit_once('@').map_or("", |(_, domain)| domain);
    if !domain.contains('.') && !domain.starts_with('[') {
        let text = format!(
            "{}: the domain of the default sender is not known to other hosts, which may refuse the mail; set sender, \
             hostname or qualify",
            sender.as_str()
        );
        findings.add("sender", ExitStatus::Partial, text, None);
    }
}

fn check_space(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let room = spool.room()?;
    let reserve = session.settings.queue.reserve;
    let text = format!("{} free, {reserve} reserved", counted(room.bytes, "byte"));
    let exit = if room.bytes < reserve { ExitStatus::TryAgain } else { ExitStatus::Ok };
    findings.add("space", exit, text, Some(spool.path()));
    if let Some(inodes) = room.inodes {
        let exit = if inodes < 1000 { ExitStatus::TryAgain } else { ExitStatus::Ok };
        findings.add("inodes", exit, format!("{inodes} free"), Some(spool.path()));
    }
    Ok(())
}

/// Reads every queue file and every log.
fn check_messages(
    session: &Session,
    spool: &Spool,
    reading: MessageReading,
    findings: &mut CheckFindings,
) -> Result<()> {
    let mut count = 0;
    let mut bad = 0;
    for state in QueueState::ALL {
        for entry in spool.entries(state)? {
            let name = match entry? {
                DirectoryEntry::Message(name) => name,
                DirectoryEntry::Stray(name) => {
                    bad += 1;
                    let path = spool.path_of_state(state).join(name);
                    findings.add(
                        "messages",
                        ExitStatus::Config,
                        "is not a message of this spool; it is left alone",
                        Some(&path),
                    );
                    continue;
                }
            };
            count += 1;
            let path = spool.path_of_message(state, &name);
            if let Some((exit, text)) = message_problem(session, spool, state, &name, reading, findings)? {
                bad += 1;
                findings.add("messages", exit, text, Some(&path));
            }
        }
    }
    if bad == 0 {
        let words = match reading {
            MessageReading::Envelopes => "all readable",
            MessageReading::Whole => "all whole",
        };
        findings.good("messages", format!("{count}, {words}"), None);
    }
    Ok(())
}

/// Returns the problem of one message, if it has one. A cut log is no problem of the message; it is added to the findings.
fn message_problem(
    session: &Session,
    spool: &Spool,
    state: QueueState,
    name: &FileName,
    reading: MessageReading,
    findings: &mut CheckFindings,
) -> Result<Option<(ExitStatus, String)>> {
    let wrong = |text: String| Ok(Some((ExitStatus::Config, text)));
    let whole = |message: QueueFile| match reading {
        MessageReading::Envelopes => Ok(message),
        MessageReading::Whole => message.verify(&spool.path_of_message(state, name)).map(|()| message),
    };
    let message = match spool.read(state, name).and_then(whole) {
        Ok(message) => message,
        Err(UnusableFile::Gone) => return Ok(None),
        Err(UnusableFile::Stray(reason)) => return wrong(reason.to_owned()),
        Err(UnusableFile::Incomplete(reason)) => {
            let is_known = || Ok::<bool, anyhow::Error>(History::is_of_incomplete(&spool.read_log(&name.id)?));
            if spool.may_be_unacknowledged(state, name)? || is_known()? {
                let text = format!("cut short, perhaps by a power failure before it was accepted: {reason}");
                return Ok(Some((ExitStatus::Partial, text)));
            }
            return wrong(reason);
        }
        Err(UnusableFile::Corrupt(reason)) => return wrong(reason),
        Err(UnusableFile::Path(error)) => return wrong(error.to_string()),
    };
    let history = spool.history(&message.envelope)?;
    if history.unreadable > 0 {
        let lines = counted(history.unreadable, "unreadable line");
        let path = spool.path_of_message(state, name);
        findings.good("messages", format!("the log has {lines}, ignored"), Some(&path));
    }
    let is_in_future = message.envelope.arrival.since(session.now()).as_secs() > 86_400;
    Ok(is_in_future.then(|| (ExitStatus::Config, "arrival time is in the future; check the clock".to_owned())))
}

/// Checks that the path is a Maildir, or that mspool can create one there.
fn check_maildir(path: &Path) -> (ExitStatus, &'static str) {
    let is_empty = || std::fs::read_dir(path).is_ok_and(|mut dir| dir.next().is_none());
    match path.symlink_metadata() {
        Err(_) => (ExitStatus::Ok, "Maildir, created on first use"),
        Ok(_) if path.join("new").is_dir() || is_empty() => (ExitStatus::Ok, "Maildir"),
        Ok(_) => (ExitStatus::Config, "is not a Maildir"),
    }
}

/// Checks the programs, the Maildir, the breaker and the pause of a transport.
fn check_transport(
    session: &Session,
    spool: &Spool,
    transport: &Transport,
    findings: &mut CheckFindings,
) -> Result<()> {
    let name = &transport.name;
    match &transport.method {
        // Its program is among the commands below.
        DeliveryMethod::Command { .. } => {}
        DeliveryMethod::Maildir(path) => {
            let (exit, text) = check_maildir(path);
            findings.add("transport", exit, format!("{name}: {text}"), Some(path));
        }
    }
    for warning in transport.warnings() {
        findings.add("transport", ExitStatus::Partial, warning, None);
    }
    for command in transport.commands() {
        check_command(session, "transport", &format!("{name}: "), &command, findings);
    }
    let transport_state = spool.transport_state(name)?;
    if let Some(breaker) = transport_state.breaker.as_ref().filter(|breaker| breaker.config == transport.fingerprint) {
        findings.add(
            "transport",
            ExitStatus::TryAgain,
            match breaker.cause {
                BreakerCause::Failure => format!("{name}: broken since {}: {}", breaker.since, breaker.text),
                BreakerCause::Auth => format!("{name}: login refused since {}: {}", breaker.since, breaker.text),
            },
            None,
        );
    }
    if let Some(text) = crate::delivery::transport_queue::pause_reason(&transport_state, session.time(spool)?) {
        findings.good("transport", format!("{name}: {text}"), None);
    }
    Ok(())
}

/// Checks the sources, the hooks, the notification command, and the Maildirs that mail is filed in.
fn check_inbound(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let settings = &session.settings;
    for source in &settings.sources {
        for command in source.commands() {
            check_command(session, "inbound", &format!("{}: ", source.name), &command, findings);
        }
        if let Some(text) = spool.source_state(&source.name)?.trouble {
            findings.add("inbound", ExitStatus::TryAgain, format!("{}: {text}", source.name), None);
        }
    }
    for hook in settings.inbound_hooks.iter().chain(&settings.outbound_hooks) {
        check_command(session, "hook", "", &hook.configured_command(), findings);
    }
    if let Some(notify) = &settings.notify {
        check_command(session, "notify", "", &notify.configured_command(), findings);
    }
    for (check, path) in [("store", Some(&settings.store)), ("sent", settings.queue.sent.as_ref())] {
        if let Some(path) = path {
            let (exit, text) = check_maildir(path);
            findings.add(check, exit, text, Some(path));
        }
    }
    let waiting = spool.messages_in_order(QueueState::Received)?.len();
    if waiting > 0 {
        let path = spool.path_of_state(QueueState::Received);
        findings.good("store", format!("{} not filed yet", counted(waiting, "received message")), Some(&path));
    }
    Ok(())
}

/// Runs the probe command of every transport.
fn run_probes(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let trust = &session.settings.trust;
    let control = TransportControl {
        spool,
        schedule: session.settings.queue.retry,
        programs: ProgramControl { signals: &signals, trust, observer: None },
        time: session.time(spool)?,
    };
    for transport in &session.settings.transports {
        let name = &transport.name;
        let Some(argv) = &transport.probe else {
            findings.good("probe", format!("{name}: no probe configured"), None);
            continue;
        };
        if refuse_untrusted(&transport.commands(), trust).is_err() {
            // The check of the transport reports it; the breaker stays as it is.
            continue;
        }
        match control.probe(transport, argv)? {
            Ok(()) => findings.good("probe", format!("{name}: succeeded"), None),
            Err(reason) => findings.add("probe", ExitStatus::TryAgain, format!("{name}: {reason}"), None),
        }
    }
    Ok(())
}

/// Checks that the program of a command exists, and that no user other than this one or root can write the program or its
/// scripts. `owner` is the prefix of the text of the finding, `check` its kind.
fn check_command(
    session: &Session,
    check: &'static str,
    owner: &str,
    command: &ConfiguredCommand,
    findings: &mut CheckFindings,
) {
    let program = command.program();
    match command.check(&session.settings.trust) {
        Ok(path) => findings.good(check, format!("{owner}command found"), Some(&path)),
        Err(error) => {
            let missing = error.is_not_found() && !program.contains('/');
            let (text, path) = match error.distrust() {
                Some(distrust) => (distrust.to_string(), Some(distrust.path.as_path())),
                None if missing => ("is not in PATH".to_owned(), None),
                None => (reason_text(&error.source), None),
            };
            findings.add(check, ExitStatus::Config, format!("{owner}{program}: {text}"), path);
        }
    }
}

/// Checks the alias files, and the lists that aliases may include.
fn check_aliases(session: &Session, findings: &mut CheckFindings) {
    let (settings, trust) = (&session.settings.addresses, &session.settings.trust);
    let included = settings.allowed.iter().filter_map(|target| target.strip_prefix(":include:")).map(Path::new);
    let files = settings.aliases.iter().map(|path| (path.as_path(), check_alias_file(trust, path)));
    for (path, checked) in files.chain(included.map(|path| (path, check_include_file(trust, path)))) {
        match checked {
            Ok(()) => findings.good("aliases", "read", Some(path)),
            Err(error) => findings.add("aliases", ExitStatus::Config, format!("{error:#}"), Some(path)),
        }
    }
}
