//! Commands as they are configured, and the check that only we or root can have written what they run.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::sys::error::PathError;
use crate::sys::trust::Trust;
use crate::transports::argv::CommandTemplate;
use crate::transports::hook::Hook;
use crate::transports::notify::NotifyCommand;
use crate::transports::source::MailSource;
use crate::transports::transport::{DeliveryMethod, Transport};

/// Words of a configured command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredCommand {
    /// Program, then its arguments; `None` for one that holds a placeholder.
    words: Vec<Option<String>>,
}

/// Interpreters of interpreters, as many as the kernel follows.
const MOST_INTERPRETERS: usize = 4;

/// Programs that read another program from the file that is their argument. Versions are left out.
const INTERPRETERS: [&str; 22] = [
    "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh", "perl", "python", "ruby", "node", "php",
    "lua", "tclsh", "awk", "gawk", "mawk", "guile", "Rscript",
];

impl ConfiguredCommand {
    fn of_template(template: &CommandTemplate) -> ConfiguredCommand {
        ConfiguredCommand { words: template.fixed_words() }
    }

    fn of_words(words: &[String]) -> ConfiguredCommand {
        ConfiguredCommand { words: words.iter().cloned().map(Some).collect() }
    }

    /// Name or path of the program.
    pub fn program(&self) -> &str {
        self.words.first().and_then(Option::as_deref).unwrap_or_default()
    }

    /// Finds the program, and judges it and the programs and scripts among its arguments. Returns its path.
    ///
    /// # Errors
    /// There is no such program, or another user could have written it or a script.
    pub fn check(&self, trust: &Trust) -> Result<PathBuf, PathError> {
        let path = trust.find_program(self.program())?;
        check_interpreters(&path, trust)?;
        for script in self.scripts() {
            trust.check_file(script)?;
            check_interpreters(script, trust)?;
        }
        Ok(path)
    }

    /// Files among the arguments that are run: programs, as behind env(1), and the script of an interpreter. Other
    /// files are data, such as a mailbox that its group may write.
    fn scripts(&self) -> Vec<&Path> {
        let mut scripts = Vec::new();
        let mut interpreted = is_interpreter(self.program());
        for word in self.words.iter().skip(1).flatten() {
            let path = Path::new(word);
            let mode = if path.is_absolute() { std::fs::metadata(path).ok() } else { None };
            if let Some(mode) = mode.filter(std::fs::Metadata::is_file).map(|stat| stat.permissions().mode()) {
                if mode & 0o111 != 0 || interpreted {
                    scripts.push(path);
                }
                interpreted = is_interpreter(word);
            } else {
                interpreted |= is_interpreter(word);
            }
        }
        scripts
    }
}

/// Judges the interpreter that a script names, and the one of that: the kernel follows as many.
fn check_interpreters(script: &Path, trust: &Trust) -> Result<(), PathError> {
    let mut script = script.to_owned();
    for _ in 0..MOST_INTERPRETERS {
        let words = trust.interpreter(&script)?;
        let Some((interpreter, arguments)) = words.split_first() else { return Ok(()) };
        script = trust.find_program(interpreter)?;
        let through_env = script.file_name().is_some_and(|name| name == "env");
        let mut named = arguments.iter().flat_map(|argument| argument.split_whitespace());
        if let Some(name) = named.find(|word| !word.starts_with('-') && !word.contains('=')).filter(|_| through_env) {
            script = trust.find_program(name)?;
        }
    }
    Ok(())
}

fn is_interpreter(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    INTERPRETERS.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// Refuses commands that another user could have written. A program that is missing is no matter of trust: starting
/// it fails.
///
/// # Errors
/// The first program or script that is not trusted.
pub fn refuse_untrusted(commands: &[ConfiguredCommand], trust: &Trust) -> Result<(), PathError> {
    for command in commands {
        match command.check(trust) {
            Err(error) if error.distrust().is_some() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

impl Transport {
    /// Every command of the transport, the one that delivers first.
    pub fn commands(&self) -> Vec<ConfiguredCommand> {
        let delivery = match &self.method {
            DeliveryMethod::Command { template, .. } => Some(template),
            DeliveryMethod::Maildir(_) | DeliveryMethod::Client(_) => None,
        };
        let client = match &self.method {
            DeliveryMethod::Client(client) => client.commands(),
            DeliveryMethod::Command { .. } | DeliveryMethod::Maildir(_) => Vec::new(),
        };
        let client = client.into_iter().map(ConfiguredCommand::of_words);
        let templates = delivery.into_iter().chain(&self.preprocess).chain(&self.undo);
        let control = [&self.probe, &self.connect, &self.disconnect].into_iter().flatten();
        let control = control.map(|words| ConfiguredCommand::of_words(words));
        client.chain(templates.map(ConfiguredCommand::of_template)).chain(control).collect()
    }

    /// The command that undoes what filters did.
    pub fn undo_command(&self) -> Option<ConfiguredCommand> {
        self.undo.as_ref().map(ConfiguredCommand::of_template)
    }
}

impl MailSource {
    /// Every command of the source.
    pub fn commands(&self) -> Vec<ConfiguredCommand> {
        let ack = self.ack.iter().map(ConfiguredCommand::of_template);
        std::iter::once(ConfiguredCommand::of_words(&self.fetch)).chain(ack).collect()
    }
}

impl Hook {
    /// The command of the hook.
    pub fn configured_command(&self) -> ConfiguredCommand {
        ConfiguredCommand::of_template(&self.command)
    }
}

impl NotifyCommand {
    /// The command that tells the user.
    pub fn configured_command(&self) -> ConfiguredCommand {
        ConfiguredCommand::of_template(&self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_known_by_name() {
        for name in ["sh", "/bin/bash", "python3", "/usr/bin/python3.13", "perl5.40.1"] {
            assert!(is_interpreter(name), "{name}");
        }
        assert!(!is_interpreter("msmtp") && !is_interpreter("/usr/bin/env") && !is_interpreter("-c"));
    }

    #[test]
    fn scripts_are_programs_and_what_interpreters_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, mode| {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (script, tool, data) = (file("script", 0o600), file("tool", 0o700), file("mailbox", 0o660));
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let scripts = ConfiguredCommand::of_words(&words);
            scripts.scripts().iter().map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(&["sh", "-e", &script, &data]), script);
        assert_eq!(of(&["env", "A=b", "python3", &script]), script);
        assert_eq!(of(&["timeout", "9", &tool, &data]), tool);
        assert_eq!(of(&["tee", "-a", &data]), "");
        assert_eq!(of(&["sh", "-c", "cat >/dev/null", "/nonexistent"]), "");
    }
}
