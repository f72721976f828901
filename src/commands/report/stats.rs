//! `report stats`: counts by state, and owed recipients by domain and age, so that a broken destination is visible.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::mail::history::state::RecipientState;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::spool::listing::DirectoryEntry;
use crate::spool::queue_file::UnusableFile;
use crate::spool::{QueueState, Spool};
use crate::values::printable;
use crate::values::time::Timestamp;

/// Upper limits of the age classes, in minutes; one more class holds older messages.
const AGES: [u64; 9] = [5, 10, 20, 40, 80, 160, 320, 640, 1280];

#[derive(Default, Serialize)]
struct StateCounts {
    messages: usize,
    bytes: u64,
}

/// Number of owed recipients in each age class.
#[derive(Clone, Default)]
struct ByAge([usize; AGES.len() + 1]);

impl ByAge {
    fn add(&mut self, minutes: u64) {
        let class = AGES.iter().position(|end| minutes < *end).unwrap_or(AGES.len());
        self.0[class] += 1;
    }

    fn total(&self) -> usize {
        self.0.iter().sum()
    }

    fn named(&self) -> BTreeMap<String, usize> {
        labels().zip(self.0).collect()
    }
}

/// Returns the names of the age classes, in their order.
fn labels() -> impl Iterator<Item = String> {
    AGES.iter().map(|end| format!("{end}m")).chain(["older".to_owned()])
}

#[derive(Serialize)]
struct StateLine<'a> {
    state: &'a str,
    #[serde(flatten)]
    count: &'a StateCounts,
}

#[derive(Serialize)]
struct DomainLine<'a> {
    domain: &'a str,
    total: usize,
    ages: BTreeMap<String, usize>,
}

/// Prints the counts.
///
/// # Errors
///
/// An error of the spool or of standard output.
pub fn run(session: &Session, format: OutputFormat) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let now = session.now();
    let mut states = Vec::new();
    let mut domains: BTreeMap<String, ByAge> = BTreeMap::new();
    for state in QueueState::ALL {
        states.push((state, count(&spool, state, now, &mut domains)?));
    }
    let mut out = print::stdout();
    if format == OutputFormat::Json {
        for (state, count) in &states {
            print::json(&mut out, &StateLine { state: state.word(), count })?;
        }
        for (domain, ages) in &domains {
            print::json(&mut out, &DomainLine { domain, total: ages.total(), ages: ages.named() })?;
        }
        out.flush()?;
        return Ok(ExitStatus::Ok);
    }
    for (state, count) in &states {
        print::line(
            &mut out,
            &format!("{:<10}{:>8} messages {:>14} bytes", state.word(), count.messages, count.bytes),
        )?;
    }
    if !domains.is_empty() {
        let mut all = ByAge::default();
        for ages in domains.values() {
            all.0.iter_mut().zip(ages.0).for_each(|(sum, count)| *sum += count);
        }
        print::line(&mut out, "")?;
        let heads: Vec<String> = labels().map(|label| format!("{label:>6}")).collect();
        print::line(&mut out, &format!("{:<30}{:>7}{}", "OWED BY DOMAIN AND AGE", "TOTAL", heads.concat()))?;
        row(&mut out, "all", &all)?;
        let mut sorted: Vec<(&String, &ByAge)> = domains.iter().collect();
        sorted.sort_by_key(|(_, ages)| std::cmp::Reverse(ages.total()));
        for (domain, ages) in sorted {
            row(&mut out, domain, ages)?;
        }
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}

fn row(out: &mut impl Write, name: &str, ages: &ByAge) -> Result<()> {
    let cells: Vec<String> = ages.0.iter().map(|count| format!("{count:>6}")).collect();
    let name = printable::fit(&printable::line(name), 30);
    print::line(out, &format!("{name}{:>7}{}", ages.total(), cells.concat()))
}

/// Counts the messages in a state, and adds the owed recipients to `domains`.
fn count(
    spool: &Spool,
    state: QueueState,
    now: Timestamp,
    domains: &mut BTreeMap<String, ByAge>,
) -> Result<StateCounts> {
    let mut by_state = StateCounts::default();
    for entry in spool.entries(state)? {
        let DirectoryEntry::Message(name) = entry? else { continue };
        let message = match spool.read(state, &name) {
            Ok(message) => message,
            Err(UnusableFile::Gone) => continue,
            Err(_) => {
                by_state.messages += 1;
                continue;
            }
        };
        by_state.messages += 1;
        by_state.bytes += message.envelope.size;
        if !matches!(state, QueueState::New | QueueState::Cur | QueueState::Hold) {
            continue;
        }
        let recipients = &message.envelope.recipients;
        let history = spool.history(&message)?;
        let minutes = now.since(message.envelope.arrival).as_secs() / 60;
        for index in history.in_state(RecipientState::Owed) {
            let address = &recipients[index].address;
            let domain = match address.domain() {
                Some(domain) if address.is_smtp() => domain.to_ascii_lowercase(),
                None if address.is_smtp() => "(local)".to_owned(),
                _ => format!("({})", address.kind()),
            };
            domains.entry(domain).or_default().add(minutes);
        }
    }
    Ok(by_state)
}
