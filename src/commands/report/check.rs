//! `report check`: checks the configuration and the spool. Uses no network without `--probe`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::delivery::transport_control::TransportControl;
use crate::exit::ExitStatus;
use crate::mail::envelope::file_name::FileName;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::settings::SettingsSource;
use crate::spool::listing::DirectoryEntry;
use crate::spool::queue_file::UnusableFile;
use crate::spool::{QueueState, Spool};
use crate::submission::resolve::AddressResolver;
use crate::sys::error::reason_text;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::transports::argv::CommandTemplate;
use crate::transports::transport::{DeliveryMethod, Transport};
use crate::values::plural::counted;

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
        } else {
            ExitStatus::Ok
        }
    }
}

/// Prints all findings. Exit status 78 if the configuration or the spool is wrong, 75 if something fails at the moment.
///
/// # Errors
///
/// An error if the spool cannot be opened or listed.
pub fn run(session: &Session, probing: ProbeUse, format: OutputFormat) -> Result<ExitStatus> {
    let mut findings = CheckFindings(Vec::new());
    match &session.settings.source {
        SettingsSource::File(path) => findings.good("configuration", "read", Some(path)),
        SettingsSource::BuiltIn(path) => {
            findings.good("configuration", "built in; this file would be read", Some(path))
        }
    }
    let spool = session.spool()?;
    match spool.verify() {
        Ok(()) => findings.good("spool", "owned by this user, on one filesystem, version 1", Some(spool.path())),
        Err(error) => findings.add("spool", ExitStatus::Config, error.to_string(), Some(spool.path())),
    }
    check_space(session, &spool, &mut findings)?;
    check_messages(session, &spool, &mut findings)?;
    for transport in &session.settings.transports {
        check_transport(session, &spool, transport, &mut findings)?;
    }
    if !session.settings.addresses.aliases.is_empty() {
        match AddressResolver::new(&session.settings).check() {
            Ok(()) => findings.good("aliases", "read", None),
            Err(error) => findings.add("aliases", ExitStatus::Config, format!("{error:#}"), None),
        }
    }
    check_inbound(session, &spool, &mut findings)?;
    if probing == ProbeUse::Yes {
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
                let word = if finding.ok { "ok" } else { "BAD" };
                let path = finding.path.as_ref().map_or(String::new(), |path| format!(" ({})", path.display()));
                print::line(&mut out, &format!("{word:<4}{:<14}{}{path}", finding.check, finding.text))?;
            }
        }
    }
    Ok(out.flush()?)
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
fn check_messages(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
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
            if let Some(text) = message_problem(session, spool, state, &name, findings)? {
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

/// Returns the problem of one message, if it has one. A cut log is no problem of the message; it is added to the findings.
fn message_problem(
    session: &Session,
    spool: &Spool,
    state: QueueState,
    name: &FileName,
    findings: &mut CheckFindings,
) -> Result<Option<String>> {
    let message = match spool.read(state, name) {
        Ok(message) => message,
        Err(UnusableFile::Gone) => return Ok(None),
        Err(UnusableFile::Stray(reason)) => return Ok(Some(reason.to_owned())),
        Err(UnusableFile::Corrupt(reason)) => return Ok(Some(reason)),
        Err(UnusableFile::Path(error)) => return Ok(Some(error.to_string())),
    };
    let history = spool.history(&message.envelope)?;
    if history.unreadable > 0 {
        let lines = counted(history.unreadable, "unreadable line");
        let path = spool.path_of_message(state, name);
        findings.good("messages", format!("the log has {lines}, ignored"), Some(&path));
    }
    let is_in_future = message.envelope.arrival.since(session.now()).as_secs() > 86_400;
    Ok(is_in_future.then(|| "arrival time is in the future; check the clock".to_owned()))
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
        DeliveryMethod::Command { template, .. } => {
            let program = template.program();
            match find_program(&program) {
                Ok(path) => findings.good("transport", format!("{name}: command found"), Some(&path)),
                Err(text) => findings.add("transport", ExitStatus::Config, format!("{name}: {program}: {text}"), None),
            }
        }
        DeliveryMethod::Maildir(path) => {
            let (exit, text) = check_maildir(path);
            findings.add("transport", exit, format!("{name}: {text}"), Some(path));
        }
    }
    let other_commands = [&transport.probe, &transport.connect, &transport.disconnect].into_iter().flatten();
    let filters = transport.preprocess.iter().chain(&transport.undo).map(CommandTemplate::program);
    for program in other_commands.map(|argv| argv[0].clone()).chain(filters) {
        if let Err(text) = find_program(&program) {
            findings.add("transport", ExitStatus::Config, format!("{name}: {program}: {text}"), None);
        }
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
    if let Some(text) = crate::delivery::transport_queue::pause_reason(&transport_state, session.now()) {
        findings.good("transport", format!("{name}: {text}"), None);
    }
    Ok(())
}

/// Checks the sources, the hooks, the notification command, and the Maildirs that mail is filed in.
fn check_inbound(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
    let settings = &session.settings;
    let mut programs = Vec::new();
    for source in &settings.sources {
        let ack = source.ack.iter().map(CommandTemplate::program);
        programs.extend(source.fetch.first().cloned().into_iter().chain(ack).map(|program| ("inbound", program)));
        if let Some(text) = spool.source_state(&source.name)?.trouble {
            findings.add("inbound", ExitStatus::TryAgain, format!("{}: {text}", source.name), None);
        }
    }
    let hooks = settings.inbound_hooks.iter().chain(&settings.outbound_hooks);
    programs.extend(hooks.map(|hook| ("hook", hook.program())));
    programs.extend(settings.notify.iter().map(|notice| ("notify", notice.command.program())));
    for (check, program) in programs {
        match find_program(&program) {
            Ok(path) => findings.good(check, "command found", Some(&path)),
            Err(text) => findings.add(check, ExitStatus::Config, format!("{program}: {text}"), None),
        }
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
    let control =
        TransportControl { spool, schedule: session.settings.queue.retry, signals: &signals, now: session.now() };
    for transport in &session.settings.transports {
        let name = &transport.name;
        let Some(argv) = &transport.probe else {
            findings.good("probe", format!("{name}: no probe configured"), None);
            continue;
        };
        match control.probe(transport, argv)? {
            Ok(()) => findings.good("probe", format!("{name}: succeeded"), None),
            Err(reason) => findings.add("probe", ExitStatus::TryAgain, format!("{name}: {reason}"), None),
        }
    }
    Ok(())
}

/// Returns the path of a program, searched in `PATH` as execvp(3) does; or the reason why it cannot be run.
fn find_program(program: &str) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;
    let executable = |path: &Path| -> Result<PathBuf, String> {
        let metadata = std::fs::metadata(path).map_err(|error| reason_text(&error))?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
            return Err("is not an executable file".to_owned());
        }
        Ok(path.to_owned())
    };
    if program.contains('/') {
        return executable(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let found = std::env::split_paths(&path).find_map(|dir| executable(&dir.join(program)).ok());
    found.ok_or_else(|| "is not in PATH".to_owned())
}
