//! Modules of a crate, and the names that each of them defines or imports.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Span;
use syn::{Attribute, Item, ItemUse, Meta, UseTree};

use super::Source;
/// Segments of a path. A leading `::` is an empty first segment.
pub type Segments = Vec<String>;

/// Meaning of a name in a module.
#[derive(Clone, Debug)]
pub enum Name {
    Module(usize),
    Item,
    Import(Segments),
}

#[derive(Default)]
pub struct Module {
    pub file: String,
    pub parent: Option<usize>,
    pub names: BTreeMap<String, Vec<Name>>,
    /// Paths of the globs: `use path::*`.
    pub globs: Vec<Segments>,
    pub items: Vec<Item>,
    /// True for a module with a file of its own.
    pub is_file: bool,
}

/// One leaf of a `use`: its path, the name that it gives, and its place. A glob gives no name.
pub struct Leaf {
    pub path: Segments,
    pub name: Option<String>,
    pub span: Span,
}

pub struct CrateNames {
    pub own_name: String,
    pub modules: Vec<Module>,
    pub foreign: BTreeSet<String>,
    pub orphans: BTreeSet<String>,
    /// Macros that are found at the root too, by the module that defines each.
    exported_macros: Vec<(usize, String)>,
}

impl CrateNames {
    pub fn collect(own_name: &str, sources: &[Source], foreign: &[String]) -> CrateNames {
        let mut names = CrateNames {
            own_name: own_name.to_owned(),
            modules: Vec::new(),
            foreign: foreign.iter().cloned().collect(),
            orphans: sources.iter().map(|source| source.name.clone()).collect(),
            exported_macros: Vec::new(),
        };
        // The library comes first: module 0 is its root.
        for root in ["lib.rs", "main.rs"] {
            if let Some(source) = sources.iter().find(|source| source.name == root) {
                names.add_file(source, None, "", sources);
            }
        }
        // Now every module has its name in its parent.
        for (module, name) in std::mem::take(&mut names.exported_macros) {
            let path = names.path_of(module).chain([name.clone()]).collect();
            names.define(0, name, Name::Import(path));
        }
        names
    }

    pub fn roots_of_files(&self) -> impl Iterator<Item = usize> {
        (0..self.modules.len()).filter(|module| self.modules[*module].is_file)
    }

    fn add_file(&mut self, source: &Source, parent: Option<usize>, directory: &str, sources: &[Source]) -> usize {
        let file = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.name));
        self.orphans.remove(&source.name);
        let module = Module { file: source.name.clone(), parent, is_file: true, ..Module::default() };
        self.add_module(module, file.items, directory, sources)
    }

    fn add_module(&mut self, module: Module, items: Vec<Item>, directory: &str, sources: &[Source]) -> usize {
        let index = self.modules.len();
        let file = module.file.clone();
        self.modules.push(module);
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let below = format!("{directory}{name}/");
                    let child = match &inner.content {
                        Some((_, items)) => {
                            let child = Module { file: file.clone(), parent: Some(index), ..Module::default() };
                            self.add_module(child, items.clone(), &below, sources)
                        }
                        None => {
                            let places = [format!("{directory}{name}.rs"), format!("{below}mod.rs")];
                            let source = sources.iter().find(|source| places.contains(&source.name));
                            let source = source.unwrap_or_else(|| panic!("{file}: there is no file for mod {name}"));
                            self.add_file(source, Some(index), &below, sources)
                        }
                    };
                    self.define(index, name, Name::Module(child));
                }
                Item::Use(item) => {
                    for leaf in leaves(item) {
                        match leaf.name {
                            Some(name) => self.define(index, name, Name::Import(leaf.path)),
                            None => self.modules[index].globs.push(leaf.path),
                        }
                    }
                }
                Item::Macro(item) => {
                    let Some(ident) = &item.ident else {
                        // An invocation such as `index_type! { /// …  RecipientIndex }` defines the type it ends with.
                        if let Some(proc_macro2::TokenTree::Ident(ident)) = item.mac.tokens.clone().into_iter().last() {
                            self.define(index, ident.to_string(), Name::Item);
                        }
                        continue;
                    };
                    self.define(index, ident.to_string(), Name::Item);
                    if index != 0 && item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) {
                        self.exported_macros.push((index, ident.to_string()));
                    }
                }
                item => {
                    if let Some(name) = name_of(item) {
                        self.define(index, name, Name::Item);
                    }
                }
            }
        }
        self.modules[index].items = items;
        index
    }

    fn define(&mut self, module: usize, name: String, meaning: Name) {
        self.modules[module].names.entry(name).or_default().push(meaning);
    }

    /// Path of a module from the root: `crate`, `spool`, `claim`.
    fn path_of(&self, module: usize) -> impl Iterator<Item = String> + use<> {
        let mut path = Vec::new();
        let mut at = module;
        while let Some(parent) = self.modules[at].parent {
            let is_child =
                |meanings: &Vec<Name>| meanings.iter().any(|name| matches!(name, Name::Module(m) if *m == at));
            path.extend(
                self.modules[parent].names.iter().find(|(_, names)| is_child(names)).map(|(name, _)| name.clone()),
            );
            at = parent;
        }
        path.push("crate".to_owned());
        path.into_iter().rev()
    }
}

/// Leaves of a `use`, with `self` at the end of a group left out of the path.
pub fn leaves(item: &ItemUse) -> Vec<Leaf> {
    fn walk(tree: &UseTree, path: &Segments, leaves: &mut Vec<Leaf>) {
        let mut leaf = |ident: &proc_macro2::Ident, name: String| {
            let is_self = ident == "self" && !path.is_empty();
            let path = path.iter().cloned().chain((!is_self).then(|| plain(ident))).collect();
            leaves.push(Leaf { path, name: Some(name), span: ident.span() });
        };
        match tree {
            UseTree::Path(inner) => {
                let path = path.iter().cloned().chain([plain(&inner.ident)]).collect();
                walk(&inner.tree, &path, leaves);
            }
            UseTree::Name(inner) if inner.ident == "self" => {
                leaf(&inner.ident, path.last().cloned().unwrap_or_default());
            }
            UseTree::Name(inner) => leaf(&inner.ident, plain(&inner.ident)),
            UseTree::Rename(inner) => leaf(&inner.ident, plain(&inner.rename)),
            UseTree::Glob(inner) => {
                let span = inner.star_token.spans[0];
                leaves.push(Leaf { path: path.clone(), name: None, span });
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, path, leaves)),
        }
    }
    let mut found = Vec::new();
    let start = item.leading_colon.iter().map(|_| String::new()).collect();
    walk(&item.tree, &start, &mut found);
    found
}

/// An identifier without the `r#` of a raw one.
pub fn plain(ident: &proc_macro2::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// Name that an item defines.
pub fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::ExternCrate(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(plain(ident))
}

/// Attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// True for code that only tests have: under `#[cfg(test)]` or `#[test]`.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let words = list.tokens.to_string();
            let is_word =
                |word: &str| word.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == "test");
            list.path.is_ident("cfg") && is_word(&words) && !words.contains("not") && !words.contains("any")
        }
        Meta::NameValue(_) => false,
    })
}
