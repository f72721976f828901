//! Resolution of paths: from the segments of a path to the file that defines the item.

use std::collections::BTreeSet;

use super::names::{CrateNames, Name, Segments};

/// Imports and items of the blocks around a path, the innermost last.
#[derive(Debug, Default)]
pub struct Scope {
    /// Names with the path that they import, or `None` for an item of the block.
    pub names: Vec<(String, Option<Segments>)>,
    pub globs: Vec<Segments>,
}

/// Target of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Module(usize),
    /// Item of a module.
    Item(usize, String),
    /// Another crate.
    Foreign(String),
    /// A local name, a type parameter, a primitive type or a name of the prelude.
    Local,
    /// A path into the crate without an item at its end.
    Missing,
}

/// Imports that are being followed. A path that comes back to one of them means something else by the name.
type Followed = BTreeSet<(usize, String)>;

impl CrateNames {
    /// Resolves a path that stands in `module`, inside blocks with these scopes.
    pub fn resolve(&self, module: usize, scopes: &[Scope], path: &[String]) -> Target {
        self.start(module, scopes, path, &mut Followed::new())
    }

    /// Resolves a name without `::` that only a glob can have brought here.
    pub fn resolve_by_glob(&self, module: usize, scopes: &[Scope], name: &str) -> Option<Target> {
        let in_scopes = scopes.iter().any(|scope| scope.names.iter().any(|(known, _)| known == name));
        if in_scopes || self.modules[module].names.contains_key(name) {
            return None;
        }
        let path = [name.to_owned()];
        let target = scopes
            .iter()
            .rev()
            .find_map(|scope| self.through_globs(module, &scope.globs, scopes, &path, &mut Followed::new()));
        target.or_else(|| self.through_globs(module, &self.modules[module].globs, &[], &path, &mut Followed::new()))
    }

    fn start(&self, module: usize, scopes: &[Scope], path: &[String], followed: &mut Followed) -> Target {
        let Some((first, rest)) = path.split_first() else { return Target::Module(module) };
        match first.as_str() {
            "crate" => return self.walk(self.root(module), rest, followed),
            "self" => return self.walk(module, rest, followed),
            "super" => {
                let Some(parent) = self.modules[module].parent else { return Target::Missing };
                // `super::super` goes on from the parent.
                let again = rest.first().is_some_and(|next| next == "super");
                return if again { self.start(parent, &[], rest, followed) } else { self.walk(parent, rest, followed) };
            }
            "" => return rest.first().map_or(Target::Local, |krate| self.of_other_crate(krate, &rest[1..], followed)),
            _ => {}
        }
        for (depth, scope) in scopes.iter().enumerate().rev() {
            let scopes = &scopes[..=depth];
            if let Some((_, import)) = scope.names.iter().find(|(name, _)| name == first) {
                let Some(import) = import else { return Target::Local };
                let key = (module, format!("{depth} {first}"));
                if followed.insert(key.clone()) {
                    let target = self.start(module, scopes, &join(import, rest), followed);
                    followed.remove(&key);
                    return target;
                }
            }
            if let Some(target) = self.through_globs(module, &scope.globs, scopes, path, followed) {
                return target;
            }
        }
        match self.by_name(module, path, followed) {
            Some(target) => target,
            None => self.of_other_crate(first, rest, followed),
        }
    }

    fn of_other_crate(&self, krate: &str, rest: &[String], followed: &mut Followed) -> Target {
        if krate == self.own_name {
            return self.walk(0, rest, followed);
        }
        if self.foreign.contains(krate) { Target::Foreign(krate.to_owned()) } else { Target::Local }
    }

    fn walk(&self, module: usize, path: &[String], followed: &mut Followed) -> Target {
        if path.is_empty() {
            return Target::Module(module);
        }
        self.by_name(module, path, followed).unwrap_or(Target::Missing)
    }

    /// Resolves a path whose first segment is a name of this module.
    fn by_name(&self, module: usize, path: &[String], followed: &mut Followed) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let meanings = self.modules[module].names.get(first).map_or(&[][..], Vec::as_slice);
        // A module and a function can share a name: a longer path means the module.
        let rank = |name: &&Name| match name {
            Name::Module(_) => usize::from(rest.is_empty()) * 2,
            Name::Import(_) => 1,
            Name::Item => usize::from(!rest.is_empty()) * 2,
        };
        let mut ordered: Vec<&Name> = meanings.iter().collect();
        ordered.sort_by_key(rank);
        for meaning in ordered {
            match meaning {
                Name::Module(child) => return Some(self.walk(*child, rest, followed)),
                Name::Item => return Some(Target::Item(module, first.clone())),
                Name::Import(import) => {
                    if !followed.insert((module, first.clone())) {
                        continue;
                    }
                    let target = self.start(module, &[], &join(import, rest), followed);
                    followed.remove(&(module, first.clone()));
                    return Some(target);
                }
            }
        }
        self.through_globs(module, &self.modules[module].globs, &[], path, followed)
    }

    fn through_globs(
        &self,
        module: usize,
        globs: &[Segments],
        scopes: &[Scope],
        path: &[String],
        followed: &mut Followed,
    ) -> Option<Target> {
        globs.iter().find_map(|glob| {
            let key = (module, format!("{}::*", glob.join("::")));
            if !followed.insert(key.clone()) {
                return None;
            }
            let target = match self.start(module, scopes, glob, followed) {
                Target::Module(other) => self.by_name(other, path, followed),
                _ => None,
            };
            followed.remove(&key);
            target
        })
    }

    fn root(&self, module: usize) -> usize {
        let mut at = module;
        while let Some(parent) = self.modules[at].parent {
            at = parent;
        }
        at
    }
}

fn join(import: &[String], rest: &[String]) -> Segments {
    import.iter().chain(rest).cloned().collect()
}
