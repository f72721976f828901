//! `init`: writes a configuration to start from, with every key explained, or one for a relay.

pub mod relay;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::output::mode::OutputFormat;
use crate::output::print;

/// Text that `init` writes: a valid configuration with the same meaning as no file.
pub const TEMPLATE: &str = include_str!("../../../fixtures/config.toml");

#[derive(Serialize)]
struct WrittenLine<'a> {
    path: &'a str,
}

/// Writes the template to `path`, and prints the path. An existing file is never changed.
///
/// # Errors
///
/// A refusal with [`RefusalKind::AlreadyExists`] if the file exists; an error if it cannot be written.
pub fn run(path: &Path, format: OutputFormat) -> Result<ExitStatus> {
    create(path, TEMPLATE.as_bytes())?;
    let (mut out, text) = (print::stdout(), path.display().to_string());
    match format {
        OutputFormat::Text => print::line(&mut out, &text)?,
        OutputFormat::Json => print::json(&mut out, &WrittenLine { path: &text })?,
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}

/// Creates a file that only this user can read, with its directory. A file that cannot be written is removed again.
fn create(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create directory {}", parent.display()))?;
    }
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return refuse(
                RefusalKind::AlreadyExists,
                format!("{} already exists; remove it, or give another path with --config", path.display()),
            );
        }
        file => file.with_context(|| format!("cannot create {}", path.display()))?,
    };
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}
