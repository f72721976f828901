//! Modes of sendmail(1), and the commands that implement them.

use anyhow::Result;

use crate::commands::flush::{self, FlushOptions};
use crate::commands::report::dialect::{self, QueueDialect};
use crate::commands::sendmail::{self, DotHandling};
use crate::exit::ExitStatus;
use crate::mail::address::Address;
use crate::output::print;
use crate::session::Session;
use crate::settings::AfterSubmission;
use crate::submission::options::SubmissionOptions;
use crate::submission::smtp::server::SmtpProtocol;

/// Mode of sendmail(1).
#[derive(Debug)]
pub enum Mode {
    /// Read and queue a message.
    Submit(Box<SubmissionOptions>, DotHandling, Option<AfterSubmission>),
    /// Speak SMTP or LMTP on standard input and output.
    Serve(SmtpProtocol, Option<AfterSubmission>),
    /// List the queue.
    List(QueueDialect),
    /// Flush the queue once.
    Flush(FlushOptions),
    /// Print the transports that accept these recipients.
    Verify(Vec<Address>),
    /// Print this help text.
    Help(String),
    /// Do nothing.
    Nothing,
}

/// Runs the command of this mode.
pub fn run(session: &Session, mode: Mode) -> Result<ExitStatus> {
    match mode {
        Mode::Submit(options, dots, after) => sendmail::submit(session, &options, dots, after),
        Mode::Serve(protocol, after) => sendmail::serve(session, protocol, after),
        Mode::List(dialect) => dialect::run(session, dialect),
        Mode::Flush(options) => flush::run(session, &options),
        Mode::Verify(recipients) => sendmail::verify(session, &recipients),
        Mode::Help(text) => {
            print::text(&text)?;
            Ok(ExitStatus::Ok)
        }
        Mode::Nothing => Ok(ExitStatus::Ok),
    }
}
