//! `report rewrite`: prints how addresses are rewritten on submission, to test aliases and rules.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::mail::address::{Address, Sender};
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::submission::resolve::AddressResolver;

#[derive(Serialize)]
struct RewriteLine<'a> {
    address: String,
    recipients: Vec<ResolvedAddress<'a>>,
    sender: Option<String>,
}

#[derive(Serialize)]
struct ResolvedAddress<'a> {
    address: String,
    transports: Vec<&'a str>,
}

/// Prints each address as a recipient, with its transports, and as a sender.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Config`](crate::exit::RefusalKind::Config) if an alias file is wrong; an error of standard
/// output.
pub fn run(session: &Session, addresses: &[Address], format: OutputFormat) -> Result<ExitStatus> {
    let mut resolver = AddressResolver::new(&session.settings);
    let mut out = print::stdout();
    for address in addresses {
        let found = resolver.recipients(vec![address.clone().into()])?;
        let recipients = found.iter().map(|recipient| ResolvedAddress {
            address: recipient.address.to_string(),
            transports: session
                .settings
                .candidates(&recipient.address, None)
                .iter()
                .map(|index| session.settings.transports[*index].name.as_str())
                .collect(),
        });
        let sender = address.is_smtp().then(|| Sender::parse(address.text()).ok()).flatten();
        let line = RewriteLine {
            address: address.to_string(),
            recipients: recipients.collect(),
            sender: sender.map(|sender| resolver.sender(sender).as_str().to_owned()),
        };
        match format {
            OutputFormat::Json => print::json(&mut out, &line)?,
            OutputFormat::Text => {
                print::line(&mut out, &line.address)?;
                for resolved in &line.recipients {
                    let transports = if resolved.transports.is_empty() {
                        "no transport takes it".to_owned()
                    } else {
                        resolved.transports.join(", then ")
                    };
                    print::line(&mut out, &format!("  as a recipient: {}: {transports}", resolved.address))?;
                }
                if let Some(sender) = &line.sender {
                    print::line(&mut out, &format!("  as a sender: {sender}"))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}
