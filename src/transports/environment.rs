//! Environment of commands: a few inherited variables, the configured ones, and those with values of the message.

use crate::transports::hand_off::HandOff;
use crate::transports::transport::Transport;

/// Inherited variables. All others are dropped, because variables of the loader or a shell could change what a command
/// runs.
const INHERITED: [&str; 5] = ["PATH", "HOME", "USER", "LANG", "TZ"];

/// Version of the interface between mspool and commands: their environment, input, exit statuses and result lines.
const PROTOCOL: &str = "1";

/// Returns the environment of every command: inherited variables, and the configured ones, which take precedence.
pub(super) fn configured(configured: &[(String, String)]) -> Vec<(String, String)> {
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    inherited
        .filter(|(name, _)| !configured.iter().any(|(set, _)| set == name))
        .chain(configured.iter().cloned())
        .collect()
}

/// Returns the environment of a command that handles a hand-off.
pub(super) fn of_hand_off(transport: &Transport, hand_off: &HandOff<'_>, recipients: &[&str]) -> Vec<(String, String)> {
    let mut env = configured(&transport.env);
    let own = [
        ("MSPOOL_ID", hand_off.id.to_string()),
        ("MSPOOL_SENDER", hand_off.sender.as_str().to_owned()),
        ("MSPOOL_RETURN_PATH", hand_off.return_path.to_owned()),
        ("MSPOOL_RECIPIENTS", recipients.join("\n")),
        ("MSPOOL_ALL_RECIPIENTS", hand_off.all_recipients.to_owned()),
        ("MSPOOL_PRIORITY", hand_off.priority.to_owned()),
        ("MSPOOL_PROTOCOL", PROTOCOL.to_owned()),
        ("MSPOOL_ENVID", hand_off.envid.to_owned()),
        ("MSPOOL_TRANSPORT", transport.name.clone()),
        ("MSPOOL_ATTEMPT", hand_off.attempt.to_string()),
        ("MSPOOL_SPOOL", hand_off.spool.to_string_lossy().into_owned()),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value)));
    env
}
