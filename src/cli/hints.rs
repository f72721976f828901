//! Hints at the command or option that was probably meant.

use crate::values::spelling::distance;

/// Commands of other mail systems and other words for ours, and the command to use.
const SYNONYMS: [(&[&str], &str); 21] = [
    (&["queue", "list", "ls", "show", "view", "cat", "info", "messages", "postqueue", "qshape"], "mspool report"),
    (&["status", "transports", "state"], "mspool report status"),
    (&["log", "logs", "history", "events", "tail"], "mspool report log"),
    (&["check", "test", "verify", "doctor", "lint", "validate", "probe"], "mspool report check"),
    (&["stats", "statistics", "count", "summary"], "mspool report stats"),
    (&["types", "type"], "mspool report types"),
    (&["rewrite", "resolve", "aliases", "alias", "expand"], "mspool report rewrite"),
    (&["parse", "bounce", "bounces"], "mspool report parse"),
    (&["complete", "done"], "mspool report complete"),
    (&["delete", "rm", "remove", "del", "drop", "purge", "kill", "abort", "postsuper"], "mspool cancel"),
    (&["send", "submit", "mail", "add", "put", "inject", "new"], "mspool enqueue"),
    (&["retry", "deliver", "run", "kick", "process", "attempt", "now", "postdrop"], "mspool flush"),
    (&["fetch", "poll", "pull", "get", "inbox"], "mspool receive --poll"),
    (&["pause", "stop"], "mspool flush --pause NAME"),
    (&["resume", "unpause", "continue"], "mspool flush --resume NAME"),
    (&["daemon", "serve", "start", "monitor"], "mspool watch"),
    (&["freeze", "suspend", "defer"], "mspool hold"),
    (&["unhold", "unfreeze", "thaw", "free"], "mspool release"),
    (&["requeue", "forward", "again"], "mspool resend"),
    (&["config", "configure", "setup", "install"], "mspool init"),
    (&["version"], "mspool --version"),
];

/// Returns the command to use instead of an unknown one.
pub fn command<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let lower = text.to_lowercase();
    let synonym = SYNONYMS.iter().find(|(words, _)| words.contains(&lower.as_str()));
    synonym.map(|(_, command)| (*command).to_owned()).or_else(|| Some(format!("mspool {}", nearest(&lower, known)?)))
}

/// Returns the report to use instead of a word that is not an id.
pub fn report_command(text: &str) -> Option<String> {
    let mut reports = SYNONYMS.iter().filter_map(|(_, command)| command.strip_prefix("mspool report "));
    let found = command(text, reports.clone())?;
    // A word near the name of a report comes back as "mspool NAME".
    match found.strip_prefix("mspool ").filter(|name| reports.any(|report| report == *name)) {
        Some(name) => Some(format!("mspool report {name}")),
        None => found.starts_with("mspool report").then_some(found),
    }
}

/// Returns the known word that a misspelled one is nearest to.
pub fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = match text.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    };
    let length_difference = |word: &str| word.chars().count().abs_diff(text.chars().count());
    let near = known.filter_map(|word| {
        let edits = if is_swapped(text, word) { 1 } else { distance(text, word) };
        (edits <= most).then(|| (edits, length_difference(word), word))
    });
    near.min().map(|(_, _, word)| word)
}

/// Returns true when two adjacent letters are swapped: one mistake of the fingers, though two edits.
fn is_swapped(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else { return false };
    a.len() == b.len()
        && a.get(at) == b.get(at + 1)
        && a.get(at + 1) == b.get(at)
        && a[at + 1..].get(1..) == b[at + 1..].get(1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMANDS: [&str; 4] = ["enqueue", "flush", "hold", "report"];

    #[test]
    fn unknown_commands_have_a_hint() {
        let hint = |text: &str| command(text, COMMANDS.into_iter()).unwrap_or_default();
        assert_eq!(hint("queue"), "mspool report");
        assert_eq!(hint("RM"), "mspool cancel");
        assert_eq!(hint("flsuh"), "mspool flush");
        assert_eq!(hint("hlod"), "mspool hold");
        assert_eq!(hint("zzzzzz"), "");
    }

    #[test]
    fn misspelled_reports_have_a_hint() {
        assert_eq!(report_command("stauts").as_deref(), Some("mspool report status"));
        assert_eq!(report_command("history").as_deref(), Some("mspool report log"));
        assert_eq!(report_command("queue").as_deref(), Some("mspool report"));
        assert_eq!(report_command("rm"), None);
        assert_eq!(report_command("1777636800.M1"), None);
    }
}
