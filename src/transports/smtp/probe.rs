//! Probe of the servers of a transport: connect, EHLO, STARTTLS, login, QUIT. No mail is sent.

use crate::sys::trust::Trust;
use crate::transports::answer::{BrokenTransport, TroubleKind};
use crate::transports::program::ProgramControl;
use crate::transports::smtp::channel::TlsKeys;
use crate::transports::smtp::client::SessionFailure;
use crate::transports::smtp::open::SessionOpener;
use crate::transports::smtp::secret::{self, TokenCache};
use crate::transports::smtp::settings::{ClientSettings, TlsPolicy};

/// Opens a session, logs in, and closes it. Returns what the server offers, as a sentence.
///
/// # Errors
/// The trouble of the servers.
pub fn probe(settings: &ClientSettings, control: ProgramControl<'_>) -> Result<String, BrokenTransport> {
    let (keys, tokens) = (TlsKeys::default(), TokenCache::default());
    let opener = SessionOpener { settings, keys: &keys, tokens: &tokens, control };
    let session = opener.open().map_err(|failure| match failure {
        SessionFailure::Trouble(trouble) => trouble,
        SessionFailure::Message(text) => BrokenTransport { kind: TroubleKind::Broken, text },
        SessionFailure::Interrupted => BrokenTransport { kind: TroubleKind::Broken, text: "interrupted".to_owned() },
    })?;
    let encryption = session.encryption().unwrap_or_else(|| "no TLS".to_owned());
    let login = settings.login.as_ref().map_or(String::new(), |login| format!(", logged in as {}", login.user));
    let offered = session.capabilities().words().join(", ");
    let offered = if offered.is_empty() { "no extensions".to_owned() } else { offered };
    let text = format!("{}: {encryption}{login}; offers {offered}", session.server());
    session.close();
    Ok(text)
}

/// Checks the files that a session needs, without the network: certificates, keys, and the file with the password.
/// Returns what is wrong with them.
pub fn check_files(settings: &ClientSettings, trust: &Trust) -> Vec<String> {
    let mut wrong = Vec::new();
    let policies = settings.servers.iter().map(|server| settings.tls_policy(server));
    if let Some(policy) = policies.filter(|policy| *policy != TlsPolicy::Off).min_by_key(|policy| *policy as u8) {
        wrong.extend(TlsKeys::check(&settings.tls, policy, trust).err());
    }
    if let Some(login) = &settings.login {
        wrong.extend(secret::check_file(&login.secret, trust).err());
    }
    wrong
}
