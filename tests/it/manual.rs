//! Entries of the manual pages: what a reader finds as a term of its own, not just somewhere in the text.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Macros of mdoc(7) that mark a word, as far as entries use them.
const MACROS: [&str; 12] = ["Ar", "Cm", "Dv", "Er", "Ev", "Fl", "Ic", "Li", "No", "Pa", "Va", "Xr"];

/// Manual page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Name of the file, such as `mspool.conf.5`.
    pub file: String,
    pub text: String,
    /// Names in its NAME section.
    pub names: Vec<String>,
    /// Pages that it refers to, without those under SEE ALSO.
    pub references: BTreeSet<String>,
    pub entries: Vec<Entry>,
}

/// Term of a list: a line `.It`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Section or subsection that the entry stands in.
    pub heading: String,
    /// Words with the macro that marks each; empty for plain words.
    pub words: Vec<(String, String)>,
}

impl Entry {
    /// True if one of these macros marks the word.
    pub fn has(&self, macros: &[&str], word: &str) -> bool {
        self.words.iter().any(|(marked, text)| macros.contains(&marked.as_str()) && text == word)
    }
}

impl Page {
    fn read(file: &str, text: &str) -> Page {
        let mut page = Page {
            file: file.to_owned(),
            text: text.to_owned(),
            names: Vec::new(),
            references: BTreeSet::new(),
            entries: Vec::new(),
        };
        let (mut section, mut heading) = (String::new(), String::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let (request, rest) = line.split_once(' ').unwrap_or((line, ""));
            match request {
                ".Sh" => (section, heading) = (rest.to_owned(), rest.to_owned()),
                ".Ss" => rest.clone_into(&mut heading),
                ".Nm" if section == "NAME" => page.names.extend(rest.split([' ', ',']).next().map(str::to_owned)),
                ".Xr" if section != "SEE ALSO" => page.references.extend(rest.split(' ').next().map(str::to_owned)),
                // A term of several lines stands between Xo and Xc.
                ".It" if rest == "Xo" => {
                    let term: Vec<&str> = lines.by_ref().take_while(|line| *line != ".Xc").collect();
                    let term = term.join(" ").replace(" .", " ");
                    page.entries.push(Entry { heading: heading.clone(), words: words(term.trim_start_matches('.')) });
                }
                ".It" => page.entries.push(Entry { heading: heading.clone(), words: words(rest) }),
                _ => {}
            }
        }
        page
    }

    /// True if one of these macros marks the word in an entry.
    pub fn has(&self, macros: &[&str], word: &str) -> bool {
        self.entries.iter().any(|entry| entry.has(macros, word))
    }

    /// True if the words of a command are a term: `.It Cm report log`.
    pub fn has_command(&self, command: &str) -> bool {
        let parts: Vec<&str> = command.split(' ').collect();
        self.entries.iter().any(|entry| {
            let marked = entry.words.iter().filter(|(mark, _)| ["Cm", "Ic"].contains(&mark.as_str()));
            let marked: Vec<&str> = marked.map(|(_, word)| word.as_str()).collect();
            marked.windows(parts.len()).any(|window| window == parts)
        })
    }
}

/// Words of an entry. In mdoc a macro holds for the words up to the next macro, and `Fl -x` and `Fl Fl x` are the same.
fn words(line: &str) -> Vec<(String, String)> {
    let line = line.replace("\\-", "-").replace("\\&", "");
    let mut words = Vec::new();
    let mut current = "";
    let mut is_long = false;
    for word in line.split(' ').map(|word| word.trim_matches(',')).filter(|word| !word.is_empty()) {
        if let Some(known) = MACROS.into_iter().find(|known| *known == word) {
            is_long = known == "Fl" && current == "Fl" && words.last().is_none_or(|(_, word)| word == "Fl");
            current = known;
        } else if is_long {
            words.push((current.to_owned(), format!("-{word}")));
        } else {
            words.push((current.to_owned(), word.to_owned()));
        }
    }
    words
}

/// Directory of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Reads every page in `man`.
pub fn pages() -> Vec<Page> {
    let files = fs::read_dir(root().join("man")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<Page> = files
        .map(|path| Page::read(path.file_name().unwrap().to_str().unwrap(), &fs::read_to_string(&path).unwrap()))
        .collect();
    pages.sort_by(|a, b| a.file.cmp(&b.file));
    pages
}

/// Pages about a command such as `report log`: those with `mspool-report` among their names, and those with a term
/// `.It Cm report log`; or all if no page has the name.
pub fn pages_of<'a>(pages: &'a [Page], words: &str) -> Vec<&'a Page> {
    let name = format!("mspool-{}", words.split(' ').next().unwrap_or_default());
    if !pages.iter().any(|page| page.names.contains(&name)) {
        return pages.iter().collect();
    }
    pages.iter().filter(|page| page.names.contains(&name) || page.has_command(words)).collect()
}

#[test]
fn entries_are_read_with_their_macros() {
    let text = ".Sh NAME\n.Nm a ,\n.Nm b\n.Sh X\n.Ss [queue]\n.It Fl f Ar sender , Fl -from Ar sender\n.Xr c 5 .\n\
                .It Ic connect , disconnect No = Ar command\n.It Xo\n.Fl A Ar mode ,\n.Fl h\n.Xc\n.It 0\n.Sh SEE ALSO\n.Xr d 1\n.It Fl Fl long\n";
    let page = Page::read("a.1", text);
    assert_eq!((page.names.len(), page.references.len()), (2, 1), "{page:?}");
    assert!(page.has(&["Fl"], "f") && page.has(&["Fl"], "-from") && page.has(&["Fl"], "-long"), "{page:?}");
    assert!(page.has(&["Ic"], "connect") && page.has(&["Ic"], "disconnect") && page.has(&[""], "0"), "{page:?}");
    assert!(!page.has(&["Ic"], "command") && !page.has(&["Fl"], "sender"), "{page:?}");
    assert!(page.has(&["Fl"], "A") && page.has(&["Fl"], "h"), "{page:?}");
    assert_eq!(page.entries[1].heading, "[queue]");
}
