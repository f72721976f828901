//! Alias files in the format of aliases(5): names that expand to other addresses.

use std::collections::BTreeMap;
use std::fmt;

use crate::mail::address::list;
use crate::values::quoting::quoted;

/// Target that an alias expands to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AliasTarget {
    /// An address, or the name of another alias.
    Address(String),
    /// A file that lists addresses, one or more per line.
    Include(String),
    /// A command that the message is piped to.
    Pipe(String),
    /// A file that the message is appended to.
    File(String),
}

impl fmt::Display for AliasTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AliasTarget::Address(text) | AliasTarget::File(text) => f.write_str(text),
            AliasTarget::Include(path) => write!(f, ":include:{path}"),
            AliasTarget::Pipe(command) => write!(f, "|{command}"),
        }
    }
}

/// Error in an alias file.
#[derive(Debug, PartialEq, Eq)]
pub struct AliasFileError {
    /// Line number, counted from 1.
    pub line: usize,
    /// Reason, which continues a sentence that begins with the line.
    pub what: String,
}

/// Alias names and their targets. Names are case-insensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasTable(BTreeMap<String, Vec<AliasTarget>>);

impl AliasTable {
    /// Adds the entries of a file: `name: target, target`, with continuation lines that begin with a blank and comment
    /// lines that begin with `#`. A name that is already in the table keeps its targets.
    pub fn read(&mut self, text: &str) -> Result<(), AliasFileError> {
        let mut entry: Option<(usize, String)> = None;
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                if let Some((_, known)) = &mut entry {
                    known.push(' ');
                    known.push_str(line.trim());
                    continue;
                }
                return Err(AliasFileError {
                    line: index + 1,
                    what: "a continuation line without an entry before it".to_owned(),
                });
            }
            self.add(entry.replace((index + 1, line.to_owned())))?;
        }
        self.add(entry)
    }

    fn add(&mut self, entry: Option<(usize, String)>) -> Result<(), AliasFileError> {
        let Some((line, text)) = entry else { return Ok(()) };
        let bad = |what: &str| AliasFileError { line, what: what.to_owned() };
        let (name, rest) = split_name(&text).ok_or_else(|| bad("the entry is not of the form NAME: TARGETS"))?;
        let targets = targets(rest).map_err(|what| AliasFileError { line, what })?;
        if targets.is_empty() {
            return Err(bad("the entry has no targets"));
        }
        self.0.entry(name.to_ascii_lowercase()).or_insert(targets);
        Ok(())
    }

    /// Returns the targets of a name.
    pub fn get(&self, name: &str) -> Option<&[AliasTarget]> {
        self.0.get(&name.to_ascii_lowercase()).map(Vec::as_slice)
    }

    /// Returns true if the table has no aliases.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits `name: targets` or `"name": targets` into the name and the text after the colon.
fn split_name(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('"') {
        let (name, rest) = rest.split_once('"')?;
        return Some((name.to_owned(), rest.trim_start().strip_prefix(':')?));
    }
    let (name, rest) = text.split_once(':')?;
    let name = name.trim();
    (!name.is_empty() && !name.contains([' ', '\t'])).then(|| (name.to_owned(), rest))
}

/// Parses a comma-separated list of targets. Quotes keep commas and blanks in one target.
pub fn targets(text: &str) -> Result<Vec<AliasTarget>, String> {
    let mut targets = Vec::new();
    for item in items(text)? {
        if let Some(path) = item.strip_prefix(":include:") {
            targets.push(AliasTarget::Include(path.trim().to_owned()));
        } else if let Some(command) = item.strip_prefix('|') {
            targets.push(AliasTarget::Pipe(command.trim().to_owned()));
        } else if item.starts_with('/') {
            targets.push(AliasTarget::File(item));
        } else {
            // A leading backslash means "do not expand further". mspool expands no name twice anyway.
            let item = item.strip_prefix('\\').unwrap_or(&item);
            let addresses = list::parse(item).map_err(|error| format!("{} {error}", quoted(item)))?;
            targets.extend(addresses.into_iter().map(AliasTarget::Address));
        }
    }
    Ok(targets)
}

/// Splits a list at its commas. An item loses its quotes if a special character follows the first one.
fn items(text: &str) -> Result<Vec<String>, String> {
    let mut items = vec![String::new()];
    let mut quoted = false;
    let mut escaped = false;
    for c in text.chars() {
        if c == ',' && !quoted {
            items.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        if let Some(item) = items.last_mut() {
            item.push(c);
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    let bare = |item: String| {
        let item = item.trim().to_owned();
        let inner = item.strip_prefix('"').and_then(|item| item.strip_suffix('"'));
        match inner.filter(|inner| inner.starts_with(['|', '/', ':'])) {
            Some(inner) => inner.replace("\\\"", "\""),
            None => item,
        }
    };
    Ok(items.into_iter().map(bare).filter(|item| !item.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn aliases(text: &str) -> Result<AliasTable, AliasFileError> {
        let mut aliases = AliasTable::default();
        aliases.read(text).map(|()| aliases)
    }

    #[test]
    fn reads_the_usual_file() {
        let text = "# postmaster first\npostmaster: root\nRoot:\tjoe, bob@example.com,\n   \"Eve E\" <eve@x>\n\
                    list: :include:/etc/mail/list\narchive: /var/mail/archive, \"|/usr/bin/vacation -a \\\"me, too\\\" joe\"\n\
                    \"odd name\": joe\nroot: other\n";
        let found = aliases(text).unwrap();
        let address = |text: &str| AliasTarget::Address(text.to_owned());
        assert_eq!(found.get("POSTMASTER").unwrap(), [address("root")]);
        assert_eq!(found.get("root").unwrap(), [address("joe"), address("bob@example.com"), address("eve@x")]);
        assert_eq!(found.get("list").unwrap(), [AliasTarget::Include("/etc/mail/list".into())]);
        assert_eq!(
            found.get("archive").unwrap(),
            [
                AliasTarget::File("/var/mail/archive".into()),
                AliasTarget::Pipe("/usr/bin/vacation -a \"me, too\" joe".into())
            ]
        );
        assert!(found.get("odd name").is_some() && found.get("nobody").is_none());
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, line) in [("  x\n", 1), ("a: b\nno colon\n", 2), ("\na:\n", 2), ("a: \"b\n", 1), ("a: b c d\n", 1)] {
            assert_eq!(aliases(text).unwrap_err().line, line, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}\n?[ :,|\"\\\\/#a-c\n]{0,40}") {
            let _ = aliases(&text);
        }
    }
}
