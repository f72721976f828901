//! Reading passwords and access tokens. No error text holds any part of them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use zeroize::{Zeroize, Zeroizing};

use crate::sys::error::reason_text;
use crate::sys::file_stat::stat_of;
use crate::sys::trust::Trust;
use crate::transports::environment;
use crate::transports::finished::ProgramEnding;
use crate::transports::program::{ProgramControl, ProgramRun};
use crate::transports::smtp::login::Secret;
use crate::transports::smtp::settings::SecretSource;

/// Longest secret with what follows it, in bytes.
const LONGEST: u64 = 64 << 10;

/// Time limit for a command that prints a secret.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Time before its end at which a token is replaced: it must last for the login.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);

/// Access tokens that are valid still, by the commands that printed them.
#[derive(Debug, Default)]
pub struct TokenCache(Mutex<HashMap<Vec<String>, (Secret, Instant)>>);

impl TokenCache {
    fn valid(&self, command: &[String]) -> Option<Secret> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(command).filter(|(_, end)| *end > Instant::now()).map(|(token, _)| token.clone())
    }

    fn keep(&self, command: &[String], token: &Secret, lifetime: Duration) {
        let Some(end) = Instant::now().checked_add(lifetime.saturating_sub(TOKEN_MARGIN)) else { return };
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(command.to_vec(), (token.clone(), end));
    }

    /// Forgets the token of a source: the server refused it.
    pub fn forget(&self, source: &SecretSource) {
        if let SecretSource::TokenCommand(command) = source {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(command);
        }
    }
}

/// Reads a secret.
///
/// # Errors
/// A text that says which source failed, and why.
pub fn read(
    source: &SecretSource,
    env: &[(String, String)],
    control: ProgramControl<'_>,
    tokens: &TokenCache,
) -> Result<Secret, String> {
    match source {
        SecretSource::PasswordFile(_) | SecretSource::Credential(_) => {
            let Some((file, path)) = open(source, control.trust)? else {
                return Err("no file holds the password".to_owned());
            };
            of_file(file, &path)
        }
        SecretSource::PasswordCommand(command) => {
            let output = printed(command, env, control).map_err(|reason| format!("password_command {reason}"))?;
            first_line(&output).ok_or_else(|| "password_command printed no password".to_owned())
        }
        SecretSource::TokenCommand(command) => {
            if let Some(token) = tokens.valid(command) {
                return Ok(token);
            }
            let output = printed(command, env, control).map_err(|reason| format!("token_command {reason}"))?;
            let token = first_line(&output).ok_or_else(|| "token_command printed no token".to_owned())?;
            let lifetime = output.lines().nth(1).and_then(|line| line.trim().parse().ok());
            if let Some(seconds) = lifetime {
                tokens.keep(command, &token, Duration::from_secs(seconds));
            }
            Ok(token)
        }
    }
}

/// Checks the file that holds a secret, if one does, without keeping what it holds.
///
/// # Errors
/// A text that says what is wrong with the file.
pub fn check_file(source: &SecretSource, trust: &Trust) -> Result<(), String> {
    match open(source, trust)? {
        Some((file, path)) => of_file(file, &path).map(|_| ()),
        None => Ok(()),
    }
}

/// Opens the file that holds a secret; `None` for a source that is a command. Only its owner may read a password file; the
/// permissions of a credential are those that systemd gave it.
fn open(source: &SecretSource, trust: &Trust) -> Result<Option<(File, PathBuf)>, String> {
    match source {
        SecretSource::PasswordFile(path) => {
            let file = trust.open_file(path).map_err(|error| format!("password_file: {error}"))?;
            let stat = stat_of(&file, path).map_err(|error| format!("password_file: {error}"))?;
            if stat.mode & 0o077 != 0 {
                let path = path.display();
                return Err(format!("password_file {path} is open to other users; use chmod 600 {path}"));
            }
            Ok(Some((file, path.clone())))
        }
        SecretSource::Credential(name) => {
            let dir = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                "password_credential: CREDENTIALS_DIRECTORY is not set; only a systemd service has credentials"
                    .to_owned()
            })?;
            let path = Path::new(&dir).join(name);
            let file = trust.open_file(&path).map_err(|error| format!("password_credential: {error}"))?;
            Ok(Some((file, path)))
        }
        SecretSource::PasswordCommand(_) | SecretSource::TokenCommand(_) => Ok(None),
    }
}

fn of_file(file: File, path: &Path) -> Result<Secret, String> {
    let mut text = Zeroizing::new(String::with_capacity(4096));
    let read = file.take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| format!("cannot read {}: {}", path.display(), reason_text(&error)))?;
    first_line(&text).ok_or_else(|| format!("{} is empty; its first line is the password", path.display()))
}

/// Runs a command. Its standard output is a secret, so that no error says it; its standard error may be told.
fn printed(
    command: &[String],
    env: &[(String, String)],
    control: ProgramControl<'_>,
) -> Result<Zeroizing<String>, String> {
    let env = environment::configured(env);
    let mut finished = ProgramRun::new(command.to_vec(), &env, COMMAND_TIMEOUT).run_to_end(control, &mut |_| {});
    let output = Zeroizing::new(std::mem::take(&mut finished.stdout));
    if finished.ending != ProgramEnding::Exited(0) {
        return Err(finished.failure_text());
    }
    let mut bytes = output.to_vec();
    match String::from_utf8(std::mem::take(&mut bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err("printed bytes that are not UTF-8".to_owned())
        }
    }
}

fn first_line(text: &str) -> Option<Secret> {
    let line = text.lines().next().filter(|line| !line.is_empty())?;
    Some(Secret::new(Zeroizing::new(line.to_owned())))
}
