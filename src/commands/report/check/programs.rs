//! Checks of transports, sources and hooks: their programs, Maildirs and states.

use std::path::Path;

use anyhow::Result;

use crate::delivery::transport_control::TransportControl;
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::spool::transport_state::BreakerCause;
use crate::spool::{QueueState, Spool};
use crate::sys::error::reason_text;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::transports::configured::{ConfiguredCommand, refuse_untrusted};
use crate::transports::program::ProgramControl;
use crate::transports::smtp::probe;
use crate::transports::transport::{DeliveryMethod, Transport};
use crate::values::plural::counted;

use crate::commands::report::check::findings::CheckFindings;

/// Checks the programs, the Maildir, the breaker and the pause of a transport.
pub(super) fn check_transport(
    session: &Session,
    spool: &Spool,
    transport: &Transport,
    findings: &mut CheckFindings,
) -> Result<()> {
    let name = &transport.name;
    match &transport.method {
        // Its program is among the commands below.
        DeliveryMethod::Command { .. } => {}
        DeliveryMethod::Client(client) => {
            for text in probe::check_files(client, &session.settings.trust) {
                findings.add("transport", ExitStatus::Config, format!("{name}: {text}"), None);
            }
        }
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

/// Checks that the path is a Maildir, or that mspool can create one there.
fn check_maildir(path: &Path) -> (ExitStatus, &'static str) {
    // Folders can be there before the Maildir's own directories, and a run that was killed has made only some of those.
    let is_part = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        name == "tmp" || name == "cur" || name.as_encoded_bytes().starts_with(b".") && entry.path().join("new").is_dir()
    };
    let has_nothing_else = || std::fs::read_dir(path).is_ok_and(|mut dir| dir.all(|entry| entry.is_ok_and(is_part)));
    match path.symlink_metadata() {
        Err(_) => (ExitStatus::Ok, "Maildir, created on first use"),
        Ok(_) if path.join("new").is_dir() || has_nothing_else() => (ExitStatus::Ok, "Maildir"),
        Ok(_) => (ExitStatus::Config, "is not a Maildir"),
    }
}

/// Checks the sources, the hooks, the notification command, and the Maildirs that mail is filed in.
pub(super) fn check_inbound(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
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
pub(super) fn run_probes(session: &Session, spool: &Spool, findings: &mut CheckFindings) -> Result<()> {
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
        if refuse_untrusted(&transport.commands(), trust).is_err() {
            // The check of the transport reports it; the breaker stays as it is.
            continue;
        }
        let argv = match (&transport.probe, &transport.method) {
            (Some(argv), _) => argv,
            (None, DeliveryMethod::Client(client)) => {
                match control.probe_server(transport, client)? {
                    Ok(text) => findings.good("probe", format!("{name}: {text}"), None),
                    Err(reason) => findings.add("probe", ExitStatus::TryAgain, format!("{name}: {reason}"), None),
                }
                continue;
            }
            (None, DeliveryMethod::Command { .. } | DeliveryMethod::Maildir(_)) => {
                findings.good("probe", format!("{name}: no probe configured"), None);
                continue;
            }
        };
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
