//! The program as sendmail(1): called by that name, by `mailq` or `newaliases`, or as a verb.

pub mod flags;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use crate::cli::sendmail_run::Mode;
use crate::commands::flush::{self, FlushDirection, OwedMeaning};
use crate::commands::report::dialect::QueueDialect;
use crate::commands::sendmail::DotHandling;
use crate::delivery::selection::ForceLevel;
use crate::door::sendmail::flags::Arguments;
use crate::exit::{ExitStatus, refuse};
use crate::mail::address::list;
use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::{Address, Sender};
use crate::mail::envelope::request::{BodyType, EnvelopeId, NotifyOn, ReturnContent};
use crate::output::console::ProgressBarUse;
use crate::output::mode::OutputFormat;
use crate::settings::AfterSubmission;
use crate::submission::options::SubmissionOptions;
use crate::submission::options::{HeaderCompletion, HeaderUse};
use crate::submission::smtp::server::SmtpProtocol;
use crate::values::printable;

/// The names that this program answers to, beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// sendmail(1)
    Sendmail,
    /// mailq(1)
    Mailq,
    /// newaliases(1)
    Newaliases,
}

impl Name {
    /// The name that the program was called by, or the verb that it was given.
    pub fn of(text: &str) -> Option<Name> {
        match text {
            "sendmail" => Some(Name::Sendmail),
            "mailq" => Some(Name::Mailq),
            "newaliases" => Some(Name::Newaliases),
            _ => None,
        }
    }
}

/// What the caller wants, checked.
#[derive(Debug)]
pub struct Request {
    /// `-C`.
    pub config: Option<PathBuf>,
    /// `-v`.
    pub verbose: Verbosity,
    /// What is to be done.
    pub mode: Mode,
}

/// Longest name of a sender taken, in characters.
const LONGEST_NAME: usize = 200;

/// Whether everything that is done is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// No.
    Usual,
    /// Yes.
    Everything,
}

/// The longest list of flags is short; this is it.
pub fn table() -> String {
    let width = flags::FLAGS.iter().map(|flag| flag.written.len()).max().unwrap_or(0);
    let line = |flag: &flags::Flag| format!("  {:width$}  {}\n", flag.written, flag.does);
    format!("Usage: sendmail [FLAGS] [--] [ADDR...]\n\n{}", flags::FLAGS.iter().map(line).collect::<String>())
}

/// Reads the arguments behind the name.
pub fn request(name: Name, arguments: &[OsString]) -> Result<Request> {
    let mut words = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match argument.to_str() {
            Some(text) => words.push(text.to_owned()),
            None => return refuse(ExitStatus::Data, "an argument is not UTF-8; nothing was queued"),
        }
    }
    // The only long words of this grammar.
    let flags = words.iter().take_while(|word| *word != "--").position(|word| word == "--lmtp");
    let lmtp = flags.map(|at| words.remove(at)).is_some();
    if words.first().is_some_and(|word| word == "--help") {
        return Ok(Request { config: None, verbose: Verbosity::Usual, mode: Mode::Help(table()) });
    }
    let read = match flags::read(&words) {
        Ok(read) => read,
        Err(text) => {
            return refuse(
                ExitStatus::Usage,
                format!("{}; `mspool sendmail --help` lists them", printable::line(&text)),
            );
        }
    };
    let mut reader = Reader::new(&read);
    if lmtp {
        reader.mode = Some('l');
    }
    reader.flags()?;
    let mode = match name {
        Name::Newaliases => Mode::Nothing,
        Name::Mailq if reader.flush.is_none() => Mode::List(QueueDialect::Postfix),
        _ => reader.mode()?,
    };
    Ok(Request { config: reader.config, verbose: reader.verbose, mode })
}

struct Reader<'a> {
    read: &'a Arguments,
    mode: Option<char>,
    header: HeaderUse,
    dots: DotHandling,
    sender: Option<Sender>,
    name: Option<String>,
    body: Option<BodyType>,
    delivery: Option<AfterSubmission>,
    notify: Option<NotifyOn>,
    ret: Option<ReturnContent>,
    envid: Option<EnvelopeId>,
    flush: Option<flush::FlushOptions>,
    config: Option<PathBuf>,
    verbose: Verbosity,
    /// `-qI ID` and `-qR SITE`, where what they mean is the next argument.
    wants: Option<char>,
}

impl<'a> Reader<'a> {
    fn new(read: &'a Arguments) -> Reader<'a> {
        Reader {
            read,
            mode: None,
            header: HeaderUse::None,
            dots: DotHandling::End,
            sender: None,
            name: None,
            body: None,
            delivery: None,
            notify: None,
            ret: None,
            envid: None,
            flush: None,
            config: None,
            verbose: Verbosity::Usual,
            wants: None,
        }
    }

    fn flags(&mut self) -> Result<()> {
        for flag in &self.read.flags {
            let value = flag.value.as_str();
            let bad =
                |what: &str| refuse::<()>(ExitStatus::Usage, format!("-{} {:?}: {what}", flag.letter, shown(value)));
            match flag.letter {
                't' => self.header = HeaderUse::Recipients,
                'i' => self.dots = DotHandling::Text,
                'f' | 'r' => match list::parse(value).map(|list| (list.len(), list.into_iter().next())) {
                    // `Joe <joe@x>` is written too, and means joe@x.
                    Ok((1, Some(address))) if !value.starts_with('<') => self.sender = Some(sender(&address)?),
                    _ => self.sender = Some(sender(value)?),
                },
                'F' => self.name = Some(value.chars().take(LONGEST_NAME).collect()),
                'B' => match BodyType::parse(value) {
                    Some(body) => self.body = Some(body),
                    None => bad("give 7BIT or 8BITMIME")?,
                },
                'b' => match value.chars().next() {
                    Some(mode @ ('m' | 'p' | 's' | 'v' | 'i')) if value.len() == 1 => self.mode = Some(mode),
                    Some('d' | 'D') => bad(
                        "there is no daemon here: `mspool watch` delivers, and -bs speaks SMTP to inetd or a systemd socket",
                    )?,
                    _ => bad("no such mode")?,
                },
                'I' => self.mode = Some('i'),
                'q' => self.queue_run(value)?,
                'o' => self.option(value),
                'N' => match NotifyOn::parse(value) {
                    Ok(notify) => self.notify = Some(notify),
                    Err(error) => bad(&error.to_string())?,
                },
                'R' => match value.to_ascii_lowercase().as_str() {
                    "full" => self.ret = Some(ReturnContent::Full),
                    "hdrs" => self.ret = Some(ReturnContent::Hdrs),
                    _ => bad("give full or hdrs")?,
                },
                'V' => match EnvelopeId::parse(value) {
                    Ok(envid) => self.envid = Some(envid),
                    Err(error) => bad(&error.to_string())?,
                },
                'v' => self.verbose = Verbosity::Everything,
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
            bar: ProgressBarUse::IfUseful,
            form: OutputFormat::Text,
            direction: FlushDirection::Out,
        });
        match value.chars().next() {
            Some(kind @ ('I' | 'R')) if value.len() == 1 => self.wants = Some(kind),
            Some('I') => options.ids.push(value[1..].to_owned()),
            Some('R') => options.to = Some(site(&value[1..])?),
            // A time would make a daemon of another sendmail: here it is one flush.
            _ => {}
        }
        self.flush = Some(options);
        Ok(())
    }

    fn mode(&mut self) -> Result<Mode> {
        if self.config.is_some() {
            // Programs that mail for strangers have been made to add flags: what a file that anybody may name says
            // must not be run. Queued mail is delivered by whoever runs mspool itself.
            if self.flush.is_some() {
                return refuse(ExitStatus::Usage, "-q runs nothing that -C names; say `mspool --config FILE flush`");
            }
            self.delivery = Some(AfterSubmission::Queue);
        }
        if let Some(mut options) = self.flush.take() {
            for argument in &self.read.rest {
                match self.wants {
                    Some('I') => options.ids.push(argument.clone()),
                    Some(_) => options.to = Some(site(argument)?),
                    None => return refuse(ExitStatus::Usage, "-q takes no recipients"),
                }
            }
            if self.wants.is_some() && self.read.rest.is_empty() {
                return refuse(ExitStatus::Usage, "-qI wants an id, -qR a domain");
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

    /// Each argument may be a list, with names and brackets, as in a header.
    fn recipients(&self) -> Result<Vec<Address>> {
        let mut recipients = Vec::new();
        for argument in &self.read.rest {
            let shown = || shown(argument);
            // With a type it is no list.
            if let Ok(address) = Address::parse(argument)
                && (!address.is_smtp() || argument.contains('@'))
            {
                recipients.push(address);
                continue;
            }
            let list = list::parse(argument).ok().filter(|list| !list.is_empty());
            let Some(list) = list else {
                return refuse(ExitStatus::Data, format!("recipient {:?} is no address; nothing was queued", shown()));
            };
            for text in list {
                match Address::parse(&text) {
                    Ok(address) => recipients.push(address),
                    Err(error) => {
                        return refuse(
                            ExitStatus::Data,
                            format!("recipient {:?} {error}; nothing was queued", shown()),
                        );
                    }
                }
            }
        }
        Ok(recipients)
    }

    fn options(&self) -> Result<SubmissionOptions> {
        Ok(SubmissionOptions {
            header: self.header,
            body: self.body,
            notify: self.notify,
            ret: self.ret,
            envid: self.envid.clone(),
            ..SubmissionOptions::new(
                self.sender.clone(),
                self.recipients()?,
                HeaderCompletion::Sendmail(self.name.clone()),
            )
        })
    }
}

/// As much of a foreign text as fits into a message.
fn shown(text: &str) -> String {
    printable::line(text).chars().take(60).collect()
}

fn sender(text: &str) -> Result<Sender> {
    Sender::parse(text)
        .or_else(|error| refuse(ExitStatus::Data, format!("-f {:?} {error}; nothing was queued", shown(text))))
}

fn site(domain: &str) -> Result<AddressPattern> {
    let text = if domain.contains('@') { domain.to_owned() } else { format!("*@{domain}") };
    AddressPattern::parse(&text).or_else(|error| refuse(ExitStatus::Usage, format!("-qR {:?} {error}", shown(domain))))
}
