//! The flags of sendmail(1), as its callers write them: a table, because they follow no other program's rules.

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing; other flags may follow in the same argument.
    Nothing,
    /// The rest of its argument, or the next one.
    Value,
    /// The rest of its argument, which may be nothing.
    Rest,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its letter.
    pub letter: char,
    /// What it takes.
    pub takes: Takes,
    /// How it is written, as the manual has it.
    pub written: &'static str,
    /// What it does here.
    pub does: &'static str,
}

const fn flag(letter: char, takes: Takes, written: &'static str, does: &'static str) -> Flag {
    Flag { letter, takes, written, does }
}

const IGNORED: &str = "accepted, and ignored";

/// All flags, in the order of the manual.
pub const FLAGS: [Flag; 29] = [
    flag('t', Takes::Nothing, "-t", "take the recipients in To, Cc and Bcc too"),
    flag('i', Takes::Nothing, "-i", "a line of a single dot does not end the message"),
    flag('f', Takes::Value, "-f ADDR", "the envelope sender; '' and <> are the null sender"),
    flag('r', Takes::Value, "-r ADDR", "as -f"),
    flag('F', Takes::Value, "-F NAME", "the sender's name, where From is made"),
    flag('B', Takes::Value, "-B TYPE", "7BIT or 8BITMIME, kept in the envelope"),
    flag(
        'b',
        Takes::Value,
        "-b MODE",
        "m take a message, p list the queue, s speak SMTP, v say who would take it, i nothing, d and D are refused",
    ),
    flag('q', Takes::Rest, "-q[TIME]", "flush; I and an id flush one message, R and a domain its mail"),
    flag(
        'o',
        Takes::Value,
        "-o OPTION",
        "i as -i; d and a letter: i attempt at once, b flush in the background, q and d only queue; anything else is ignored",
    ),
    flag('N', Takes::Value, "-N WHEN", "on what to report (RFC 3461): never, or a list of success, failure, delay"),
    flag('R', Takes::Value, "-R HOW", "how much of the message a report carries: full or hdrs"),
    flag('V', Takes::Value, "-V ID", "the sender's own name for the message, for reports"),
    flag('v', Takes::Nothing, "-v", "say what is done"),
    flag('C', Takes::Value, "-C FILE", "the configuration of mspool; nothing that it names is run from here"),
    flag('I', Takes::Nothing, "-I", "as newaliases: nothing is to be done"),
    flag('e', Takes::Value, "-e MODE", "accepted; errors are printed and told by the exit status"),
    flag('O', Takes::Value, "-O KEY=VALUE", IGNORED),
    flag('A', Takes::Value, "-A MODE", IGNORED),
    flag('d', Takes::Rest, "-d[LEVEL]", IGNORED),
    flag('h', Takes::Value, "-h HOPS", IGNORED),
    flag('L', Takes::Value, "-L LABEL", IGNORED),
    flag('X', Takes::Value, "-X FILE", IGNORED),
    flag('p', Takes::Value, "-p PROTOCOL", IGNORED),
    flag('m', Takes::Nothing, "-m", IGNORED),
    flag('n', Takes::Nothing, "-n", IGNORED),
    flag('x', Takes::Nothing, "-x", IGNORED),
    flag('G', Takes::Nothing, "-G", IGNORED),
    flag('U', Takes::Nothing, "-U", IGNORED),
    flag('s', Takes::Nothing, "-s", IGNORED),
];

/// A flag as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its letter.
    pub letter: char,
    /// What it took.
    pub value: String,
}

/// Arguments taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The flags in order.
    pub flags: Vec<Given>,
    /// Everything else: recipients.
    pub rest: Vec<String>,
}

/// Takes arguments apart. Flags may follow recipients, until `--`.
///
/// # Errors
/// A flag that is in no table, or one without the value it takes: in words.
pub fn read(arguments: &[String]) -> Result<Arguments, String> {
    let mut read = Arguments::default();
    let mut all = arguments.iter();
    while let Some(argument) = all.next() {
        if argument == "--" {
            read.rest.extend(all.cloned());
            break;
        }
        let Some(mut letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            read.rest.push(argument.clone());
            continue;
        };
        while let Some(letter) = letters.chars().next() {
            letters = &letters[letter.len_utf8()..];
            let Some(flag) = FLAGS.iter().find(|flag| flag.letter == letter) else {
                return Err(format!("sendmail has no flag -{letter}"));
            };
            let value = match flag.takes {
                Takes::Nothing => String::new(),
                Takes::Rest => std::mem::take(&mut letters).to_owned(),
                Takes::Value if !letters.is_empty() => std::mem::take(&mut letters).to_owned(),
                Takes::Value => all.next().cloned().ok_or_else(|| format!("-{letter} wants a value"))?,
            };
            read.flags.push(Given { letter, value });
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(line: &[&str]) -> (Vec<(char, String)>, Vec<String>) {
        let read = read(&line.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap();
        (read.flags.into_iter().map(|flag| (flag.letter, flag.value)).collect(), read.rest)
    }

    fn flags(list: &[(char, &str)]) -> Vec<(char, String)> {
        list.iter().map(|(letter, value)| (*letter, (*value).to_owned())).collect()
    }

    /// Arguments, the flags in them, and the rest.
    type Caller<'a> = (&'a [&'a str], &'a [(char, &'a str)], &'a [&'a str]);

    #[test]
    fn as_callers_write_them() {
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
    fn mistakes_are_told() {
        let wrong = |line: &[&str]| read(&line.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap_err();
        assert_eq!(wrong(&["-Z"]), "sendmail has no flag -Z");
        assert_eq!(wrong(&["-tf"]), "-f wants a value");
        assert_eq!(wrong(&["--help"]), "sendmail has no flag --");
    }

    proptest! {
        #[test]
        fn behind_two_dashes_everything_is_a_recipient(rest in proptest::collection::vec(".{0,12}", 0..5)) {
            let line: Vec<String> = ["-i".to_owned(), "--".to_owned()].into_iter().chain(rest.clone()).collect();
            prop_assert_eq!(read(&line).unwrap().rest, rest);
        }

        #[test]
        fn any_line_is_read_or_refused(line in proptest::collection::vec("-?-?[a-zA-Z@.]{0,6}", 0..6)) {
            let _ = read(&line);
        }
    }
}
