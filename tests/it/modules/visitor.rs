//! Walk through the code of a file that collects its references.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, Item, ItemMod, ItemUse, Meta, Stmt, Token};

use super::methods::{Methods, TypeName, type_name};
use super::names::{CrateNames, Name, attributes, is_test, leaves, name_of, plain};
use super::resolve::{Scope, Target};
use super::{Edge, Foreign, Graph};

/// Adds the references of a file, inline modules included.
pub fn visit_file(names: &CrateNames, methods: &Methods, module: usize, graph: &mut Graph) {
    let scopes = Vec::new();
    let mut visitor = Visitor { names, methods, module, scopes, self_type: None, graph, is_in_attribute: false };
    names.modules[module].items.iter().for_each(|item| visitor.visit_item(item));
}

struct Visitor<'a> {
    names: &'a CrateNames,
    methods: &'a Methods,
    module: usize,
    scopes: Vec<Scope>,
    /// Type of the `impl` around the code.
    self_type: Option<TypeName>,
    graph: &'a mut Graph,
    is_in_attribute: bool,
}

impl Visitor<'_> {
    fn file(&self) -> &str {
        &self.names.modules[self.module].file
    }

    fn add(&mut self, path: &[String], span: Span, is_import: bool) {
        let target = match path {
            // What is imported by name is an edge at its `use` already.
            [name] if !is_import => self.names.resolve_by_glob(self.module, &self.scopes, name),
            _ => Some(self.names.resolve(self.module, &self.scopes, path)),
        };
        if let (Some("Self"), Some(of_type)) = (path.first().map(String::as_str), self.self_type.clone()) {
            self.add_method(&of_type, path.last().map_or("", String::as_str), span);
        } else if let Some(Target::Item(module, name)) = &target {
            self.add_method(&(*module, name.clone()), path.last().map_or("", String::as_str), span);
        }
        let line = span.start().line;
        let from = self.file().to_owned();
        let (to, name, is_module) = match target {
            None | Some(Target::Local) => return,
            Some(Target::Foreign(krate)) => {
                self.graph.foreign.insert(Foreign { from, krate, line });
                return;
            }
            Some(Target::Missing) => {
                self.graph.unresolved.insert(format!("{from}:{line}: {}", path.join("::")));
                return;
            }
            Some(Target::Module(module)) => (module, path.last().cloned().unwrap_or_default(), true),
            Some(Target::Item(module, name)) => (module, name, false),
        };
        let to = self.names.modules[to].file.clone();
        if to != from {
            self.graph.edges.insert(Edge { from, to, name, line, is_module });
        }
    }

    /// Adds the file that defines a method, if the type has it.
    fn add_method(&mut self, of_type: &TypeName, method: &str, span: Span) {
        // A method beside its type is no dependency of its own.
        let Some(module) = self.methods.module_of(of_type, method).filter(|module| *module != of_type.0) else {
            return;
        };
        let (from, to) = (self.file().to_owned(), self.names.modules[module].file.clone());
        if from != to {
            let (name, line) = (format!("{}::{method}", of_type.1), span.start().line);
            self.graph.edges.insert(Edge { from, to, name, line, is_module: false });
        }
    }

    fn add_import(&mut self, item: &ItemUse) {
        for leaf in leaves(item) {
            if leaf.name.is_none()
                && matches!(self.names.resolve(self.module, &self.scopes, &leaf.path), Target::Module(_))
            {
                self.graph.globs.insert(format!("{}:{}", self.file(), leaf.span.start().line));
            }
            self.add(&leaf.path, leaf.span, true);
        }
    }

    /// Collects the paths of tokens that are no code by themselves: identifiers with `::` between them.
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is_colons = |at: usize| {
            let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
            colon(at) && colon(at + 1)
        };
        let is_end_of_path = |at: usize| match &tokens[at] {
            TokenTree::Ident(_) => true,
            TokenTree::Punct(punct) => punct.as_char() == '>',
            _ => false,
        };
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.scan_code(group.stream()),
                TokenTree::Ident(ident) => {
                    let is_after_colons = at >= 2 && is_colons(at - 2);
                    // The tail of `Vec::<T>::new` is no path of its own.
                    let is_tail = is_after_colons && at >= 3 && is_end_of_path(at - 3);
                    let mut path: Vec<String> = is_after_colons.then(String::new).into_iter().collect();
                    path.push(plain(ident));
                    while is_colons(at + 1)
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                    {
                        path.push(plain(next));
                        at += 3;
                    }
                    if !is_tail {
                        self.add(&path, ident.span(), false);
                    }
                }
                TokenTree::Literal(literal) if self.is_in_attribute => {
                    // As in `#[serde(with = "crate::mail::time")]`.
                    let path = syn::parse_str::<syn::LitStr>(&literal.to_string()).ok();
                    let path = path.filter(|text| text.value().contains("::")).and_then(|text| text.parse().ok());
                    if let Some(path) = path {
                        self.visit_path(&path);
                    }
                }
                TokenTree::Literal(_) | TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }

    /// Reads tokens as statements or as a list of expressions, and scans them where they are neither.
    fn scan_code(&mut self, tokens: TokenStream) {
        if let Ok(statements) = Block::parse_within.parse2(tokens.clone()) {
            self.visit_statements(&statements);
        } else if let Ok(list) = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone()) {
            list.iter().for_each(|expression| self.visit_expr(expression));
        } else {
            self.scan(tokens);
        }
    }

    fn visit_statements(&mut self, statements: &[Stmt]) {
        let mut scope = Scope::default();
        for statement in statements {
            let Stmt::Item(item) = statement else { continue };
            if let Item::Use(item) = item {
                for leaf in leaves(item) {
                    match leaf.name {
                        Some(name) => scope.names.push((name, Some(leaf.path))),
                        None => scope.globs.push(leaf.path),
                    }
                }
            }
            scope.names.extend(name_of(item).map(|name| (name, None)));
        }
        self.scopes.push(scope);
        statements.iter().for_each(|statement| self.visit_stmt(statement));
        self.scopes.pop();
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = plain(&item.ident);
        let meanings = self.names.modules[self.module].names.get(&name);
        let child = meanings.into_iter().flatten().find_map(|name| match name {
            Name::Module(child) => Some(*child),
            _ => None,
        });
        let (Some((_, items)), Some(child)) = (&item.content, child) else { return };
        let outer = (std::mem::replace(&mut self.module, child), std::mem::take(&mut self.scopes));
        items.iter().for_each(|item| self.visit_item(item));
        (self.module, self.scopes) = outer;
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let of_type = type_name(self.names, self.module, &self.scopes, &item.self_ty);
        let outer = std::mem::replace(&mut self.self_type, of_type);
        visit::visit_item_impl(self, item);
        self.self_type = outer;
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let is_self = matches!(&*call.receiver, Expr::Path(receiver) if receiver.path.is_ident("self"));
        if let Some(of_type) = self.self_type.clone().filter(|_| is_self) {
            self.add_method(&of_type, &plain(&call.method), call.method.span());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_import(item);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.visit_statements(&block.stmts);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let leading = path.leading_colon.iter().map(|_| String::new());
        let segments: Vec<String> = leading.chain(path.segments.iter().map(|segment| plain(&segment.ident))).collect();
        if let Some(first) = path.segments.first() {
            self.add(&segments, first.ident.span(), false);
        }
        visit::visit_path(self, path);
    }

    /// `pub(in crate::spool)` uses nothing.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.is_in_attribute = true;
            self.scan(list.tokens.clone());
            self.is_in_attribute = false;
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.scan_code(call.tokens.clone());
    }
}
