//! Command lines with placeholders, and checks of the values that replace them.
//!
//! A command is a list of arguments and is never passed to a shell. A placeholder is replaced inside one argument, and
//! the value is not expanded again. An address is still dangerous where it begins an argument with `-`, and where the
//! argument is itself a script for a shell; the checks here refuse both.

use std::fmt;

use crate::transports::placeholder::{self, Placeholder, TemplatePurpose};
use crate::values::quoting::quoted;
use crate::values::shell::{ShellReader, is_inert};

/// Command line with placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandTemplate {
    args: Vec<TemplateArgument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TemplateArgument {
    parts: Vec<TemplatePart>,
    /// True after a `--`, where no argument is an option.
    guarded: bool,
    /// True if a shell may run the argument, or part of it, as a script.
    shell_text: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum TemplatePart {
    Text(String),
    Value(Placeholder),
}

/// Number of recipients per run of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientBatch {
    /// All recipients of the hand-off.
    All,
    /// One recipient.
    One,
}

/// Reason why a command line is not valid.
#[derive(Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// No program.
    Empty,
    /// NUL in an argument.
    Nul,
    /// `{recipients}` as part of a longer argument, or together with `{recipient}`.
    Recipients,
    /// Misspelt placeholder, and the one that was probably meant.
    Misspelt(String, &'static str),
    /// Placeholder for untrusted text in an argument that a shell may run.
    InShell,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Empty => f.write_str("names no program"),
            TemplateError::Nul => f.write_str("has an argument that contains NUL"),
            TemplateError::Recipients => {
                f.write_str("must have {recipients} as a separate argument, and not together with {recipient}")
            }
            TemplateError::InShell => f.write_str(
                "has a placeholder in text that a shell may run; use the environment variables MSPOOL_* there",
            ),
            TemplateError::Misspelt(text, meant) => write!(f, "has {{{text}}}; did you mean {{{meant}}}?"),
        }
    }
}

impl std::error::Error for TemplateError {}

/// Values of the placeholders of a delivery.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryValues<'a> {
    /// Envelope sender; empty for the null sender.
    pub sender: &'a str,
    /// Envelope sender with a tag that proves bounces; empty for the null sender.
    pub return_path: &'a str,
    /// Recipients of this run, without their types.
    pub recipients: &'a [&'a str],
    /// Queue id.
    pub id: &'a str,
    /// Envelope id of the sender, or the queue id with a tag that proves reports.
    pub envid: &'a str,
    /// Name of the transport.
    pub transport: &'a str,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Body type: `7BIT`, `8BITMIME` or empty.
    pub body: &'a str,
}

impl CommandTemplate {
    /// Parses a command line. Braces around other text than a placeholder are kept.
    ///
    /// A placeholder in text that a shell may run is an error here, except for [`TemplatePurpose::Delivery`]: there,
    /// unsafe addresses are refused one by one.
    pub fn parse(args: &[String], purpose: TemplatePurpose) -> Result<CommandTemplate, TemplateError> {
        args.first().filter(|program| !program.is_empty()).ok_or(TemplateError::Empty)?;
        let mut template = CommandTemplate { args: Vec::new() };
        let mut reader = ShellReader::Program;
        for (index, text) in args.iter().enumerate() {
            if text.contains('\0') {
                return Err(TemplateError::Nul);
            }
            let guarded = index > 0 && args[1..index].iter().any(|arg| arg == "--");
            let parts = parts(text, purpose)?;
            let for_shell = matches!(reader, ShellReader::Script | ShellReader::Remote);
            let shell_text = for_shell || looks_like_program(&parts, purpose);
            if shell_text
                && purpose != TemplatePurpose::Delivery
                && parts.iter().any(|part| matches!(part, TemplatePart::Value(_)))
            {
                return Err(TemplateError::InShell);
            }
            reader = reader.after(text);
            template.args.push(TemplateArgument { parts, guarded, shell_text });
        }
        let alone = |arg: &TemplateArgument| arg.parts == [TemplatePart::Value(Placeholder::Recipients)];
        let whole = template.args.iter().any(|arg| arg.has(Placeholder::Recipients));
        let split = template.args.iter().any(|arg| arg.has(Placeholder::Recipients) && !alone(arg));
        if split || (whole && template.batch() == RecipientBatch::One) {
            return Err(TemplateError::Recipients);
        }
        Ok(template)
    }

    /// Returns the number of recipients per run.
    pub fn batch(&self) -> RecipientBatch {
        if self.args.iter().any(|arg| arg.has(Placeholder::Recipient)) {
            RecipientBatch::One
        } else {
            RecipientBatch::All
        }
    }

    /// Returns the arguments as they are configured; `None` for one that contains a placeholder.
    pub fn fixed_words(&self) -> Vec<Option<String>> {
        let fixed = |arg: &TemplateArgument| match arg.parts.as_slice() {
            [TemplatePart::Text(text)] => Some(text.clone()),
            _ => None,
        };
        self.args.iter().map(fixed).collect()
    }

    /// Returns the name or path of the program.
    pub fn program(&self) -> String {
        self.args[0]
            .parts
            .iter()
            .map(|part| if let TemplatePart::Text(text) = part { text.as_str() } else { "" })
            .collect()
    }

    /// True if this recipient's address is safe in the command line.
    pub fn accepts_recipient(&self, address: &str) -> bool {
        self.accepts(address, &[Placeholder::Recipient, Placeholder::Recipients])
    }

    /// True if this sender's address is safe in the command line, also with a tag: that adds nothing unsafe.
    pub fn accepts_sender(&self, address: &str) -> bool {
        self.accepts(address, &[Placeholder::Sender, Placeholder::ReturnPath])
    }

    /// True if this envelope id is safe in the command line.
    pub fn accepts_envid(&self, envid: &str) -> bool {
        self.accepts(envid, &[Placeholder::Envid])
    }

    fn accepts(&self, address: &str, values: &[Placeholder]) -> bool {
        self.args.iter().filter(|arg| values.iter().any(|value| arg.has(*value))).all(|arg| {
            let first = matches!(&arg.parts[0], TemplatePart::Value(value) if values.contains(value));
            let option = first && !arg.guarded && address.starts_with('-');
            let program = arg.shell_text && (address.starts_with('-') || !address.bytes().all(is_inert));
            !option && !program
        })
    }

    /// Returns the arguments with these values. A value that would begin an argument with `-` before `--` gets a space
    /// before it, so that the program shows it and does not read it as an option.
    pub fn fill_words(&self, words: &[(Placeholder, &str)]) -> Vec<String> {
        let word = |value: &Placeholder| words.iter().find(|(known, _)| known == value).map_or("", |(_, word)| word);
        let fill = |arg: &TemplateArgument| {
            let text: String = arg
                .parts
                .iter()
                .map(|part| match part {
                    TemplatePart::Text(fixed) => fixed.as_str(),
                    TemplatePart::Value(value) => word(value),
                })
                .collect();
            let foreign = matches!(arg.parts.first(), Some(TemplatePart::Value(_)));
            if foreign && !arg.guarded && text.starts_with('-') { format!(" {text}") } else { text }
        };
        self.args.iter().map(fill).collect()
    }

    /// True if the program could read this value of the placeholder as an option.
    pub fn could_be_option(&self, value: Placeholder, word: &str) -> bool {
        !self.accepts(word, &[value])
    }

    /// Returns the arguments with these values. An empty value leaves an empty argument, so that positions never shift.
    pub fn fill(&self, values: &DeliveryValues<'_>) -> Vec<String> {
        let mut out = Vec::with_capacity(self.args.len() + values.recipients.len());
        for arg in &self.args {
            if arg.has(Placeholder::Recipients) {
                out.extend(values.recipients.iter().map(|recipient| (*recipient).to_owned()));
                continue;
            }
            let mut text = String::new();
            for part in &arg.parts {
                match part {
                    TemplatePart::Text(fixed) => text.push_str(fixed),
                    TemplatePart::Value(Placeholder::Sender) => text.push_str(values.sender),
                    TemplatePart::Value(Placeholder::ReturnPath) => text.push_str(values.return_path),
                    TemplatePart::Value(Placeholder::Recipient) => {
                        text.push_str(values.recipients.first().unwrap_or(&""))
                    }
                    TemplatePart::Value(Placeholder::Id) => text.push_str(values.id),
                    TemplatePart::Value(Placeholder::Envid) => text.push_str(values.envid),
                    TemplatePart::Value(Placeholder::Transport) => text.push_str(values.transport),
                    TemplatePart::Value(Placeholder::Body) => text.push_str(values.body),
                    TemplatePart::Value(Placeholder::Attempt) => text.push_str(&values.attempt.to_string()),
                    TemplatePart::Value(_) => {}
                }
            }
            out.push(text);
        }
        out
    }
}

/// Returns the text of a refusal: this sender, recipient or envelope id is not safe in the command line of `reader`.
pub(super) fn unsafe_value_text(name: &str, value: &str, reader: &str) -> String {
    let value = quoted(value);
    format!("{name} {value} cannot be passed to the {reader}: it could be read as an option or run as a program")
}

impl TemplateArgument {
    fn has(&self, value: Placeholder) -> bool {
        self.parts.contains(&TemplatePart::Value(value))
    }
}

fn parts(text: &str, purpose: TemplatePurpose) -> Result<Vec<TemplatePart>, TemplateError> {
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
                    parts.push(TemplatePart::Text(std::mem::take(&mut fixed)));
                }
                parts.push(TemplatePart::Value(value));
                rest = &from[word.unwrap_or_default().len() + 2..];
            }
            Some(Err(Some(meant))) => {
                return Err(TemplateError::Misspelt(word.unwrap_or_default().to_owned(), meant));
            }
            Some(Err(None)) | None => {
                fixed.push('{');
                rest = &from[1..];
            }
        }
    }
    fixed.push_str(rest);
    if !fixed.is_empty() || parts.is_empty() {
        parts.push(TemplatePart::Text(fixed));
    }
    Ok(parts)
}

/// True if the fixed text around a placeholder contains characters of a shell script. Spaces count only in a delivery,
/// because a notice contains sentences.
fn looks_like_program(parts: &[TemplatePart], purpose: TemplatePurpose) -> bool {
    let mixed = parts.iter().any(|part| matches!(part, TemplatePart::Value(_)));
    let blanks: &[char] = if purpose == TemplatePurpose::Delivery { &[' ', '\t', '\n'] } else { &['\n'] };
    let strange = |part: &TemplatePart| matches!(part, TemplatePart::Text(text) if text.contains(blanks) || text.contains([';', '|', '&', '`', '$']));
    mixed && parts.iter().any(strange)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(args: &[&str]) -> Result<CommandTemplate, TemplateError> {
        CommandTemplate::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), TemplatePurpose::Delivery)
    }

    fn fill(args: &[&str], sender: &str, recipients: &[&str]) -> Vec<String> {
        let values = DeliveryValues {
            sender,
            return_path: sender,
            recipients,
            id: "ID",
            envid: "ENV",
            transport: "relay",
            attempt: 3,
            body: "",
        };
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
            CommandTemplate::parse(
                &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(),
                TemplatePurpose::Notice,
            )
        };
        let words = [(Placeholder::Subject, "-rf /"), (Placeholder::From, "joe")];
        let filled = notice(&["n", "{subject}", "New: {subject}", "{from}", "--", "{subject}"]).unwrap();
        assert_eq!(filled.fill_words(&words), ["n", " -rf /", "New: -rf /", "joe", "--", "-rf /"]);
        assert_eq!(notice(&["sh", "-c", "echo {subject}"]), Err(TemplateError::InShell));
        assert_eq!(notice(&["xterm", "-e", "echo {subject}; read"]), Err(TemplateError::InShell));
        assert_eq!(notice(&["n", "{subjet}"]), Err(TemplateError::Misspelt("subjet".into(), "subject")));
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
        assert_eq!(template(&["m", "{recipent}"]), Err(TemplateError::Misspelt("recipent".into(), "recipient")));
        assert_eq!(template(&["m", "{senders}"]), Err(TemplateError::Misspelt("senders".into(), "sender")));
        assert_eq!(template(&["m", "x{recipients}"]), Err(TemplateError::Recipients));
        assert_eq!(template(&["m", "{recipients}", "{recipient}"]), Err(TemplateError::Recipients));
        assert_eq!(template(&[]), Err(TemplateError::Empty));
        assert_eq!(template(&["m\0"]), Err(TemplateError::Nul));
    }

    #[test]
    fn an_address_is_never_an_option() {
        let open = template(&["m", "{recipients}"]).unwrap();
        assert!(!open.accepts_recipient("-oQ/tmp") && open.accepts_recipient("a-@x"));
        let guarded = template(&["m", "-f", "{sender}", "--", "{recipients}"]).unwrap();
        assert!(guarded.accepts_recipient("-oQ/tmp") && !guarded.accepts_sender("-x@y"));
        assert!(template(&["m", "--to={recipient}"]).unwrap().accepts_recipient("-x"));
        assert!(!template(&["m", "{envid}"]).unwrap().accepts_envid("--help"));
        assert!(!template(&["sh", "-c", "echo {envid}"]).unwrap().accepts_envid("$(id)"));
    }

    #[test]
    fn an_address_is_never_a_program() {
        for shell in ["sh", "/bin/bash"] {
            let script = template(&[shell, "-c", "mail {recipient}"]).unwrap();
            assert!(script.accepts_recipient("bob+tag@example.com"));
            for address in ["$(id)@x", "a;b@x", "`id`@x", "a b@x", "a'b@x", "a|b@x", "a\\b@x", "~@x", "a&b", "<a>"] {
                assert!(!script.accepts_recipient(address), "{address}");
            }
            let argument = template(&[shell, "-ec", "mail \"$1\"", "sh", "--", "{recipient}"]).unwrap();
            assert!(argument.accepts_recipient("`id`@x"));
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
            assert!(script.accepts_recipient("bob+tag@example.com"), "{script:?}");
            for address in ["a|id@x", "`id`@x", "-oQ/tmp@x", "--reference=x@y", "a&b@x"] {
                assert!(!script.accepts_recipient(address), "{script:?} {address}");
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
            if let Ok(template) = CommandTemplate::parse(&args, TemplatePurpose::Delivery) && !args.contains(&"{recipients}".to_owned()) {
                let values = DeliveryValues { sender: &sender, return_path: "", recipients: &recipients, id: "", envid: "", transport: "", attempt: 1, body: "" };
                prop_assert_eq!(template.fill(&values).len(), args.len());
            }
        }
    }
}
