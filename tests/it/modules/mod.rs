//! Module graph of a crate, built from its sources: which file uses which other file, and which foreign crates.
//!
//! Every `use` counts, nested groups, renames and globs included, and so does every path in code, in attributes and in
//! the arguments of macros. A path leads to the file that defines the item, through every alias and every `pub use` on
//! the way. Code under `#[cfg(test)]` is left out. Of method calls, only those on `self` and by `Type::method` are seen:
//! they lead to the file of the `impl`.

mod circles;
mod examples;
mod methods;
mod names;
mod resolve;
mod rules;
mod texts;
mod visitor;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

pub use circles::circles;
pub use rules::{Layers, between_siblings, beyond_home, upward};
pub use texts::{Text, statuses, texts};

/// A source file: its path below `src`, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// Reference from a file to another file of the crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: String,
    pub to: String,
    /// Name of the item, or of the module.
    pub name: String,
    pub line: usize,
    /// True for a `use` that names a module only. The paths that go through it are edges of their own.
    pub is_module: bool,
}

/// Reference from a file to another crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foreign {
    pub from: String,
    pub krate: String,
    pub line: usize,
}

/// Module graph of a crate.
#[derive(Debug, Default)]
pub struct Graph {
    pub files: BTreeSet<String>,
    pub edges: BTreeSet<Edge>,
    pub foreign: BTreeSet<Foreign>,
    /// Places of globs that import all of a module, as `FILE:LINE`.
    pub globs: BTreeSet<String>,
    /// Paths into the crate whose item was not found, as `FILE:LINE: PATH`. Without them the graph has holes.
    pub unresolved: BTreeSet<String>,
    /// Files that no `mod` declares.
    pub orphans: BTreeSet<String>,
}

impl Graph {
    /// Builds the graph of a library named `own_name`, and of the binary in `main.rs` beside it.
    pub fn build(own_name: &str, sources: &[Source], foreign_crates: &[String]) -> Graph {
        let crate_names = names::CrateNames::collect(own_name, sources, foreign_crates);
        let files = sources.iter().map(|source| source.name.clone()).collect();
        let mut graph = Graph { files, orphans: crate_names.orphans.clone(), ..Graph::default() };
        let methods = methods::Methods::collect(&crate_names);
        for module in crate_names.roots_of_files() {
            visitor::visit_file(&crate_names, &methods, module, &mut graph);
        }
        graph
    }

    /// Names that each file uses of each other file, without mere imports of modules.
    pub fn uses(&self) -> BTreeMap<(&str, &str), BTreeSet<&str>> {
        let mut uses: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for edge in self.edges.iter().filter(|edge| !edge.is_module) {
            uses.entry((&edge.from, &edge.to)).or_default().insert(&edge.name);
        }
        uses
    }
}

/// Reads every Rust file below a directory.
pub fn read_sources(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                // A file of tests alone.
                if !text.contains("\n#![cfg(test)]\n") {
                    sources.push(Source { name, text });
                }
            }
        }
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    sources
}
