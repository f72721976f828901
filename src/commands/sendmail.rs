//! What sendmail(1) is asked to do with messages and addresses: the same submission and queue as ever, behind an old front.

use anyhow::Result;

use crate::delivery::context::Engine;
use crate::exit::{Exit, refuse};
use crate::inbox::attempt::attempt_and_file;
use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::output::console::{Bar, Voices};
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::print;
use crate::session::Session;
use crate::settings::AfterSubmission;
use crate::spool::Spool;
use crate::spool::draft::Placed;
use crate::submission::background::flush_in_background;
use crate::submission::compose::Composer;
use crate::submission::input::Stdin;
use crate::submission::limits::check_room;
use crate::submission::options::{HeaderUse, SubmissionOptions};
use crate::submission::resolve::Resolver;
use crate::submission::smtp::server::{self, Protocol};
use crate::submission::until_dot::UntilDot;
use crate::sys::signals::{Hangup, Signals};

/// What a line of a single dot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dots {
    /// The end of the message.
    End,
    /// Text.
    Text,
}

/// Takes one message from standard input.
pub fn submit(
    session: &Session,
    options: &SubmissionOptions,
    dots: Dots,
    after: Option<AfterSubmission>,
) -> Result<Exit> {
    if options.recipients.is_empty() && options.header == HeaderUse::None {
        return refuse(Exit::Usage, "no recipient was given; with -t they are read from the header");
    }
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(Hangup::Stops)?;
    let composer = Composer { session, options, spool: &spool, mint: &session.mint };
    let mut stdin = Stdin::new(&signals);
    let (draft, envelope) = match dots {
        Dots::Text => composer.take_in(&mut stdin)?,
        Dots::End => composer.take_in(&mut UntilDot::new(&mut stdin))?,
    };
    Placed::commit(vec![composer.place(draft, &envelope)?])?;
    // From here on the message is queued, and nothing that follows changes that.
    if session.voice == Verbosity::Verbose {
        print::note(&format!("{}: queued", envelope.id));
    }
    follow_up(session, &spool, &signals, &[envelope.id], after);
    Ok(Exit::Ok)
}

/// Speaks SMTP or LMTP on standard input and output until the client is done, or gone.
pub fn serve(session: &Session, protocol: Protocol, after: Option<AfterSubmission>) -> Result<Exit> {
    let spool = session.spool()?;
    let signals = Signals::listen(Hangup::Stops)?;
    let (end, accepted) = server::run(session, &spool, &signals, protocol);
    follow_up(session, &spool, &signals, &accepted, after);
    end
}

/// Does with queued messages what the caller, or else the configuration, wants beyond that. Failures are told, and change
/// nothing.
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
            let voices = Voices::new(session.voice, OutputFormat::Text, Bar::IfUseful, accepted.len());
            let engine = Engine::new(session, spool, signals, &voices);
            for id in accepted {
                if let Err(error) = attempt_and_file(&engine, id, session.reach) {
                    print::problem(&format!("{error:#}; the message stays queued"));
                }
            }
        }
    }
}

/// Who would be asked to take each address; 67 when nobody would take one of them.
pub fn verify(session: &Session, recipients: &[Address]) -> Result<Exit> {
    let mut out = print::output();
    let mut end = Exit::Ok;
    let mut resolver = Resolver::new(&session.settings);
    for address in recipients {
        for Recipient { address: resolved, .. } in resolver.recipients(vec![address.clone().into()])? {
            let from = if resolved == *address { String::new() } else { format!("{address} -> ") };
            let candidates = session.settings.candidates(&resolved, None);
            let names: Vec<&str> =
                candidates.iter().map(|place| session.settings.transports[*place].name.as_str()).collect();
            if names.is_empty() {
                end = Exit::NoUser;
                print::line(&mut out, &format!("{from}{resolved}: no transport takes it"))?;
            } else {
                print::line(&mut out, &format!("{from}{resolved}: {}", names.join(", then ")))?;
            }
        }
    }
    Ok(end)
}
