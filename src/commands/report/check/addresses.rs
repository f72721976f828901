//! Checks of the default sender and of the alias files.

use std::path::Path;

use crate::exit::ExitStatus;
use crate::mail::address::Sender;
use crate::session::Session;
use crate::submission::resolve::{AddressResolver, check_alias_file, check_include_file};
use crate::transports::transport::Transport;

use crate::commands::report::check::findings::CheckFindings;

/// Warns if the default sender has a domain that no other host can know, although mail leaves this host.
pub(super) fn check_sender(session: &Session, findings: &mut CheckFindings) {
    let settings = &session.settings;
    if !settings.transports.iter().any(Transport::reaches_beyond_host) {
        return;
    }
    let own = || Sender::parse(&settings.own_address()).ok();
    let Some(sender) = settings.sender.clone().filter(|sender| !sender.is_null()).or_else(own) else { return };
    let sender = AddressResolver::new(settings).sender(sender);
    let domain = sender.as_str().rsplit_once('@').map_or("", |(_, domain)| domain);
    if !domain.contains('.') && !domain.starts_with('[') {
        let text = format!(
            "{}: the domain of the default sender is not known to other hosts, which may refuse the mail; set sender, \
             hostname or qualify",
            sender.as_str()
        );
        findings.add("sender", ExitStatus::Partial, text, None);
    }
}

/// Checks the alias files, and the lists that aliases may include.
pub(super) fn check_aliases(session: &Session, findings: &mut CheckFindings) {
    let (settings, trust) = (&session.settings.addresses, &session.settings.trust);
    let included = settings.allowed.iter().filter_map(|target| target.strip_prefix(":include:")).map(Path::new);
    let files = settings.aliases.iter().map(|path| (path.as_path(), check_alias_file(trust, path)));
    for (path, checked) in files.chain(included.map(|path| (path, check_include_file(trust, path)))) {
        match checked {
            Ok(()) => findings.good("aliases", "read", Some(path)),
            Err(error) => findings.add("aliases", ExitStatus::Config, format!("{error:#}"), Some(path)),
        }
    }
}
