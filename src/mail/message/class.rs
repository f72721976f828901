//! Message classes and the folders that they are filed in.

use crate::mail::message::folder::Folder;

/// Class of ordinary mail.
pub const MAIL: &str = "mail";

/// Folders by message class. The longest matching prefix applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassFolders(Vec<(String, Folder)>);

impl ClassFolders {
    /// Builds the rules from class prefixes and folders. Prefixes are case-insensitive.
    pub fn new(folders: impl IntoIterator<Item = (String, Folder)>) -> ClassFolders {
        let mut folders: Vec<_> =
            folders.into_iter().map(|(prefix, folder)| (prefix.to_ascii_lowercase(), folder)).collect();
        folders.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        ClassFolders(folders)
    }

    /// Returns the folder for a class and the prefix that matched; the inbox if none matches.
    pub fn of(&self, class: &str) -> (Folder, Option<&str>) {
        let class = class.to_ascii_lowercase();
        let rule = self.0.iter().find(|(prefix, _)| class.starts_with(prefix.as_str()));
        rule.map_or((Folder::inbox(), None), |(prefix, folder)| (folder.clone(), Some(prefix)))
    }

    /// Returns all rules, the longest prefix first.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Folder)> {
        self.0.iter().map(|(prefix, folder)| (prefix.as_str(), folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides() {
        let folder = |name: &str| Folder::parse(name).unwrap();
        let rules = [("report.", "Reports"), ("Report.Mail.DSN.failed", "Bounces"), ("report.mail.mdn", "INBOX")];
        let folders = ClassFolders::new(rules.map(|(prefix, name)| (prefix.to_owned(), folder(name))));
        assert_eq!(folders.of("report.mail.dsn.failed").0, folder("Bounces"));
        assert_eq!(folders.of("report.mail.dsn.delayed"), (folder("Reports"), Some("report.")));
        assert_eq!(folders.of("report.mail.mdn.read").0, Folder::inbox());
        assert_eq!(folders.of("mail"), (Folder::inbox(), None));
    }
}
