//! Configuration of address rewriting, aliases, and messages submitted through sendmail(1).

use std::collections::BTreeMap;

use toml::Spanned;

use crate::mail::address::alias::{self, AliasTarget};
use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::rewrite::RewriteRules;
use crate::mail::address::{Address, Sender};
use crate::settings::{AddressSettings, AfterSubmission};

use crate::config::checker::ValueChecker;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::values::quoting::quoted;

/// Checks `qualify`, `[aliases]` and `[rewrite]`.
pub(super) fn addresses(checker: &ValueChecker<'_>, raw: &raw::RawConfig) -> Result<AddressSettings, ConfigError> {
    let allow =
        |text: &Spanned<String>| match alias::targets(text.get_ref()).as_deref() {
            Ok([target @ (AliasTarget::Include(_) | AliasTarget::Pipe(_) | AliasTarget::File(_))]) => {
                Ok(target.to_string())
            }
            _ => Err(checker
                .invalid(text, format!("allow {} is not :include:/FILE, |COMMAND or /FILE", quoted(text.get_ref())))),
        };
    let qualify = raw.qualify.as_ref().map(|domain| {
        let is_domain = Sender::parse(&format!("root@{}", domain.get_ref())).is_ok() && !domain.get_ref().is_empty();
        if is_domain {
            Ok(domain.get_ref().clone())
        } else {
            Err(checker.invalid(domain, format!("qualify {} is not a domain", quoted(domain.get_ref()))))
        }
    });
    Ok(AddressSettings {
        qualify: qualify.transpose()?,
        aliases: raw.aliases.files.iter().map(|path| checker.path("aliases", path)).collect::<Result<_, _>>()?,
        allowed: raw.aliases.allow.iter().map(allow).collect::<Result<_, _>>()?,
        recipient_rules: rules(checker, &raw.rewrite.recipient)?,
        sender_rules: rules(checker, &raw.rewrite.sender)?,
    })
}

/// Checks the rewrite rules and returns them in the order of the file. The map sorts them by name, and the first
/// matching rule applies.
fn rules(
    checker: &ValueChecker<'_>,
    raw: &BTreeMap<Spanned<String>, Spanned<String>>,
) -> Result<RewriteRules, ConfigError> {
    let mut written: Vec<_> = raw.iter().collect();
    written.sort_by_key(|(from, _)| from.span().start);
    let rule = |(from, to): (&Spanned<String>, &Spanned<String>)| {
        let pattern = AddressPattern::parse(from.get_ref());
        let pattern =
            pattern.map_err(|error| checker.invalid(from, format!("pattern {} {error}", quoted(from.get_ref()))))?;
        // At run time `*` stands for the local part of an address. Any word in its place shows whether the result is an
        // address.
        Address::parse(&to.get_ref().replacen('*', "x", 1))
            .map_err(|error| checker.invalid(to, format!("new address {} {error}", quoted(to.get_ref()))))?;
        Ok::<_, ConfigError>((pattern, to.get_ref().clone()))
    };
    Ok(RewriteRules::new(written.into_iter().map(rule).collect::<Result<_, _>>()?))
}

/// Checks `delivery` of `[sendmail]`; `queue` is the default.
pub(super) fn after_submission(
    checker: &ValueChecker<'_>,
    raw: &raw::RawSendmail,
) -> Result<AfterSubmission, ConfigError> {
    match raw.delivery.as_ref().map(|delivery| (delivery, delivery.get_ref().as_str())) {
        None | Some((_, "queue")) => Ok(AfterSubmission::Queue),
        Some((_, "background")) => Ok(AfterSubmission::Background),
        Some((_, "attempt")) => Ok(AfterSubmission::Attempt),
        Some((at, _)) => Err(checker.invalid(at, "delivery must be \"queue\", \"background\" or \"attempt\"")),
    }
}
