//! Comparison of a printed transcript with the real output of the same commands.
//!
//! Queue ids may differ, but the same id must stand for the same message throughout. Times, durations, host names, the
//! home directory and the widths of columns may differ; large numbers, such as sizes that depend on the length of an
//! id, by a fifth. The line `[...]` stands for any lines, or none.

use std::collections::BTreeMap;

use mspool::mail::envelope::id::QueueId;

/// Real ids, by the ids of the transcript.
#[derive(Clone, Debug, Default)]
pub struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Knows from the start that the host of the transcript is this one.
    pub fn of_host(shown: &str, real: &str) -> Ids {
        Ids(BTreeMap::from([(shown.to_owned(), real.to_owned())]))
    }

    /// Notes that one text stands for another; false if it stands for yet another one.
    fn learn(&mut self, shown: &str, real: &str) -> bool {
        self.0.entry(shown.to_owned()).or_insert_with(|| real.to_owned()) == real
    }

    /// Replaces the ids of the transcript in a command.
    pub fn apply(&self, command: &str) -> String {
        // The longest first: the name of a file has an id in it.
        let mut known: Vec<_> = self.0.iter().filter(|(shown, _)| shown.contains('-')).collect();
        known.sort_by_key(|(shown, _)| std::cmp::Reverse(shown.len()));
        known.into_iter().fold(command.to_owned(), |command, (shown, real)| command.replace(shown, real))
    }
}

/// Compares output line by line, and learns new ids. Returns false if a line differs.
pub fn matches(shown: &[&str], real: &[&str], ids: &mut Ids) -> bool {
    let Some((first, rest)) = shown.split_first() else { return real.is_empty() };
    let mut learned = ids.clone();
    let is_equal = if *first == "[...]" {
        (0..=real.len()).any(|skipped| {
            learned = ids.clone();
            matches(rest, &real[skipped..], &mut learned)
        })
    } else {
        real.first().is_some_and(|line| is_same_line(first, line, &mut learned))
            && matches(rest, &real[1..], &mut learned)
    };
    if is_equal {
        *ids = learned;
    }
    is_equal
}

fn is_same_line(shown: &str, real: &str, ids: &mut Ids) -> bool {
    let words = |line: &str| {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        // The day of a month stands beside its name.
        for at in (0..words.len()).filter(|at| is_month(&words[*at])).collect::<Vec<_>>() {
            let beside = [at.wrapping_sub(1), at + 1];
            for at in beside.into_iter().filter(|at| *at < words.len() && words[*at].len() <= 2).collect::<Vec<_>>() {
                "DAY".clone_into(&mut words[at]);
            }
        }
        words
    };
    let (shown, real) = (words(shown), words(real));
    shown.len() == real.len() && shown.iter().zip(&real).all(|(shown, real)| is_same_word(shown, real, ids))
}

fn is_same_word(shown: &str, real: &str, ids: &mut Ids) -> bool {
    let (shown, real) = (pieces(shown), pieces(real));
    shown.len() == real.len() && shown.iter().zip(&real).all(|(shown, real)| is_same_piece(shown, real, ids))
}

/// Parts of a word: runs of what an id, a time or a host consists of, and each other character alone.
fn pieces(word: &str) -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let word = if home.len() > 1 { word.replace(&home, "~") } else { word.to_owned() };
    let mut pieces: Vec<String> = Vec::new();
    let is_inner = |c: char| c.is_alphanumeric() || "._-+:".contains(c);
    for c in word.chars() {
        match pieces.last_mut() {
            Some(last) if is_inner(c) && last.ends_with(is_inner) => last.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    // A colon or a full stop at the end is punctuation.
    let ends = |piece: String| {
        let body = piece.trim_end_matches([':', '.']).to_owned();
        let tail = piece[body.len()..].to_owned();
        [body, tail].into_iter().filter(|part| !part.is_empty())
    };
    pieces.into_iter().flat_map(ends).collect()
}

fn is_same_piece(shown: &str, real: &str, ids: &mut Ids) -> bool {
    if let (Ok(shown), Ok(real)) = (QueueId::parse(shown), QueueId::parse(real)) {
        ids.learn(&shown.maildir_name(""), &real.maildir_name(""));
        return ids.learn(shown.as_str(), real.as_str());
    }
    shown == real
        || ids.0.get(shown).is_some_and(|known| known == real)
        || (is_time(shown) && is_time(real))
        || (is_duration(shown) && is_duration(real))
        || is_about(shown, real)
}

/// True for `2026-11-22T07:33:03Z` and `08:01:21`, and for the words of a date such as `Sun` and `Nov`.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    ["0000-00-00T00:00:00Z", "00:00:00", "00:00", "0000-00-00", "+0000"].contains(&shape.as_str())
        || is_month(text)
        || is_one_of("Mon Tue Wed Thu Fri Sat Sun", text)
}

fn is_month(text: &str) -> bool {
    is_one_of("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", text)
}

fn is_one_of(words: &str, text: &str) -> bool {
    text.len() == 3 && words.split(' ').any(|word| word == text)
}

/// True for `0s`, `4m38s`, `2h`.
fn is_duration(text: &str) -> bool {
    let is_unit = |c: char| "smhdw".contains(c);
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(is_unit)
        && text.split_inclusive(is_unit).all(|part| part[..part.len() - 1].parse::<u64>().is_ok())
}

/// True for two numbers from 100 that are a fifth apart at most.
fn is_about(shown: &str, real: &str) -> bool {
    let number = |text: &str| text.trim_end_matches('B').parse::<u64>().ok().filter(|number| *number >= 100);
    match (number(shown), number(real)) {
        (Some(shown), Some(real)) => shown.abs_diff(real) * 5 <= shown,
        _ => false,
    }
}

#[test]
fn a_transcript_matches_another_run_of_the_same_commands() {
    let shown = [
        "1xUkEj-1hgi1DdeGLh-0YcA: bob@example.com: deferred; next attempt 2026-11-22T07:33:03Z.",
        "<MAILER-DAEMON@laptop> 29B     0s  in 4m38s  317 Sun Nov 22 08:01:21",
        "[...]",
        "1xUkEj-1hgi1DdeGLh-0YcA",
    ];
    let real = [
        "1xoVBg-0001aaaaaaa-0000: bob@example.com: deferred; next attempt 2027-01-02T00:00:00Z.",
        "<MAILER-DAEMON@my.host>  29B 1s in 5m 330 Mon Dec  2 00:00:01",
        "1xoVBh-0001bbbbbbb-0000",
        "1xoVBg-0001aaaaaaa-0000",
    ];
    let host = Ids::of_host("laptop", "my.host");
    let mut ids = host.clone();
    assert!(matches(&shown, &real, &mut ids));
    assert_eq!(ids.apply("mspool report 1xUkEj-1hgi1DdeGLh-0YcA"), format!("mspool report {}", real[3]));
    for (line, other) in [
        (0, "1xoVBg-0001aaaaaaa-0000: bob@example.com: failed; next attempt 2027-01-02T00:00:00Z."),
        (0, "1xoVBg-0001aaaaaaa-0000: bob@example.com: deferred; next attempt soon."),
        (1, "<MAILER-DAEMON@other>  29B 1s in 5m 330 Mon Dec 12 00:00:01"),
        (1, "<MAILER-DAEMON@my.host>  30B 1s in 5m 330 Mon Dec 12 00:00:01"),
        (1, "<MAILER-DAEMON@my.host>  29B 1s in 5m 430 Mon Dec 2 00:00:01"),
        (3, "1xoVBh-0001bbbbbbb-0000"),
    ] {
        let mut real = real;
        real[line] = other;
        assert!(!matches(&shown, &real, &mut host.clone()), "{other}");
    }
}
