//! Flush in the background, for submissions that need an attempt at once but must not wait for it.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;

use crate::output::print;
use crate::session::Session;
use crate::settings::SettingsSource;
use crate::sys::process::ProgramStart;

/// Starts a flush that continues after this process exits. A failure is only printed: the message is queued, and the next
/// run delivers it.
pub fn flush_in_background(session: &Session) {
    let spool = session.settings.spool.to_string_lossy().into_owned();
    let mut words = vec!["/proc/self/exe".to_owned(), "--spool".to_owned(), spool, "-q".to_owned()];
    if let SettingsSource::File(path) = &session.settings.source {
        words.extend(["--config".to_owned(), path.to_string_lossy().into_owned()]);
    }
    words.push("flush".to_owned());
    let start = || -> std::io::Result<()> {
        let argv: Vec<CString> = words.iter().map(|word| CString::new(word.as_str())).collect::<Result<_, _>>()?;
        let passed_on = ["PATH", "HOME", "USER", "LANG", "TZ", "MSPOOL_CLOCK"];
        let env = passed_on.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
        let env: Vec<CString> = env.map(CString::new).collect::<Result<_, _>>()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        ProgramStart {
            held: None,
            path: c"/proc/self/exe",
            argv: &argv,
            env: &env,
            fds: &[null.as_fd(), null.as_fd(), null.as_fd()],
        }
        .start()?;
        Ok(())
    };
    if let Err(error) = start() {
        print::error(&format!("cannot start a flush in the background ({error}); the message stays queued"));
    }
}
