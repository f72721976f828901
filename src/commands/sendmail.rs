//! Operations of sendmail(1): submission of a message, SMTP on standard input, and verification of addresses.

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::inbox::attempt::attempt_and_file;
use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::output::console::{Console, ProgressBarUse};
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::print;
use crate::session::Session;
use crate::settings::AfterSubmission;
use crate::spool::Spool;
use crate::spool::draft::UnsyncedMessage;
use crate::submission::background::flush_in_background;
use crate::submission::compose::MessageComposer;
use crate::submission::input::StandardInput;
use crate::submission::limits::check_room;
use crate::submission::options::{HeaderUse, SubmissionOptions};
use crate::submission::resolve::AddressResolver;
use crate::submission::smtp::server::{self, SmtpProtocol};
use crate::submission::until_dot::UntilDot;
use crate::sys;
use crate::sys::signals::{HangupMeaning, Signals};

/// Meaning of an input line that is a single dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DotHandling {
    /// End of the message.
    End,
    /// Part of the text (`-i`).
    Text,
}

/// Queues one message from standard input. `after` overrides the configured action after submission.
///
/// # Errors
///
/// An error means that the message was not queued. Once it is durable, failures are only printed.
pub fn submit(
    session: &Session,
    options: &SubmissionOptions,
    dots: DotHandling,
    after: Option<AfterSubmission>,
) -> Result<ExitStatus> {
    if options.recipients.is_empty() && options.header == HeaderUse::None {
        return refuse(RefusalKind::Usage, "no recipient was given; name one, or use -t to read them from the header");
    }
    if sys::stdin_was_closed() {
        return refuse(RefusalKind::BadData, "standard input is closed; nothing was queued");
    }
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let composer = MessageComposer { session, options, spool: &spool, ids: &session.ids };
    let mut stdin = StandardInput::new(&signals);
    let (draft, envelope) = match dots {
        DotHandling::Text => composer.read_message(&mut stdin)?,
        DotHandling::End => composer.read_message(&mut UntilDot::new(&mut stdin))?,
    };
    UnsyncedMessage::commit(vec![composer.place(draft, &envelope)?])?;
    // The message is durable: an error status now would make the caller send it a second time.
    if session.verbosity == Verbosity::Verbose {
        print::note(&format!("{}: queued", envelope.id));
    }
    follow_up(session, &spool, &signals, &[envelope.id], after);
    Ok(ExitStatus::Ok)
}

/// Serves SMTP or LMTP on standard input and output until the client ends the session.
///
/// # Errors
///
/// The errors of [`server::run`]. Messages accepted before the error stay queued.
pub fn serve(session: &Session, protocol: SmtpProtocol, after: Option<AfterSubmission>) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let (status, accepted) = server::run(session, &spool, &signals, protocol);
    follow_up(session, &spool, &signals, &accepted, after);
    status
}

/// Does the action after submission that the caller, or else the configuration, chooses. Failures are only printed: the
/// messages are queued.
fn follow_up(
    session: &Session,
    spool: &Spool,
    signals: &Signals,
    accepted: &[QueueId],
    after: Option<AfterSubmission>,
) {
    if accepted.is_empty() {
        return;
    }
    match after.unwrap_or(session.settings.sendmail) {
        AfterSubmission::Queue => {}
        AfterSubmission::Background => flush_in_background(session),
        AfterSubmission::Attempt => {
            let console = Console::new(session.verbosity, OutputFormat::Text, ProgressBarUse::IfUseful, accepted.len());
            for id in accepted {
                let attempt = || {
                    let context = DeliveryContext::new(session, spool, signals, &console)?;
                    attempt_and_file(&context, id, session.network)
                };
                if let Err(error) = attempt() {
                    print::error(&format!("{error:#}; the message stays queued"));
                }
            }
        }
    }
}

/// Prints the transports of each address in the order in which they are tried. Exit status 67 if an address has none.
///
/// # Errors
///
/// The errors of [`AddressResolver::recipients`] and of standard output.
pub fn verify(session: &Session, recipients: &[Address]) -> Result<ExitStatus> {
    let mut out = print::stdout();
    let mut status = ExitStatus::Ok;
    let mut resolver = AddressResolver::new(&session.settings);
    for address in recipients {
        for Recipient { address: resolved, .. } in resolver.recipients(vec![address.clone().into()])? {
            let from = if resolved == *address { String::new() } else { format!("{address} -> ") };
            let candidates = session.settings.candidates(&resolved, None);
            let names: Vec<&str> =
                candidates.iter().map(|index| session.settings.transports[*index].name.as_str()).collect();
            if names.is_empty() {
                status = ExitStatus::NoUser;
                print::line(&mut out, &format!("{from}{resolved}: no transport takes it"))?;
            } else {
                print::line(&mut out, &format!("{from}{resolved}: {}", names.join(", then ")))?;
            }
        }
    }
    Ok(status)
}
