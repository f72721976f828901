//! `init`: a configuration to start from, with every key explained.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::output::print;

/// The file that `init` writes: valid as it is, and the same as no file at all.
pub const TEMPLATE: &str = include_str!("../../fixtures/config.toml");

/// Writes the template where the configuration is looked for first. A file that is there is never touched.
pub fn run(path: &Path) -> Result<ExitStatus> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return refuse(
                RefusalKind::AlreadyExists,
                format!("{} is there already, and stays as it is", path.display()),
            );
        }
        file => file.with_context(|| format!("cannot create {}", path.display()))?,
    };
    let written = file.write_all(TEMPLATE.as_bytes()).and_then(|()| file.sync_all());
    written.with_context(|| format!("cannot write {}", path.display()))?;
    print::line(&mut print::stdout(), &path.display().to_string())?;
    Ok(ExitStatus::Ok)
}
