//! Control commands of a transport: `probe`, `connect`, `disconnect` and `undo`.

use std::path::Path;

use crate::transports::environment;
use crate::transports::finished::FinishedProgram;
use crate::transports::placeholder::Placeholder;
use crate::transports::program::{ProgramControl, ProgramRun};
use crate::transports::transport::Transport;

impl Transport {
    /// Runs `undo`, which reverts side effects of the filters for this message. Without `undo` in the configuration, it
    /// does nothing.
    ///
    /// # Errors
    /// A text for any other end than exit status 0.
    pub fn undo(&self, id: &str, spool: &Path, control: ProgramControl<'_>) -> Result<(), String> {
        let Some(undo) = &self.undo else { return Ok(()) };
        let argv = undo.fill_words(&[(Placeholder::Id, id), (Placeholder::Transport, &self.name)]);
        let mut env = environment::configured(&self.env);
        env.push(("MSPOOL_ID".to_owned(), id.to_owned()));
        env.push(("MSPOOL_TRANSPORT".to_owned(), self.name.clone()));
        env.push(("MSPOOL_SPOOL".to_owned(), spool.to_string_lossy().into_owned()));
        ProgramRun::new(argv, &env, self.timeout).succeed(control)
    }

    /// Runs `probe`, `connect` or `disconnect` to its end.
    pub fn run_control_command(&self, argv: &[String], spool: &Path, control: ProgramControl<'_>) -> FinishedProgram {
        let mut env = environment::configured(&self.env);
        env.push(("MSPOOL_TRANSPORT".to_owned(), self.name.clone()));
        env.push(("MSPOOL_SPOOL".to_owned(), spool.to_string_lossy().into_owned()));
        ProgramRun::new(argv.to_vec(), &env, self.timeout).run_to_end(control, &mut |_| {})
    }
}
