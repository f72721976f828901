//! `report types`: address types with their transports.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::mail::address::route::AcceptedTypes;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;

#[derive(Serialize)]
struct TypeLine<'a> {
    r#type: &'a str,
    transports: &'a [&'a str],
}

/// Prints each type with its transports, in the order in which they are tried. `*` stands for every type.
///
/// # Errors
///
/// An error of standard output.
pub fn run(session: &Session, format: OutputFormat) -> Result<ExitStatus> {
    let mut by_type: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for transport in &session.settings.transports {
        if let AcceptedTypes::Only(types) = &transport.accepts.types {
            for kind in types {
                by_type.entry(kind.as_str()).or_default();
            }
        }
    }
    if session.settings.transports.iter().any(|transport| transport.accepts.types == AcceptedTypes::Any) {
        by_type.insert("*", Vec::new());
    }
    for transport in &session.settings.transports {
        for (kind, transports) in &mut by_type {
            let takes = match &transport.accepts.types {
                AcceptedTypes::Any => true,
                AcceptedTypes::Only(types) => types.iter().any(|other| other.as_str() == *kind),
            };
            if takes {
                transports.push(&transport.name);
            }
        }
    }
    let mut out = print::stdout();
    for (kind, transports) in &by_type {
        match format {
            OutputFormat::Json => print::json(&mut out, &TypeLine { r#type: kind, transports })?,
            OutputFormat::Text => print::line(&mut out, &format!("{kind:<10}{}", transports.join(", ")))?,
        }
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}
