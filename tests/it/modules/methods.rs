//! Methods of types, by the file of the `impl` that defines them. A type and its `impl` can stand in two files.

use std::collections::BTreeMap;

use syn::{ImplItem, Item, Type};

use super::names::{CrateNames, attributes, is_test, plain};
use super::resolve::{Scope, Target};

/// Type of the crate: its module and name.
pub type TypeName = (usize, String);

/// Modules of the `impl` blocks, by type and method.
#[derive(Default)]
pub struct Methods(BTreeMap<(TypeName, String), usize>);

impl Methods {
    /// Collects the methods of every `impl` that is not of a trait.
    pub fn collect(names: &CrateNames) -> Methods {
        let mut methods = Methods::default();
        for (module, content) in names.modules.iter().enumerate() {
            let items = content.items.iter().filter(|item| !is_test(attributes(item)));
            for item in items {
                let Item::Impl(block) = item else { continue };
                let Some(of_type) = type_name(names, module, &[], &block.self_ty) else { continue };
                for item in block.items.iter().filter(|_| block.trait_.is_none()) {
                    if let ImplItem::Fn(function) = item {
                        methods.0.insert((of_type.clone(), plain(&function.sig.ident)), module);
                    }
                }
            }
        }
        methods
    }

    pub fn module_of(&self, of_type: &TypeName, method: &str) -> Option<usize> {
        self.0.get(&(of_type.clone(), method.to_owned())).copied()
    }
}

/// Finds the type of the crate that a written type names.
pub fn type_name(names: &CrateNames, module: usize, scopes: &[Scope], written: &Type) -> Option<TypeName> {
    let Type::Path(written) = written else { return None };
    let path: Vec<String> = written.path.segments.iter().map(|segment| plain(&segment.ident)).collect();
    match names.resolve(module, scopes, &path) {
        Target::Item(module, name) => Some((module, name)),
        _ => None,
    }
}
