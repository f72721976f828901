//! What becomes of addresses at the door: rules rewrite them, aliases stand for others, and those without a domain may
//! get one. What comes out is what the envelope has; where it came from is kept with it.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

use crate::mail::address::alias::{self, AliasTable, AliasTarget};
use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::OriginalRecipient;
use crate::sys::trust::Trust;
use crate::values::printable;

use crate::exit::{RefusalKind, refuse};
use crate::settings::Settings;

/// Longest file of aliases or of a list, in bytes.
const LONGEST_FILE: u64 = 16 << 20;

/// Aliases of aliases, and lists of lists, followed at most; a chain that long is a mistake.
const DEEPEST: usize = 50;

/// Names looked up for one address at most: aliases that double themselves must not go on for ever.
const MOST_STEPS: usize = 100_000;

/// Resolves addresses; alias files are read when the first address needs them.
#[derive(Debug)]
pub struct AddressResolver<'a> {
    settings: &'a Settings,
    aliases: Option<AliasTable>,
    steps: usize,
}

impl<'a> AddressResolver<'a> {
    /// Nothing is read yet.
    pub fn new(settings: &'a Settings) -> AddressResolver<'a> {
        AddressResolver { settings, aliases: None, steps: 0 }
    }

    /// Everybody whom these recipients stand for.
    pub fn recipients(&mut self, recipients: Vec<Recipient>) -> Result<Vec<Recipient>> {
        let rules = &self.settings.addresses;
        if rules.recipient_rules.is_empty() && rules.aliases.is_empty() && rules.qualify.is_none() {
            return Ok(recipients);
        }
        let mut resolved = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            self.steps = 0;
            let mut found = self.expand(&recipient.address, &mut Vec::new())?;
            if found.is_empty() {
                // Names that only stand for each other: better one that nobody takes than nobody at all.
                found.push(self.qualified(recipient.address.clone()));
            }
            resolved.extend(found.into_iter().map(|address| derived_recipient(&recipient, address)));
        }
        Ok(resolved)
    }

    /// The sender in this one's place.
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

    fn expand(&mut self, address: &Address, path: &mut Vec<(String, String)>) -> Result<Vec<Address>> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return refuse(RefusalKind::Config, format!("the aliases behind {address} have no end"));
        }
        let rewritten = self.settings.addresses.recipient_rules.apply(address);
        let address = match rewritten.and_then(|text| Address::parse(&text).ok()) {
            Some(rewritten) => rewritten,
            None => address.clone(),
        };
        let key = address.key();
        // A name that stands for itself too is meant as it is: so `joe: joe, archive` works.
        if !self.is_local(&address) || path.last() == Some(&key) {
            return Ok(vec![self.qualified(address)]);
        }
        if path.contains(&key) || path.len() >= DEEPEST {
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

    fn follow(
        &mut self,
        name: &str,
        target: &AliasTarget,
        path: &mut Vec<(String, String)>,
        depth: usize,
        found: &mut Vec<Address>,
    ) -> Result<()> {
        if depth > DEEPEST {
            return refuse(RefusalKind::Config, format!("the alias {name} stands for a list that holds itself"));
        }
        if !matches!(target, AliasTarget::Address(_)) && !self.settings.addresses.allowed.contains(&target.to_string())
        {
            let shown = printable::line(&target.to_string());
            return refuse(
                RefusalKind::Config,
                format!("the alias {name} stands for {shown}, which `allow` of [aliases] does not name"),
            );
        }
        let typed = |kind: &str, text: &str| {
            let address = AddressType::parse(kind).and_then(|kind| Address::new(kind, text));
            address.or_else(|error| {
                refuse(RefusalKind::Config, format!("the alias {name}: {} {error}", printable::line(text)))
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

    /// True for users of this host.
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

/// The recipient that an address became, with what was asked for the one it came from.
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

/// Reads an alias file, and says what is wrong with it.
pub fn check_alias_file(trust: &Trust, path: &Path) -> Result<()> {
    read_aliases(trust, path, &mut AliasTable::default())
}

/// Reads a list of addresses, and says why it cannot be opened.
pub fn check_include_file(trust: &Trust, path: &Path) -> Result<()> {
    read(trust, path).map(|_| ())
}

fn read_aliases(trust: &Trust, path: &Path, aliases: &mut AliasTable) -> Result<()> {
    match aliases.read(&read(trust, path)?) {
        Ok(()) => Ok(()),
        Err(error) => refuse(RefusalKind::Config, format!("{}:{}: {}", path.display(), error.line, error.what)),
    }
}

/// Reads a file that only we or root can have written: it decides who gets mail.
fn read(trust: &Trust, path: &Path) -> Result<String> {
    let file = trust.open_file(path)?;
    let mut text = String::new();
    let read = file.take(LONGEST_FILE).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}
