//! Files and directories of a spool, and single changes of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Number of a file, which may have several names.
pub type Inode = u32;

/// One change that becomes durable as a whole.
#[derive(Clone, Debug)]
pub enum Change {
    Add(PathBuf, Inode),
    Move(PathBuf, PathBuf, Inode),
    Remove(PathBuf),
    MakeDirectory(PathBuf),
    RemoveDirectory(PathBuf),
    /// Length of a file at least. Content that is missing reads as zeros.
    Extend(Inode, u64),
    Resize(Inode, u64),
    Content(Inode, u64, Rc<[u8]>),
}

impl Change {
    /// Names that the change is about.
    pub fn names(&self) -> Vec<&Path> {
        match self {
            Change::Add(path, _)
            | Change::Remove(path)
            | Change::MakeDirectory(path)
            | Change::RemoveDirectory(path) => vec![path],
            Change::Move(from, to, _) => vec![from, to],
            Change::Extend(..) | Change::Resize(..) | Change::Content(..) => Vec::new(),
        }
    }

    /// Returns the file whose content or length changes.
    pub fn content_of(&self) -> Option<Inode> {
        match self {
            Change::Extend(inode, _) | Change::Resize(inode, _) | Change::Content(inode, ..) => Some(*inode),
            _ => None,
        }
    }

    /// Returns the file that gets a name.
    pub fn name_of(&self) -> Option<Inode> {
        if let Change::Add(_, inode) | Change::Move(_, _, inode) = self { Some(*inode) } else { None }
    }
}

/// Files and directories of a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Image {
    pub names: BTreeMap<PathBuf, Inode>,
    pub contents: BTreeMap<Inode, Vec<u8>>,
    directories: BTreeSet<PathBuf>,
}

impl Image {
    /// Reads a directory.
    pub fn read(root: &Path) -> Image {
        let mut image = Image::default();
        image.read_directory(root);
        image
    }

    fn read_directory(&mut self, directory: &Path) {
        self.directories.insert(directory.to_owned());
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.read_directory(&path);
            } else {
                let inode = self.contents.len() as Inode;
                self.contents.insert(inode, fs::read(&path).unwrap());
                self.names.insert(path, inode);
            }
        }
    }

    /// Replaces a directory by the image. Two names of one file become hard links.
    pub fn write(&self, root: &Path) {
        fs::remove_dir_all(root).unwrap();
        for directory in &self.directories {
            if directory == root || directory.parent().is_some_and(Path::is_dir) {
                fs::create_dir(directory).unwrap();
                fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
            }
        }
        let mut written: HashMap<Inode, &Path> = HashMap::new();
        for (path, inode) in self.names.iter().filter(|(path, _)| path.parent().is_some_and(Path::is_dir)) {
            if let Some(other) = written.get(inode) {
                fs::hard_link(other, path).unwrap();
                continue;
            }
            fs::write(path, self.contents.get(inode).map_or(&[][..], Vec::as_slice)).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            written.insert(*inode, path);
        }
    }

    /// Makes a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Add(path, inode) => {
                self.names.insert(path.clone(), *inode);
            }
            Change::Move(from, to, inode) => {
                self.names.remove(from);
                self.names.insert(to.clone(), *inode);
            }
            Change::Remove(path) => {
                self.names.remove(path);
            }
            Change::MakeDirectory(path) => {
                self.directories.insert(path.clone());
            }
            Change::RemoveDirectory(path) => {
                self.directories.remove(path);
            }
            Change::Extend(inode, len) => {
                let content = self.contents.entry(*inode).or_default();
                content.resize(content.len().max(*len as usize), 0);
            }
            Change::Resize(inode, len) => self.contents.entry(*inode).or_default().resize(*len as usize, 0),
            Change::Content(inode, offset, bytes) => {
                let content = self.contents.entry(*inode).or_default();
                let start = content.len().min(*offset as usize);
                let end = content.len().min(start + bytes.len());
                content[start..end].copy_from_slice(&bytes[..end - start]);
            }
        }
    }

    /// Removes contents without a name, so that equal states compare equal.
    pub fn without_orphans(mut self) -> Image {
        let named: BTreeSet<Inode> = self.names.values().copied().collect();
        self.contents.retain(|inode, _| named.contains(inode));
        self
    }
}

impl Image {
    /// Returns the files that differ from another image, with their lengths.
    pub fn difference(&self, base: &Image) -> String {
        let length = |image: &Image, path: &Path| {
            let inode = image.names.get(path)?;
            Some(image.contents.get(inode).map_or(0, Vec::len))
        };
        let paths: BTreeSet<&PathBuf> = self.names.keys().chain(base.names.keys()).collect();
        let changed = paths.into_iter().filter(|path| length(self, path) != length(base, path));
        let texts = changed.map(|path| match length(self, path) {
            Some(length) => format!("{} of {length} bytes", path.display()),
            None => format!("no {}", path.display()),
        });
        texts.collect::<Vec<_>>().join(", ")
    }
}
