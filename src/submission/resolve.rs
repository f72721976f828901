//! Resolution of submitted addresses: rewrite rules, aliases and qualification with a domain.
//!
//! The envelope contains the resolved addresses, and with each the address that it came from.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

use crate::mail::address::alias::{self, AliasTable, AliasTarget};
use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::OriginalRecipient;
use crate::sys::trust::Trust;
use crate::values::quoting::quoted;

use crate::exit::{RefusalKind, refuse};
use crate::settings::Settings;

/// Maximum size of an alias file or an included list, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Maximum depth of aliases of aliases and of lists in lists. A longer chain is a mistake.
const MAX_DEPTH: usize = 50;

/// Maximum number of lookups for one address: aliases that each expand to several others must not run without end.
const MAX_LOOKUPS: usize = 100_000;

/// Resolver of addresses. Reads the alias files when the first address needs them.
#[derive(Debug)]
pub struct AddressResolver<'a> {
    settings: &'a Settings,
    aliases: Option<AliasTable>,
    lookups: usize,
}

impl<'a> AddressResolver<'a> {
    /// Creates a resolver. Reads no file.
    pub fn new(settings: &'a Settings) -> AddressResolver<'a> {
        AddressResolver { settings, aliases: None, lookups: 0 }
    }

    /// Returns the recipients that these expand to, with duplicates.
    ///
    /// # Errors
    ///
    /// A refusal with [`RefusalKind::Config`] if an alias is wrong or expands without end; an error if a file cannot be read.
    pub fn recipients(&mut self, recipients: Vec<Recipient>) -> Result<Vec<Recipient>> {
        let rules = &self.settings.addresses;
        if rules.recipient_rules.is_empty() && rules.aliases.is_empty() && rules.qualify.is_none() {
            return Ok(recipients);
        }
        let mut resolved = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            self.lookups = 0;
            let mut found = self.expand(&recipient.address, &mut Vec::new())?;
            if found.is_empty() {
                // Aliases that refer only to each other: keep the address, so that it fails visibly instead of vanishing.
                found.push(self.qualified(recipient.address.clone()));
            }
            resolved.extend(found.into_iter().map(|address| derived_recipient(&recipient, address)));
        }
        Ok(resolved)
    }

    /// Returns the rewritten and qualified sender. The null sender stays unchanged.
    pub fn sender(&self, sender: Sender) -> Sender {
        if sender.is_null() {
            return sender;
        }
        let rewritten = Address::parse(sender.as_str())
            .ok()
            .and_then(|address| self.settings.addresses.sender_rules.apply(&address));
        let rewritten = rewritten.and_then(|text| Sender::parse(&text).ok()).unwrap_or(sender);
        match &self.settings.addresses.qualify {
            Some(domain) if !rewritten.as_str().contains('@') => {
                Sender::parse(&format!("{}@{domain}", rewritten.as_str())).unwrap_or(rewritten)
            }
            _ => rewritten,
        }
    }

    /// Returns the addresses that an address expands to. `path` contains the aliases that led to it.
    fn expand(&mut self, address: &Address, path: &mut Vec<(String, String)>) -> Result<Vec<Address>> {
        self.lookups += 1;
        if self.lookups > MAX_LOOKUPS {
            return refuse(
                RefusalKind::Config,
                format!("the aliases of {address} expand without end; correct the alias files"),
            );
        }
        let rewritten = self.settings.addresses.recipient_rules.apply(address);
        let address = match rewritten.and_then(|text| Address::parse(&text).ok()) {
            Some(rewritten) => rewritten,
            None => address.clone(),
        };
        let key = address.key();
        // A name among its own targets means the mailbox: `joe: joe, archive` delivers to joe and to archive.
        if !self.is_local(&address) || path.last() == Some(&key) {
            return Ok(vec![self.qualified(address)]);
        }
        if path.contains(&key) || path.len() >= MAX_DEPTH {
            return Ok(Vec::new());
        }
        let local = address.text().split('@').next().unwrap_or_default().to_owned();
        let Some(targets) = self.aliases()?.get(&local).map(<[AliasTarget]>::to_vec) else {
            return Ok(vec![self.qualified(address)]);
        };
        path.push(key);
        let mut found = Vec::new();
        for target in &targets {
            self.follow(&local, target, path, 0, &mut found)?;
        }
        path.pop();
        Ok(found)
    }

    /// Adds the addresses of one alias target to `found`.
    fn follow(
        &mut self,
        name: &str,
        target: &AliasTarget,
        path: &mut Vec<(String, String)>,
        depth: usize,
        found: &mut Vec<Address>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return refuse(
                RefusalKind::Config,
                format!("alias {} refers to a list that includes itself", quoted(name)),
            );
        }
        if !matches!(target, AliasTarget::Address(_)) && !self.settings.addresses.allowed.contains(&target.to_string())
        {
            let (name, target) = (quoted(name), quoted(&target.to_string()));
            return refuse(
                RefusalKind::Config,
                format!("alias {name} has target {target}, which is not permitted; add it to \"allow\" of [aliases]"),
            );
        }
        let typed = |kind: &str, text: &str| {
            let address = AddressType::parse(kind).and_then(|kind| Address::new(kind, text));
            address.or_else(|error| {
                refuse(RefusalKind::Config, format!("alias {}: target {} {error}", quoted(name), quoted(text)))
            })
        };
        match target {
            AliasTarget::Address(text) => {
                let address = typed("SMTP", text)?;
                found.extend(self.expand(&address, path)?);
            }
            AliasTarget::Pipe(command) => found.push(typed("PIPE", command)?),
            AliasTarget::File(file) => found.push(typed("FILE", file)?),
            AliasTarget::Include(file) => {
                for line in read(&self.settings.trust, Path::new(file))?
                    .lines()
                    .filter(|line| !line.trim_start().starts_with('#'))
                {
                    let targets = alias::targets(line);
                    let targets = targets.or_else(|what| refuse(RefusalKind::Config, format!("{file}: {what}")))?;
                    for target in targets {
                        self.follow(name, &target, path, depth + 1, found)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// True if the address is on this host.
    fn is_local(&self, address: &Address) -> bool {
        let host = |domain: &str| {
            domain.eq_ignore_ascii_case("localhost") || domain.eq_ignore_ascii_case(&self.settings.hostname)
        };
        address.is_smtp() && address.domain().is_none_or(host)
    }

    fn qualified(&self, address: Address) -> Address {
        match &self.settings.addresses.qualify {
            Some(domain) if address.is_smtp() && address.domain().is_none() => {
                Address::parse(&format!("{}@{domain}", address.text())).unwrap_or(address)
            }
            _ => address,
        }
    }

    fn aliases(&mut self) -> Result<&AliasTable> {
        if self.aliases.is_none() {
            let mut aliases = AliasTable::default();
            for path in &self.settings.addresses.aliases {
                read_aliases(&self.settings.trust, path, &mut aliases)?;
            }
            self.aliases = Some(aliases);
        }
        Ok(self.aliases.get_or_insert_default())
    }
}

/// Returns the recipient for a resolved address, with the options of the submitted one and with its address as the original
/// recipient (RFC 3461, section 4.2).
fn derived_recipient(first: &Recipient, address: Address) -> Recipient {
    if address == first.address {
        return first.clone();
    }
    let original = first.address.is_smtp().then(|| format!("rfc822;{}", first.address.text()));
    let original = original.and_then(|text| OriginalRecipient::parse(&text).ok());
    Recipient {
        address,
        notify: first.notify,
        orcpt: first.orcpt.clone().or(original),
        expanded_from: Some(first.address.to_string()),
    }
}

/// Reads an alias file, to check it.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Config`] for a wrong line; an error if the file cannot be read or is not trusted.
pub fn check_alias_file(trust: &Trust, path: &Path) -> Result<()> {
    read_aliases(trust, path, &mut AliasTable::default())
}

/// Reads a list of addresses that aliases may include, to check that it can be opened.
///
/// # Errors
///
/// An error if the file cannot be read or is not trusted.
pub fn check_include_file(trust: &Trust, path: &Path) -> Result<()> {
    read(trust, path).map(|_| ())
}

/// Adds the aliases of a file to `aliases`.
fn read_aliases(trust: &Trust, path: &Path, aliases: &mut AliasTable) -> Result<()> {
    match aliases.read(&read(trust, path)?) {
        Ok(()) => Ok(()),
        Err(error) => refuse(RefusalKind::Config, format!("{}:{}: {}", path.display(), error.line, error.what)),
    }
}

/// Reads a file that decides who gets mail. Only this user or root may be able to write it.
fn read(trust: &Trust, path: &Path) -> Result<String> {
    let file = trust.open_file(path)?;
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}
