//! Names of the sendmail family: the name by which mspool was called, and the end of its own options.

use std::ffi::OsString;
use std::path::Path;

/// Names by which mspool can be called, besides its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendmailName {
    /// sendmail(1)
    Sendmail,
    /// mailq(1)
    Mailq,
    /// newaliases(1)
    Newaliases,
}

impl SendmailName {
    fn parse(text: &str) -> Option<SendmailName> {
        match text {
            "sendmail" => Some(SendmailName::Sendmail),
            "mailq" => Some(SendmailName::Mailq),
            "newaliases" => Some(SendmailName::Newaliases),
            _ => None,
        }
    }
}

/// Call of a command of the sendmail family.
#[derive(Debug)]
pub struct SendmailCall {
    /// Name of the command.
    pub name: SendmailName,
    /// Options of mspool, before the command.
    pub global_args: Vec<OsString>,
    /// Flags and recipients, after the command.
    pub arguments: Vec<OsString>,
}

/// Finds the name in the program's own name or as its command. `None` for any other command.
///
/// This precedes clap, because the arguments after the name have another grammar: `-q` and `-v` mean something else.
pub fn find_call(args: &[OsString]) -> Option<SendmailCall> {
    let program = args.first().and_then(|path| Path::new(path).file_name()?.to_str());
    if let Some(name) = program.and_then(SendmailName::parse) {
        return Some(SendmailCall { name, global_args: Vec::new(), arguments: args[1..].to_vec() });
    }
    let mut index = 1;
    while let Some(word) = args.get(index).and_then(|word| word.to_str()) {
        if let Some(name) = SendmailName::parse(word) {
            let (global_args, arguments) = (args[1..index].to_vec(), args[index + 1..].to_vec());
            return Some(SendmailCall { name, global_args, arguments });
        }
        if !word.starts_with('-') {
            return None;
        }
        index += if word == "--spool" || word == "--config" { 2 } else { 1 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_program_or_the_first_word() {
        let find = |line: &str| find_call(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(find("/usr/sbin/sendmail -t").unwrap().arguments, ["-t"]);
        let call = find("mspool --spool sendmail -q mailq -v").unwrap();
        assert_eq!(call.name, SendmailName::Mailq);
        assert_eq!((call.global_args.len(), call.arguments.len()), (3, 1));
        assert!(find("mspool enqueue sendmail").is_none());
    }
}
