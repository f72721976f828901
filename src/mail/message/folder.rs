//! Folders of a Maildir (Maildir++), with names that cannot leave the Maildir.

use std::fmt;

/// Maximum length of a folder name, in bytes, because it becomes a file name.
const LONGEST: usize = 200;

/// Folder of the store: the inbox, or `.Name.Sub` inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Folder(String);

/// Error for a text that is not a folder name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderError;

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a folder: use a name such as Lists.rust, without / and without empty parts")
    }
}

impl std::error::Error for FolderError {}

impl Folder {
    /// Returns the inbox, which is the Maildir itself.
    pub fn inbox() -> Folder {
        Folder::default()
    }

    /// Parses `Name`, `.Name` or `Name.Sub`. An empty text, `.` and `INBOX` are the inbox.
    pub fn parse(text: &str) -> Result<Folder, FolderError> {
        let text = text.trim();
        if text.is_empty() || text == "." || text.eq_ignore_ascii_case("INBOX") {
            return Ok(Folder::inbox());
        }
        let name = text.strip_prefix('.').unwrap_or(text);
        let safe = !name.contains('/') && !name.chars().any(char::is_control) && name.len() < LONGEST;
        let parts = name.split('.').all(|part| !part.trim().is_empty());
        if safe && parts { Ok(Folder(format!(".{name}"))) } else { Err(FolderError) }
    }

    /// Returns the directory inside the Maildir, `.Name.Sub`; `None` for the inbox.
    pub fn directory(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&self.0)
    }

    /// Returns the name for messages and logs; empty for the inbox.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_what_they_are() {
        for (text, directory) in [
            ("Reports", Some(".Reports")),
            (".Reports", Some(".Reports")),
            ("A.b c", Some(".A.b c")),
            ("INBOX", None),
            ("", None),
        ] {
            assert_eq!(Folder::parse(text).unwrap().directory(), directory, "{text}");
        }
        for text in ["..", "a..b", "../x", "a/b", "/etc", ".a.", "a\nb", "a\0", "...", ". .", "x/../../y"] {
            assert_eq!(Folder::parse(text), Err(FolderError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_folder_leads_out(text in ".{0,40}") {
            if let Ok(folder) = Folder::parse(&text) {
                let directory = folder.directory().unwrap_or(".x");
                prop_assert!(directory.starts_with('.') && directory != "." && !directory.starts_with(".."));
                prop_assert!(!directory.contains('/') && !directory.contains('\0'));
            }
        }
    }
}
