//! Message classes: what kind of thing a message is, and the folder that takes things of its kind.

use crate::mail::message::folder::Folder;

/// The class of ordinary mail.
pub const MAIL: &str = "mail";

/// Which folder takes which message class: the longest prefix decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassFolders(Vec<(String, Folder)>);

impl ClassFolders {
    /// From prefixes and folders. Case does not count.
    pub fn new(folders: impl IntoIterator<Item = (String, Folder)>) -> ClassFolders {
        let mut folders: Vec<_> =
            folders.into_iter().map(|(prefix, folder)| (prefix.to_ascii_lowercase(), folder)).collect();
        folders.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        ClassFolders(folders)
    }

    /// The folder for a class, and the prefix that decided; the inbox where none does.
    pub fn of(&self, class: &str) -> (Folder, Option<&str>) {
        let class = class.to_ascii_lowercase();
        let rule = self.0.iter().find(|(prefix, _)| class.starts_with(prefix.as_str()));
        rule.map_or((Folder::inbox(), None), |(prefix, folder)| (folder.clone(), Some(prefix)))
    }

    /// All rules, the longest prefix first.
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
