//! Command lines with placeholders, and the addresses that must not get into them.
//!
//! A command is a list of arguments and never goes through a shell. A placeholder is replaced inside one argument,
//! once: what comes in is never looked at again. An address can still do harm where it begins an argument with `-`,
//! and where the argument is itself a program for a shell; both are caught here.

use std::fmt;

use crate::transports::placeholder::{self, Purpose, Value};
use crate::values::shell::{Reader, is_inert};

/// A command line to be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    args: Vec<Arg>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Arg {
    parts: Vec<Part>,
    /// True behind a `--`, where nothing is an option any more.
    guarded: bool,
    /// True where a shell may read the argument as a program, or as a part of one.
    shell_text: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Value),
}

/// How many recipients one run of a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// All that there are.
    All,
    /// One.
    One,
}

/// Why a command line cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub enum BadTemplate {
    /// There is no program in it.
    Empty,
    /// A NUL in an argument.
    Nul,
    /// `{recipients}` with something beside it in the argument, or together with `{recipient}`.
    Recipients,
    /// Nearly a placeholder; the one that was probably meant.
    Misspelt(String, &'static str),
    /// A stranger's words in an argument that a shell may run.
    InShell,
}

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadTemplate::Empty => f.write_str("names no program"),
            BadTemplate::Nul => f.write_str("has an argument with a NUL in it"),
            BadTemplate::Recipients => {
                f.write_str("must have {recipients} as an argument of its own, and not together with {recipient}")
            }
            BadTemplate::InShell => f.write_str(
                "has a placeholder in a text that a shell may run; use the variables MSPOOL_… of its environment there",
            ),
            BadTemplate::Misspelt(text, meant) => write!(f, "has {{{text}}}; did you mean {{{meant}}}?"),
        }
    }
}

impl std::error::Error for BadTemplate {}

/// What a command line is filled in with.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The envelope sender, empty for the null sender.
    pub sender: &'a str,
    /// The recipients of this run, without their types.
    pub recipients: &'a [&'a str],
    /// The queue id.
    pub id: &'a str,
    /// The sender's name for the message, or the queue id.
    pub envid: &'a str,
    /// The transport's name.
    pub transport: &'a str,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// `7BIT`, `8BITMIME`, or nothing.
    pub body: &'a str,
}

impl Template {
    /// Reads a command line. Braces around anything that is not a placeholder stay as they are. In a delivery, text
    /// that a shell may run is filled in with harmless addresses only; elsewhere it is refused here.
    pub fn parse(args: &[String], purpose: Purpose) -> Result<Template, BadTemplate> {
        args.first().filter(|program| !program.is_empty()).ok_or(BadTemplate::Empty)?;
        let mut template = Template { args: Vec::new() };
        let mut reader = Reader::Program;
        for (index, text) in args.iter().enumerate() {
            if text.contains('\0') {
                return Err(BadTemplate::Nul);
            }
            let guarded = index > 0 && args[1..index].iter().any(|arg| arg == "--");
            let parts = parts(text, purpose)?;
            let for_shell = matches!(reader, Reader::Script | Reader::Remote);
            let shell_text = for_shell || looks_like_program(&parts, purpose);
            if shell_text && purpose != Purpose::Delivery && parts.iter().any(|part| matches!(part, Part::Value(_))) {
                return Err(BadTemplate::InShell);
            }
            reader = reader.after(text);
            template.args.push(Arg { parts, guarded, shell_text });
        }
        let alone = |arg: &Arg| arg.parts == [Part::Value(Value::Recipients)];
        let whole = template.args.iter().any(|arg| arg.has(Value::Recipients));
        let split = template.args.iter().any(|arg| arg.has(Value::Recipients) && !alone(arg));
        if split || (whole && template.batch() == Batch::One) {
            return Err(BadTemplate::Recipients);
        }
        Ok(template)
    }

    /// How many recipients one run takes.
    pub fn batch(&self) -> Batch {
        if self.args.iter().any(|arg| arg.has(Value::Recipient)) { Batch::One } else { Batch::All }
    }

    /// The program's name or path.
    pub fn program(&self) -> String {
        self.args[0].parts.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { "" }).collect()
    }

    /// True when this recipient's address may stand in the command line.
    pub fn takes_recipient(&self, address: &str) -> bool {
        self.takes(address, &[Value::Recipient, Value::Recipients])
    }

    /// True when this sender's address may stand in the command line.
    pub fn takes_sender(&self, address: &str) -> bool {
        self.takes(address, &[Value::Sender])
    }

    /// True when the sender's name for the message may stand in the command line.
    pub fn takes_envid(&self, envid: &str) -> bool {
        self.takes(envid, &[Value::Envid])
    }

    fn takes(&self, address: &str, values: &[Value]) -> bool {
        self.args.iter().filter(|arg| values.iter().any(|value| arg.has(*value))).all(|arg| {
            let first = matches!(&arg.parts[0], Part::Value(value) if values.contains(value));
            let option = first && !arg.guarded && address.starts_with('-');
            let program = arg.shell_text && (address.starts_with('-') || !address.bytes().all(is_inert));
            !option && !program
        })
    }

    /// The arguments with these words put in. A word that would begin an argument with `-` where options may stand gets
    /// a blank before it: it is shown, not obeyed.
    pub fn fill_words(&self, words: &[(Value, &str)]) -> Vec<String> {
        let word = |value: &Value| words.iter().find(|(known, _)| known == value).map_or("", |(_, word)| word);
        let fill = |arg: &Arg| {
            let text: String = arg
                .parts
                .iter()
                .map(|part| match part {
                    Part::Text(fixed) => fixed.as_str(),
                    Part::Value(value) => word(value),
                })
                .collect();
            let foreign = matches!(arg.parts.first(), Some(Part::Value(_)));
            if foreign && !arg.guarded && text.starts_with('-') { format!(" {text}") } else { text }
        };
        self.args.iter().map(fill).collect()
    }

    /// True when a word for this placeholder would be taken for an option somewhere.
    pub fn takes_for_option(&self, value: Value, word: &str) -> bool {
        !self.takes(word, &[value])
    }

    /// The arguments with everything put in. Empty values leave empty arguments, so that positions never shift.
    pub fn fill(&self, values: &Values<'_>) -> Vec<String> {
        let mut out = Vec::with_capacity(self.args.len() + values.recipients.len());
        for arg in &self.args {
            if arg.has(Value::Recipients) {
                out.extend(values.recipients.iter().map(|recipient| (*recipient).to_owned()));
                continue;
            }
            let mut text = String::new();
            for part in &arg.parts {
                match part {
                    Part::Text(fixed) => text.push_str(fixed),
                    Part::Value(Value::Sender) => text.push_str(values.sender),
                    Part::Value(Value::Recipient) => text.push_str(values.recipients.first().unwrap_or(&"")),
                    Part::Value(Value::Id) => text.push_str(values.id),
                    Part::Value(Value::Envid) => text.push_str(values.envid),
                    Part::Value(Value::Transport) => text.push_str(values.transport),
                    Part::Value(Value::Body) => text.push_str(values.body),
                    Part::Value(Value::Attempt) => text.push_str(&values.attempt.to_string()),
                    Part::Value(_) => {}
                }
            }
            out.push(text);
        }
        out
    }
}

impl Arg {
    fn has(&self, value: Value) -> bool {
        self.parts.contains(&Part::Value(value))
    }
}

fn parts(text: &str, purpose: Purpose) -> Result<Vec<Part>, BadTemplate> {
    let mut parts = Vec::new();
    let mut fixed = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        fixed.push_str(before);
        let word = from[1..].split('}').next().filter(|word| from[1..].len() > word.len());
        match word.map(|word| placeholder::find(word, purpose)) {
            Some(Ok(value)) => {
                if !fixed.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut fixed)));
                }
                parts.push(Part::Value(value));
                rest = &from[word.unwrap_or_default().len() + 2..];
            }
            Some(Err(Some(meant))) => {
                return Err(BadTemplate::Misspelt(word.unwrap_or_default().to_owned(), meant));
            }
            Some(Err(None)) | None => {
                fixed.push('{');
                rest = &from[1..];
            }
        }
    }
    fixed.push_str(rest);
    if !fixed.is_empty() || parts.is_empty() {
        parts.push(Part::Text(fixed));
    }
    Ok(parts)
}

/// True when the fixed text around a placeholder has what only a program for a shell has. A notice is a sentence, and
/// has blanks.
fn looks_like_program(parts: &[Part], purpose: Purpose) -> bool {
    let mixed = parts.iter().any(|part| matches!(part, Part::Value(_)));
    let blanks: &[char] = if purpose == Purpose::Delivery { &[' ', '\t', '\n'] } else { &['\n'] };
    let strange = |part: &Part| matches!(part, Part::Text(text) if text.contains(blanks) || text.contains([';', '|', '&', '`', '$']));
    mixed && parts.iter().any(strange)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(args: &[&str]) -> Result<Template, BadTemplate> {
        Template::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), Purpose::Delivery)
    }

    fn fill(args: &[&str], sender: &str, recipients: &[&str]) -> Vec<String> {
        let values = Values { sender, recipients, id: "ID", envid: "ENV", transport: "relay", attempt: 3, body: "" };
        template(args).unwrap().fill(&values)
    }

    #[test]
    fn placeholders_are_replaced_in_their_argument() {
        assert_eq!(
            fill(&["m", "-f", "{sender}", "--", "{recipients}"], "j@x", &["a@b", "c d@e"]),
            ["m", "-f", "j@x", "--", "a@b", "c d@e"]
        );
        assert_eq!(
            fill(&["m", "--to=<{recipient}>", "{id}/{envid}/{transport}/{attempt}"], "", &["a@b"]),
            ["m", "--to=<a@b>", "ID/ENV/relay/3"]
        );
    }

    #[test]
    fn strangers_words_are_neither_options_nor_programs() {
        let notice = |args: &[&str]| {
            Template::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), Purpose::Notice)
        };
        let words = [(Value::Subject, "-rf /"), (Value::From, "joe")];
        let filled = notice(&["n", "{subject}", "New: {subject}", "{from}", "--", "{subject}"]).unwrap();
        assert_eq!(filled.fill_words(&words), ["n", " -rf /", "New: -rf /", "joe", "--", "-rf /"]);
        assert_eq!(notice(&["sh", "-c", "echo {subject}"]), Err(BadTemplate::InShell));
        assert_eq!(notice(&["xterm", "-e", "echo {subject}; read"]), Err(BadTemplate::InShell));
        assert_eq!(notice(&["n", "{subjet}"]), Err(BadTemplate::Misspelt("subjet".into(), "subject")));
        assert!(notice(&["sh", "-c", "echo \"$MSPOOL_SUBJECT\""]).is_ok());
    }

    #[test]
    fn empty_values_stay_arguments() {
        assert_eq!(fill(&["m", "-f", "{sender}", "x"], "", &[]), ["m", "-f", "", "x"]);
        assert_eq!(fill(&["m", ""], "", &[]), ["m", ""]);
    }

    #[test]
    fn other_braces_stay() {
        assert_eq!(
            fill(&["awk", "{print $1}", "${file}", "{", "{}", "{{id}}"], "", &[]),
            ["awk", "{print $1}", "${file}", "{", "{}", "{ID}"]
        );
    }

    #[test]
    fn a_misspelt_placeholder_is_an_error() {
        assert_eq!(template(&["m", "{recipent}"]), Err(BadTemplate::Misspelt("recipent".into(), "recipient")));
        assert_eq!(template(&["m", "{senders}"]), Err(BadTemplate::Misspelt("senders".into(), "sender")));
        assert_eq!(template(&["m", "x{recipients}"]), Err(BadTemplate::Recipients));
        assert_eq!(template(&["m", "{recipients}", "{recipient}"]), Err(BadTemplate::Recipients));
        assert_eq!(template(&[]), Err(BadTemplate::Empty));
        assert_eq!(template(&["m\0"]), Err(BadTemplate::Nul));
    }

    #[test]
    fn an_address_is_never_an_option() {
        let open = template(&["m", "{recipients}"]).unwrap();
        assert!(!open.takes_recipient("-oQ/tmp") && open.takes_recipient("a-@x"));
        let guarded = template(&["m", "-f", "{sender}", "--", "{recipients}"]).unwrap();
        assert!(guarded.takes_recipient("-oQ/tmp") && !guarded.takes_sender("-x@y"));
        assert!(template(&["m", "--to={recipient}"]).unwrap().takes_recipient("-x"));
        assert!(!template(&["m", "{envid}"]).unwrap().takes_envid("--help"));
        assert!(!template(&["sh", "-c", "echo {envid}"]).unwrap().takes_envid("$(id)"));
    }

    #[test]
    fn an_address_is_never_a_program() {
        for shell in ["sh", "/bin/bash"] {
            let script = template(&[shell, "-c", "mail {recipient}"]).unwrap();
            assert!(script.takes_recipient("bob+tag@example.com"));
            for address in ["$(id)@x", "a;b@x", "`id`@x", "a b@x", "a'b@x", "a|b@x", "a\\b@x", "~@x", "a&b", "<a>"] {
                assert!(!script.takes_recipient(address), "{address}");
            }
            let argument = template(&[shell, "-ec", "mail \"$1\"", "sh", "--", "{recipient}"]).unwrap();
            assert!(argument.takes_recipient("`id`@x"));
        }
        for script in [
            &["sh", "-ce", "echo {recipient}"][..],
            &["sh", "-c", "--", "{recipient}"],
            &["sh", "-e", "-c", "{recipient}"],
            &["timeout", "9", "sh", "-c", "{recipient}"],
            &["env", "/bin/bash", "-lc", "{recipient}"],
            &["x", "-e", "mail {recipient}"],
            &["ssh", "relay", "sendmail", "--", "{recipients}"],
            &["su", "joe", "-c", "{recipient}"],
        ] {
            let script = template(script).unwrap();
            assert!(script.takes_recipient("bob+tag@example.com"), "{script:?}");
            for address in ["a|id@x", "`id`@x", "-oQ/tmp@x", "--reference=x@y", "a&b@x"] {
                assert!(!script.takes_recipient(address), "{script:?} {address}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_put_in_is_never_expanded_again(sender in "\\PC{0,20}", recipient in "\\PC{0,20}") {
            let sender = format!("{{recipient}}{sender}%s");
            let filled = fill(&["m", "{sender}", "{recipient}"], &sender, &[&recipient]);
            prop_assert_eq!(filled, ["m".to_owned(), sender, recipient]);
        }

        #[test]
        fn the_number_of_arguments_depends_on_nothing_but_the_recipients(
            args in proptest::collection::vec("[a-z{} ]{0,12}", 1..5), sender in "\\PC{0,20}", count in 0usize..5,
        ) {
            let recipients = vec!["r@x"; count];
            if let Ok(template) = Template::parse(&args, Purpose::Delivery) && !args.contains(&"{recipients}".to_owned()) {
                let values = Values { sender: &sender, recipients: &recipients, id: "", envid: "", transport: "", attempt: 1, body: "" };
                prop_assert_eq!(template.fill(&values).len(), args.len());
            }
        }
    }
}
