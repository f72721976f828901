//! The environment of commands: a short list of what they inherit, what is configured, and what they are told.

use crate::transports::hand_off::HandOff;
use crate::transports::transport::Transport;

/// What a command inherits. Everything else stays behind: a loader's or a shell's variables must not get through.
const INHERITED: [&str; 5] = ["PATH", "HOME", "USER", "LANG", "TZ"];

/// What every command finds in its environment: what it inherits, and what was configured for it.
pub(super) fn configured(configured: &[(String, String)]) -> Vec<(String, String)> {
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    inherited
        .filter(|(name, _)| !configured.iter().any(|(set, _)| set == name))
        .chain(configured.iter().cloned())
        .collect()
}

/// What a command that handles a hand-off finds in its environment.
pub(super) fn of_hand_off(transport: &Transport, hand_off: &HandOff<'_>, recipients: &[&str]) -> Vec<(String, String)> {
    let mut env = configured(&transport.env);
    let own = [
        ("MSPOOL_ID", hand_off.id.to_owned()),
        ("MSPOOL_SENDER", hand_off.sender.as_str().to_owned()),
        ("MSPOOL_RECIPIENTS", recipients.join("\n")),
        ("MSPOOL_ENVID", hand_off.envid.to_owned()),
        ("MSPOOL_TRANSPORT", transport.name.clone()),
        ("MSPOOL_ATTEMPT", hand_off.attempt.to_string()),
        ("MSPOOL_SPOOL", hand_off.spool.to_string_lossy().into_owned()),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    env
}
