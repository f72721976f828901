//! Addresses that a bounce and the message that it returns have in their headers.

use std::collections::HashSet;

use crate::mail::message::header::Header;
use crate::mail::report::bounce::text::candidate;
use crate::mail::report::bounce::text::page::TextPage;

/// Fields of a bounce with the sender of the reported message, or the mail system that reports. `X-Original-To` is none of
/// them: some systems keep that of the message.
const OWN_FIELDS: [&str; 7] = ["To", "From", "Sender", "Reply-To", "Return-Path", "Delivered-To", "Errors-To"];

/// Fields of the returned message with its sender.
const SENDER_FIELDS: [&str; 4] = ["From", "Sender", "Return-Path", "Reply-To"];

/// Fields of the returned message with its recipients.
const RECIPIENT_FIELDS: [&str; 2] = ["To", "Cc"];

/// Addresses of the bounce and of the message that it returns, in lower case.
#[derive(Debug, Default)]
pub struct KnownAddresses {
    /// Addresses that cannot have failed: the sender of the message, and the mail system.
    pub parties: HashSet<String>,
    /// True if a message is returned or quoted.
    pub has_returned: bool,
    /// Recipients of the returned message.
    pub recipients: HashSet<String>,
}

impl KnownAddresses {
    /// Reads the header of a bounce, that of the returned message if it is a part of its own, and the message that the text
    /// quotes.
    pub fn of(header: &Header<'_>, returned: Option<&Header<'_>>, page: &TextPage<'_>) -> KnownAddresses {
        let has_returned = returned.is_some() || !page.quoted().is_empty();
        let mut known = KnownAddresses { has_returned, ..KnownAddresses::default() };
        for name in OWN_FIELDS {
            header.all(name).for_each(|field| add(&mut known.parties, &field.value()));
        }
        if let Some(header) = returned {
            for name in SENDER_FIELDS {
                header.all(name).for_each(|field| add(&mut known.parties, &field.value()));
            }
            header.recipient_fields().for_each(|field| add(&mut known.recipients, &field.value()));
        }
        for line in page.quoted() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let name = name.trim_start_matches(['>', ' ', '\t']).trim_end();
            let has = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
            if has(&SENDER_FIELDS) {
                add(&mut known.parties, value);
            } else if has(&RECIPIENT_FIELDS) {
                add(&mut known.recipients, value);
            }
        }
        known
    }
}

fn add(set: &mut HashSet<String>, text: &str) {
    set.extend(candidate::all(text).into_iter().map(str::to_ascii_lowercase));
}
