//! Flags of sendmail(1): a table, because their grammar is none that clap can parse.

use std::fmt::Write as _;

use crate::values::quoting::quoted;

/// Value of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagValue {
    /// No value; other flags may follow in the same argument.
    None,
    /// Rest of the argument, or the next one.
    Required,
    /// Rest of the argument, which may be empty.
    Optional,
}

/// Flag of sendmail(1).
#[derive(Clone, Copy, Debug)]
pub struct SendmailFlag {
    /// Letter after `-`.
    pub letter: char,
    /// Kind of value.
    pub value: FlagValue,
    /// Flag with its value, as the manual writes it.
    pub syntax: &'static str,
    /// One line of help.
    pub help: &'static str,
}

const fn flag(letter: char, value: FlagValue, syntax: &'static str, help: &'static str) -> SendmailFlag {
    SendmailFlag { letter, value, syntax, help }
}

const IGNORED: &str = "accepted and ignored";

const EXAMPLES: &str = "
Examples:
  Queue a message, with its recipients from the header:
    sendmail -t -i < mail
  Set the sender and the recipients:
    sendmail -i -f joe@example.org -- bob@example.org eve@example.org < mail
  Show the transports that accept an address:
    sendmail -bv bob@example.org
";

/// All flags, in the order of the manual.
pub const FLAGS: [SendmailFlag; 29] = [
    flag('t', FlagValue::None, "-t", "add the recipients in To, Cc and Bcc"),
    flag('i', FlagValue::None, "-i", "a line with a single dot does not end the message"),
    flag('f', FlagValue::Required, "-f ADDR", "envelope sender; '' and <> are the null sender"),
    flag('r', FlagValue::Required, "-r ADDR", "same as -f"),
    flag('F', FlagValue::Required, "-F NAME", "name for a generated From field"),
    flag('B', FlagValue::Required, "-B TYPE", "body type: 7BIT or 8BITMIME"),
    flag(
        'b',
        FlagValue::Required,
        "-b MODE",
        "m queue a message (default), p list the queue, s speak SMTP, v print the transports, i do nothing; d, D are refused",
    ),
    flag(
        'q',
        FlagValue::Optional,
        "-q[TIME]",
        "flush once; -qI ID one message, -qR DOMAIN mail to a domain; TIME is ignored",
    ),
    flag(
        'o',
        FlagValue::Required,
        "-o OPTION",
        "i same as -i; di attempt delivery now, db in the background, dq or dd queue only; others are ignored",
    ),
    flag('N', FlagValue::Required, "-N WHEN", "when to send DSNs: never, or a list of success,failure,delay"),
    flag('R', FlagValue::Required, "-R HOW", "how much of the message a bounce returns: full or hdrs"),
    flag('V', FlagValue::Required, "-V ID", "envelope id"),
    flag('v', FlagValue::None, "-v", "print every result"),
    flag('C', FlagValue::Required, "-C FILE", "configuration file of mspool; the message is only queued"),
    flag('I', FlagValue::None, "-I", "same as newaliases: do nothing"),
    flag('e', FlagValue::Required, "-e MODE", "accepted; errors are printed and reported by the exit status"),
    flag('O', FlagValue::Required, "-O KEY=VALUE", IGNORED),
    flag('A', FlagValue::Required, "-A MODE", IGNORED),
    flag('d', FlagValue::Optional, "-d[LEVEL]", IGNORED),
    flag('h', FlagValue::Required, "-h HOPS", IGNORED),
    flag('L', FlagValue::Required, "-L LABEL", IGNORED),
    flag('X', FlagValue::Required, "-X FILE", IGNORED),
    flag('p', FlagValue::Required, "-p PROTOCOL", IGNORED),
    flag('m', FlagValue::None, "-m", IGNORED),
    flag('n', FlagValue::None, "-n", IGNORED),
    flag('x', FlagValue::None, "-x", IGNORED),
    flag('G', FlagValue::None, "-G", IGNORED),
    flag('U', FlagValue::None, "-U", IGNORED),
    flag('s', FlagValue::None, "-s", IGNORED),
];

/// Long flags; `request` parses them.
const LONG_FLAGS: [(&str, &str); 3] = [
    ("--lmtp", "speak LMTP"),
    ("--json", "of mailq: print JSON as postqueue -j does"),
    ("--help", "as the first argument: print this help"),
];

/// Flag with its value, as given by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFlag {
    /// Letter after `-`.
    pub letter: char,
    /// Value; empty for a flag without one.
    pub value: String,
}

/// Arguments, split into flags and operands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitArguments {
    /// Flags in the given order.
    pub flags: Vec<ParsedFlag>,
    /// Other arguments: recipients, an id or a domain.
    pub operands: Vec<String>,
}

/// Splits arguments into flags and operands. Flags may follow operands, until `--`.
///
/// # Errors
/// A text for an unknown flag, or for a flag without its value.
pub fn split(arguments: &[String]) -> Result<SplitArguments, String> {
    let mut split = SplitArguments::default();
    let mut all = arguments.iter();
    while let Some(argument) = all.next() {
        if argument == "--" {
            split.operands.extend(all.cloned());
            break;
        }
        let Some(mut letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            split.operands.push(argument.clone());
            continue;
        };
        while let Some(letter) = letters.chars().next() {
            letters = &letters[letter.len_utf8()..];
            let Some(flag) = FLAGS.iter().find(|flag| flag.letter == letter) else {
                return Err(format!("unknown flag {}", quoted(&format!("-{letter}"))));
            };
            let value = match flag.value {
                FlagValue::None => String::new(),
                FlagValue::Optional => std::mem::take(&mut letters).to_owned(),
                FlagValue::Required if !letters.is_empty() => std::mem::take(&mut letters).to_owned(),
                FlagValue::Required => {
                    all.next().cloned().ok_or_else(|| format!("-{letter} needs a value: {}", flag.syntax))?
                }
            };
            split.flags.push(ParsedFlag { letter, value });
        }
    }
    Ok(split)
}

/// Returns the help text: usage, all flags, examples.
pub fn help_text() -> String {
    let lines = FLAGS.iter().map(|flag| (flag.syntax, flag.help)).chain(LONG_FLAGS);
    let width = lines.clone().map(|(syntax, _)| syntax.len()).max().unwrap_or(0);
    let mut text = "Usage: sendmail [FLAGS] [--] [ADDR]...\n\nFlags:\n".to_owned();
    for (syntax, help) in lines {
        let _ = writeln!(text, "  {syntax:width$}  {help}");
    }
    text.push_str(EXAMPLES);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(line: &[&str]) -> (Vec<(char, String)>, Vec<String>) {
        let split = split(&line.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap();
        (split.flags.into_iter().map(|flag| (flag.letter, flag.value)).collect(), split.operands)
    }

    fn flags(list: &[(char, &str)]) -> Vec<(char, String)> {
        list.iter().map(|(letter, value)| (*letter, (*value).to_owned())).collect()
    }

    /// Arguments, the flags in them, and the rest.
    type Caller<'a> = (&'a [&'a str], &'a [(char, &'a str)], &'a [&'a str]);

    #[test]
    fn flags_and_operands_are_split() {
        let callers: [Caller<'_>; 9] = [
            (&["-oem", "-oi", "-f", "a@x", "--", "-b@x"], &[('o', "em"), ('o', "i"), ('f', "a@x")], &["-b@x"]),
            (
                &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"],
                &[('F', "CronDaemon"), ('i', ""), ('B', "8BITMIME"), ('o', "em")],
                &["root"],
            ),
            (&["-t", "-i"], &[('t', ""), ('i', "")], &[]),
            (&["-ti"], &[('t', ""), ('i', "")], &[]),
            (&["-bs", "-odb", "-oem"], &[('b', "s"), ('o', "db"), ('o', "em")], &[]),
            (&["-fjoe@x", "bob@x", "-i", "eve@x"], &[('f', "joe@x"), ('i', "")], &["bob@x", "eve@x"]),
            (&["-f", "", "bob@x"], &[('f', "")], &["bob@x"]),
            (&["-q"], &[('q', "")], &[]),
            (&["-q15m", "-qI", "ID"], &[('q', "15m"), ('q', "I")], &["ID"]),
        ];
        for (line, expected, rest) in callers {
            assert_eq!(
                given(line),
                (flags(expected), rest.iter().map(|text| (*text).to_owned()).collect()),
                "{line:?}"
            );
        }
    }

    #[test]
    fn unknown_flags_and_missing_values_are_errors() {
        let wrong = |line: &[&str]| split(&line.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap_err();
        assert_eq!(wrong(&["-Z"]), "unknown flag \"-Z\"");
        assert_eq!(wrong(&["-tf"]), "-f needs a value: -f ADDR");
        assert_eq!(wrong(&["--help"]), "unknown flag \"--\"");
    }

    proptest! {
        #[test]
        fn behind_two_dashes_everything_is_a_recipient(rest in proptest::collection::vec(".{0,12}", 0..5)) {
            let line: Vec<String> = ["-i".to_owned(), "--".to_owned()].into_iter().chain(rest.clone()).collect();
            prop_assert_eq!(split(&line).unwrap().operands, rest);
        }

        #[test]
        fn any_line_is_read_or_refused(line in proptest::collection::vec("-?-?[a-zA-Z@.]{0,6}", 0..6)) {
            let _ = split(&line);
        }
    }
}
