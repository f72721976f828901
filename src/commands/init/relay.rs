//! `init --relay`: writes a configuration for a relay, with the password beside it, and tries it.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use zeroize::Zeroizing;

use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::output::print;
use crate::settings::Settings;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::sys::{self, hidden_line};
use crate::transports::program::ProgramControl;
use crate::transports::smtp::probe;
use crate::transports::transport::DeliveryMethod;

use crate::commands::init::create;

/// Name of the file with the password, beside the configuration.
const PASSWORD_FILE: &str = "relay.pw";

/// Relay that is to be configured.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Server: `smtps://HOST` or `smtp://HOST`.
    pub url: String,
    /// User name of the login, if the relay wants one.
    pub user: Option<String>,
    /// Envelope sender of messages submitted without one.
    pub from: Option<String>,
}

/// Writes a configuration for a relay to `path`, asks for the password, and connects to the relay. Prints the path, and
/// what the relay offers. `load` reads the configuration that was written.
///
/// # Errors
///
/// A refusal if a file exists or the options are wrong; then nothing is left behind. An error if a file cannot be written.
pub fn run(path: &Path, relay: &RelayOptions, load: &dyn Fn() -> Result<Settings>) -> Result<ExitStatus> {
    let password_path = path.with_file_name(PASSWORD_FILE);
    create(path, configuration(relay).as_bytes())?;
    let settings = match load().and_then(|settings| {
        if relay.user.is_some() {
            create(&password_path, &password(relay)?)?;
        }
        Ok(settings)
    }) {
        Ok(settings) => settings,
        Err(error) => {
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
    };
    let mut out = print::stdout();
    print::line(&mut out, &path.display().to_string())?;
    out.flush()?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let control = ProgramControl { signals: &signals, trust: &settings.trust, observer: None };
    for transport in &settings.transports {
        let DeliveryMethod::Client(client) = &transport.method else { continue };
        match probe::probe(client, control) {
            Ok(text) => print::line(&mut out, &text)?,
            Err(trouble) => {
                print::error(&format!(
                    "{}; correct {}, then run mspool report check --probe",
                    trouble.text,
                    path.display()
                ));
                return Ok(ExitStatus::TryAgain);
            }
        }
    }
    Ok(ExitStatus::Ok)
}

/// Reads the password from the terminal, or the first line of standard input.
fn password(relay: &RelayOptions) -> Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(String::with_capacity(1024));
    let user = relay.user.as_deref().unwrap_or_default();
    let read = hidden_line::read(&mut line, || print::note(&format!("password of {user} at {}:", relay.url)));
    if read.is_err() || line.is_empty() {
        return refuse(RefusalKind::BadData, "standard input has no password; nothing was written");
    }
    line.push('\n');
    Ok(Zeroizing::new(line.as_bytes().to_vec()))
}

fn configuration(relay: &RelayOptions) -> String {
    let mut text = "# Configuration of mspool. mspool.conf(5) describes every key.\n".to_owned();
    if let Some(from) = &relay.from {
        text.push_str(&format!("sender = {}\n", toml_string(from)));
    }
    let own = toml_string(&sys::user_name());
    text.push_str(&format!(
        "\n# Local mail: user names without a domain, and addresses of this host.\n\
         [transport.local]\nmatch = [\"*@localhost\", {own}]\nmaildir = \"~/Maildir\"\n\n\
         # All other mail.\n[transport.relay]\nsmtp = {}\n",
        toml_string(&relay.url)
    ));
    if let Some(user) = &relay.user {
        text.push_str(&format!("user = {}\npassword_file = \"{PASSWORD_FILE}\"\n", toml_string(user)));
    }
    text
}

/// Returns a text as a basic string of TOML. The strings of JSON are written the same way, except for DEL.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
