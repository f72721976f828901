//! `report check`: is everything as it should be? Touches no network without `--probe`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::delivery::transport_control::TransportControl;
use crate::exit::ExitStatus;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::settings::SettingsSource;
use crate::spool::listing::DirectoryEntry;
use crate::spool::queue_file::UnusableFile;
use crate::spool::{QueueState, Spool};
use crate::submission::resolve::{check_alias_file, check_include_file};
use crate::sys::error::reason_text;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::transports::configured::{ConfiguredCommand, refuse_untrusted};
use crate::transports::program::ProgramControl;
use crate::transports::transport::{DeliveryMethod, Transport};

/// Whether the transports are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeUse {
    /// Only what is on this machine is looked at.
    No,
    /// Every probe command is run.
    Yes,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct CheckFinding {
    check: &'static str,
    ok: bool,
    text: String,
    path: Option<PathBuf>,
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
}

/// Prints what was found. 78 when something is configured wrongly, 75 when something does not work now.
pub fn run(session: &Session, probing: ProbeUse, form: OutputFormat) -> Result<ExitStatus> {
    let mut findings = CheckFindings(Vec::new());
    match &session.settings.source {
        SettingsSource::File(path) => findings.good("configuration", "read", Some(path)),
        SettingsSource::BuiltIn(path) => {
            findings.good("configuration", "built in; a file would be read from here", Some(path))
        }
    }
    let spool = session.spool()?;
    match spool.verify() {
        Ok(()) => findings.good("spool", "ours alone, on one filesystem, version 1", Some(spool.path())),
        Err(error) => findings.add("spool", ExitStatus::Config, error.to_string(), Some(spool.path())),
    }
    room(session, &spool, &mut findings)?;
    messages(session, &spool, &mut findings)?;
    for transport in &session.settings.transports {
        of_transport(session, &spool, transport, &mut findings)?;
    }
    aliases(session, &mut findings);
    inbound_side(session, &spool, &mut findings)?;
    if probing == ProbeUse::Yes {
        probes(session, &spool, &mut findings)?;
    }
    let mut out = print::stdout();
    for finding in &findings.0 {
        match form {
            OutputFormat::Json => print::json(&mut out, finding)?,
            OutputFormat::Text => {
                let word = if finding.ok { "ok" } else { "BAD" };
                let path = finding.path.as_ref().map_or(String::new(), |path| format!(" ({})", path.display()));
                print::line(&mut out, &format!("{word:<4}{:<14}{}{path}", finding.check, finding.text))?;
            }
        }
    }
    out.flush()?;
    let has = |exit| findings.0.iter().any(|finding| finding.exit == exit);
    Ok(if has(ExitStatus::Config) {
        ExitStatus::Config
    } else if has(ExitStatus::TryAgain) {
        ExitStatus::TryAgain
    } else {
        ExitStatus::Ok
    })
}

fn room(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let room = spool.room()?;
    let reserve = session.settings.queue.reserve;
    let text = format!("{} bytes free, {reserve} reserved", room.bytes);
    let exit = if room.bytes < reserve { ExitStatus::TryAgain } else { ExitStatus::Ok };
    findings.add("space", exit, text, Some(spool.path()));
    if let Some(inodes) = room.inodes {
        let exit = if inodes < 1000 { ExitStatus::TryAgain } else { ExitStatus::Ok };
        findings.add("inodes", exit, format!("{inodes} free"), Some(spool.path()));
    }
    Ok(())
}

/// Every queue file must be readable, and every log.
fn messages(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let mut count = 0;
    let mut bad = 0;
    let now = session.now();
    for state in QueueState::ALL {
        for entry in spool.entries(state)? {
            let name = match entry? {
                DirectoryEntry::Message(name) => name,
                DirectoryEntry::Stray(name) => {
                    bad += 1;
                    let path = spool.path_of_state(state).join(name);
                    findings.add("messages", ExitStatus::Config, "not a message; nobody touches it", Some(&path));
                    continue;
                }
            };
            count += 1;
            let path = spool.path_of_message(state, &name);
            let trouble = match spool.read(state, &name) {
                Err(UnusableFile::Gone) => None,
                Err(UnusableFile::Stray(reason)) => Some(reason.to_owned()),
                Err(UnusableFile::Corrupt(reason)) => Some(reason),
                Err(UnusableFile::Path(error)) => Some(error.to_string()),
                Ok(message) => {
                    let history = spool.history(&message.envelope)?;
                    if history.unreadable > 0 {
                        let text =
                            format!("{} lines of its log were cut short, and count for nothing", history.unreadable);
                        findings.good("messages", text, Some(&path));
                    }
                    let future = message.envelope.arrival.since(now).as_secs() > 86_400;
                    future.then(|| "arrived in the future: was the clock wrong?".to_owned())
                }
            };
            if let Some(text) = trouble {
                bad += 1;
                findings.add("messages", ExitStatus::Config, text, Some(&path));
            }
        }
    }
    if bad == 0 {
        findings.good("messages", format!("{count}, all readable"), None);
    }
    Ok(())
}

/// Whether mail can be put there: into a Maildir, or where one can be made.
fn of_maildir(path: &Path) -> (ExitStatus, &'static str) {
    let is_empty = || std::fs::read_dir(path).is_ok_and(|mut dir| dir.next().is_none());
    match path.symlink_metadata() {
        Err(_) => (ExitStatus::Ok, "Maildir, made when it is first needed"),
        Ok(_) if path.join("new").is_dir() || is_empty() => (ExitStatus::Ok, "Maildir"),
        Ok(_) => (ExitStatus::Config, "there is something else than a Maildir"),
    }
}

fn of_transport(session: &Session, spool: &Spool, transport: &Transport, findings: &mut CheckFindings) -> Result<()> {
    let name = &transport.name;
    if let DeliveryMethod::Maildir(path) = &transport.method {
        let (exit, text) = of_maildir(path);
        findings.add("transport", exit, format!("{name}: {text}"), Some(path));
    }
    for command in transport.commands() {
        of_command(session, "transport", &format!("{name}: "), &command, findings);
    }
    let transport_state = spool.transport_state(name)?;
    if let Some(breaker) = transport_state.breaker.as_ref().filter(|breaker| breaker.config == transport.fingerprint) {
        findings.add(
            "transport",
            ExitStatus::TryAgain,
            format!("{name}: broken since {}: {}", breaker.since, breaker.text),
            None,
        );
    }
    if let Some(text) = crate::delivery::transport_queue::pause_reason(&transport_state, session.time(spool)?) {
        findings.good("transport", format!("{name}: {text}"), None);
    }
    Ok(())
}

/// The programs for received mail, and where it is filed.
fn inbound_side(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let settings = &session.settings;
    for inbound in &settings.sources {
        for command in inbound.commands() {
            of_command(session, "inbound", &format!("{}: ", inbound.name), &command, findings);
        }
        if let Some(text) = spool.source_state(&inbound.name)?.trouble {
            findings.add("inbound", ExitStatus::TryAgain, format!("{}: {text}", inbound.name), None);
        }
    }
    for hook in settings.inbound_hooks.iter().chain(&settings.outbound_hooks) {
        of_command(session, "hook", "", &hook.configured_command(), findings);
    }
    if let Some(notify) = &settings.notify {
        of_command(session, "notify", "", &notify.configured_command(), findings);
    }
    for (check, path) in [("store", Some(&settings.store)), ("sent", settings.queue.sent.as_ref())] {
        if let Some(path) = path {
            let (exit, text) = of_maildir(path);
            findings.add(check, exit, text, Some(path));
        }
    }
    let waiting = spool.messages_in_order(QueueState::Received)?.len();
    if waiting > 0 {
        let path = spool.path_of_state(QueueState::Received);
        findings.good("store", format!("{waiting} messages wait to be filed"), Some(&path));
    }
    Ok(())
}

fn probes(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let trust = &session.settings.trust;
    let control = TransportControl {
        spool,
        schedule: session.settings.queue.retry,
        programs: ProgramControl { signals: &signals, trust },
        time: session.time(spool)?,
    };
    for transport in &session.settings.transports {
        let name = &transport.name;
        let Some(argv) = &transport.probe else {
            findings.good("probe", format!("{name}: none configured"), None);
            continue;
        };
        if refuse_untrusted(&transport.commands(), trust).is_err() {
            // Reported with the transport. Its breaker stays closed.
            continue;
        }
        match control.probe(transport, argv)? {
            Ok(()) => findings.good("probe", format!("{name}: answers"), None),
            Err(reason) => findings.add("probe", ExitStatus::TryAgain, format!("{name}: {reason}"), None),
        }
    }
    Ok(())
}

/// Looks for the program of a command, and checks that only we or root can have written it and its scripts.
fn of_command(
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

/// Alias files, and the lists that aliases may include.
fn aliases(session: &Session, findings: &mut CheckFindings) {
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
