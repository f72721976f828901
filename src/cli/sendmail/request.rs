//! Parses a call of the sendmail family into a request.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use crate::cli::sendmail::run::Mode;
use crate::cli::values::address_type_hint;
use crate::commands::flush::{self, FlushDirection, OwedMeaning};
use crate::commands::report::dialect::QueueDialect;
use crate::commands::sendmail::DotHandling;
use crate::delivery::selection::ForceLevel;
use crate::exit::{RefusalKind, refuse};
use crate::mail::address::list;
use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::{Address, Sender};
use crate::mail::envelope::request::{BodyType, EnvelopeId, NotifyOn, ReturnContent};
use crate::output::console::ProgressBarUse;
use crate::output::mode::OutputFormat;
use crate::settings::AfterSubmission;
use crate::submission::options::{HeaderCompletion, HeaderUse, SubmissionOptions};
use crate::submission::smtp::server::SmtpProtocol;
use crate::values::quoting::quoted;

use crate::cli::sendmail::flags::{self, SplitArguments};
use crate::cli::sendmail::names::SendmailName;

/// Longest name of `-F`, in characters; the rest is cut off.
const SENDER_NAME_CHARS: usize = 200;

/// Checked request of a caller of sendmail(1).
#[derive(Debug)]
pub struct SendmailRequest {
    /// Configuration file of `-C`.
    pub config: Option<PathBuf>,
    /// True with `-v`.
    pub verbose: bool,
    /// Requested mode.
    pub mode: Mode,
}

/// Parses the arguments after the name.
///
/// # Errors
/// A refusal: exit status 64 for a flag, 65 for an address or an argument that is not UTF-8.
pub fn parse(name: SendmailName, arguments: &[OsString]) -> Result<SendmailRequest> {
    let mut words = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match argument.to_str() {
            Some(text) => words.push(text.to_owned()),
            None => return refuse(RefusalKind::BadData, "an argument is not UTF-8; nothing was queued"),
        }
    }
    // `--lmtp`, `--help` and, for mailq, `--json` are the only long options of this grammar.
    let mut has_long = |option: &str| {
        let index = words.iter().take_while(|word| *word != "--").position(|word| word == option);
        index.map(|index| words.remove(index)).is_some()
    };
    let is_lmtp = has_long("--lmtp");
    let dialect = match name {
        SendmailName::Mailq if has_long("--json") => QueueDialect::PostfixJson,
        _ => QueueDialect::Postfix,
    };
    if words.first().is_some_and(|word| word == "--help") {
        return Ok(SendmailRequest { config: None, verbose: false, mode: Mode::Help(flags::help_text()) });
    }
    let split = match flags::split(&words) {
        Ok(split) => split,
        Err(text) => return refuse(RefusalKind::Usage, format!("{text}; see \"mspool sendmail --help\"")),
    };
    let mut reader = RequestReader::new(&split);
    if is_lmtp {
        reader.mode = Some('l');
    }
    reader.flags()?;
    let mode = match name {
        SendmailName::Newaliases => Mode::Nothing,
        SendmailName::Mailq if reader.flush.is_none() => Mode::List(dialect),
        _ => reader.mode()?,
    };
    Ok(SendmailRequest { config: reader.config, verbose: reader.verbose, mode })
}

struct RequestReader<'a> {
    split: &'a SplitArguments,
    mode: Option<char>,
    header: HeaderUse,
    dots: DotHandling,
    sender: Option<Sender>,
    sender_name: Option<String>,
    body: Option<BodyType>,
    delivery: Option<AfterSubmission>,
    notify: Option<NotifyOn>,
    ret: Option<ReturnContent>,
    envid: Option<EnvelopeId>,
    flush: Option<flush::FlushOptions>,
    config: Option<PathBuf>,
    verbose: bool,
    /// `I` or `R` of `-qI ID` and `-qR DOMAIN` whose value is an operand.
    queue_selector: Option<char>,
}

impl<'a> RequestReader<'a> {
    fn new(split: &'a SplitArguments) -> RequestReader<'a> {
        RequestReader {
            split,
            mode: None,
            header: HeaderUse::None,
            dots: DotHandling::End,
            sender: None,
            sender_name: None,
            body: None,
            delivery: None,
            notify: None,
            ret: None,
            envid: None,
            flush: None,
            config: None,
            verbose: false,
            queue_selector: None,
        }
    }

    fn flags(&mut self) -> Result<()> {
        for flag in &self.split.flags {
            let value = flag.value.as_str();
            let bad =
                |what: &str| refuse::<()>(RefusalKind::Usage, format!("-{} {} {what}", flag.letter, quoted(value)));
            match flag.letter {
                't' => self.header = HeaderUse::Recipients,
                'i' => self.dots = DotHandling::Text,
                'f' | 'r' => match list::parse(value).map(|list| (list.len(), list.into_iter().next())) {
                    // Some callers pass `Joe <joe@x>`.
                    Ok((1, Some(address))) if !value.starts_with('<') => self.sender = Some(sender(&address)?),
                    _ => self.sender = Some(sender(value)?),
                },
                'F' => self.sender_name = Some(value.chars().take(SENDER_NAME_CHARS).collect()),
                'B' => match BodyType::parse(value) {
                    Some(body) => self.body = Some(body),
                    None => bad("is unknown: give 7BIT or 8BITMIME")?,
                },
                'b' => match value.chars().next() {
                    Some(mode @ ('m' | 'p' | 's' | 'v' | 'i')) if value.len() == 1 => self.mode = Some(mode),
                    Some('d' | 'D') => bad(
                        "is refused: there is no daemon; \"mspool watch\" delivers, and -bs speaks SMTP to inetd or a systemd socket",
                    )?,
                    _ => bad("is unknown: give m, p, s, v or i")?,
                },
                'I' => self.mode = Some('i'),
                'q' => self.queue_run(value)?,
                'o' => self.option(value),
                'N' => match NotifyOn::parse(value) {
                    Ok(notify) => self.notify = Some(notify),
                    Err(_) => bad("is unknown: give never, or a list of success, failure and delay")?,
                },
                'R' => match value.to_ascii_lowercase().as_str() {
                    "full" => self.ret = Some(ReturnContent::Full),
                    "hdrs" => self.ret = Some(ReturnContent::Hdrs),
                    _ => bad("is unknown: give full or hdrs")?,
                },
                'V' => match EnvelopeId::parse(value) {
                    Ok(envid) => self.envid = Some(envid),
                    Err(_) => {
                        bad("is not an envelope id: give 1 to 100 printable ASCII characters, no space at the ends")?
                    }
                },
                'v' => self.verbose = true,
                'C' => self.config = Some(PathBuf::from(value)),
                _ => {}
            }
        }
        Ok(())
    }

    fn option(&mut self, value: &str) {
        match value {
            "i" => self.dots = DotHandling::Text,
            "di" => self.delivery = Some(AfterSubmission::Attempt),
            "db" => self.delivery = Some(AfterSubmission::Background),
            "dq" | "dd" => self.delivery = Some(AfterSubmission::Queue),
            _ => {}
        }
    }

    fn queue_run(&mut self, value: &str) -> Result<()> {
        let mut options = self.flush.take().unwrap_or_else(|| flush::FlushOptions {
            ids: Vec::new(),
            transport: None,
            to: None,
            force: ForceLevel::No,
            jobs: None,
            limit: None,
            owed: OwedMeaning::IsFine,
            progress: ProgressBarUse::IfUseful,
            format: OutputFormat::Text,
            direction: FlushDirection::Out,
        });
        match value.chars().next() {
            Some(kind @ ('I' | 'R')) if value.len() == 1 => self.queue_selector = Some(kind),
            Some('I') => options.ids.push(value[1..].to_owned()),
            Some('R') => options.to = Some(domain_pattern(&value[1..])?),
            // A time asks for a daemon, which mspool does not have; it flushes once.
            _ => {}
        }
        self.flush = Some(options);
        Ok(())
    }

    fn mode(&mut self) -> Result<Mode> {
        if self.config.is_some() {
            // Attackers have made web programs pass additional flags, and `-C` could name their file: no command in it
            // may run. The message is only queued; a run with the proper configuration delivers it.
            if self.flush.is_some() {
                return refuse(RefusalKind::Usage, "-q cannot be used with -C; use \"mspool --config FILE flush\"");
            }
            self.delivery = Some(AfterSubmission::Queue);
        }
        if let Some(mut options) = self.flush.take() {
            for argument in &self.split.operands {
                match self.queue_selector {
                    Some('I') => options.ids.push(argument.clone()),
                    Some(_) => options.to = Some(domain_pattern(argument)?),
                    None => {
                        return refuse(RefusalKind::Usage, "-q takes no recipients; see \"mspool sendmail --help\"");
                    }
                }
            }
            if self.queue_selector.is_some() && self.split.operands.is_empty() {
                return refuse(RefusalKind::Usage, "-qI needs an id, and -qR a domain");
            }
            return Ok(Mode::Flush(options));
        }
        match self.mode {
            Some('p') => Ok(Mode::List(QueueDialect::Postfix)),
            Some('s') => Ok(Mode::Serve(SmtpProtocol::Smtp, self.delivery)),
            Some('l') => Ok(Mode::Serve(SmtpProtocol::Lmtp, self.delivery)),
            Some('i') => Ok(Mode::Nothing),
            Some('v') => Ok(Mode::Verify(self.recipients()?)),
            _ => Ok(Mode::Submit(Box::new(self.options()?), self.dots, self.delivery)),
        }
    }

    /// Returns the recipients. Each operand is an address or a list of addresses in the form of a `To` field.
    fn recipients(&self) -> Result<Vec<Address>> {
        let mut recipients = Vec::new();
        for argument in &self.split.operands {
            // An address with a type is not parsed as a list: it may contain commas.
            if let Ok(address) = Address::parse(argument)
                && (!address.is_smtp() || argument.contains('@'))
            {
                recipients.push(address);
                continue;
            }
            let list = list::parse(argument).ok().filter(|list| !list.is_empty());
            let Some(list) = list else {
                let reason = address_type_hint(argument).unwrap_or_else(|| "is not an address".to_owned());
                return refuse(
                    RefusalKind::BadData,
                    format!("recipient {} {reason}; nothing was queued", quoted(argument)),
                );
            };
            for text in list {
                match Address::parse(&text) {
                    Ok(address) => recipients.push(address),
                    Err(error) => {
                        let reason = address_type_hint(argument).unwrap_or_else(|| error.to_string());
                        return refuse(
                            RefusalKind::BadData,
                            format!("recipient {} {reason}; nothing was queued", quoted(argument)),
                        );
                    }
                }
            }
        }
        Ok(recipients)
    }

    fn options(&self) -> Result<SubmissionOptions> {
        let completion = HeaderCompletion::Sendmail(self.sender_name.clone());
        Ok(SubmissionOptions {
            header: self.header,
            body: self.body,
            notify: self.notify,
            ret: self.ret,
            envid: self.envid.clone(),
            ..SubmissionOptions::new(self.sender.clone(), self.recipients()?, completion)
        })
    }
}

fn sender(text: &str) -> Result<Sender> {
    Sender::parse(text).or_else(|error| {
        let reason = address_type_hint(text).unwrap_or_else(|| error.to_string());
        refuse(RefusalKind::BadData, format!("-f {} {reason}; nothing was queued", quoted(text)))
    })
}

fn domain_pattern(domain: &str) -> Result<AddressPattern> {
    let text = if domain.contains('@') { domain.to_owned() } else { format!("*@{domain}") };
    AddressPattern::parse(&text).or_else(|error| refuse(RefusalKind::Usage, format!("-qR {} {error}", quoted(domain))))
}
