//! String literals of the program's code, without those of tests and comments.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Source;
use super::names::{attributes, is_test};

/// String literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub line: usize,
    pub value: String,
    /// Name of the outermost macro that the literal is an argument of.
    pub in_macro: Option<String>,
}

/// Collects the string literals of a file, and a [`Text`] without value for each macro call.
pub fn texts(source: &Source) -> Vec<Text> {
    let file = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.name));
    let mut collector = Collector::default();
    collector.visit_file(&file);
    collector.texts
}

#[derive(Default)]
struct Collector {
    texts: Vec<Text>,
}

impl Collector {
    fn add_tokens(&mut self, tokens: TokenStream, in_macro: &str) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream(), in_macro),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                        let line = literal.span().start().line;
                        self.texts.push(Text { line, value: text.value(), in_macro: Some(in_macro.to_owned()) });
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.texts.push(Text { line: text.span().start().line, value: text.value(), in_macro: None });
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let Some(last) = call.path.segments.last() else { return };
        let (name, line) = (last.ident.to_string(), last.ident.span().start().line);
        self.texts.push(Text { line, value: String::new(), in_macro: Some(name.clone()) });
        self.add_tokens(call.tokens.clone(), &name);
    }
}

/// Reads an enum and the method that gives a number for each variant. Returns the number of variants, and the numbers
/// as they are written.
pub fn statuses(sources: &[Source], of_enum: &str, method: &str) -> (usize, Vec<String>) {
    let mut found = (0, Vec::new());
    for source in sources {
        let file = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.name));
        for item in &file.items {
            match item {
                syn::Item::Enum(item) if item.ident == of_enum => found.0 = item.variants.len(),
                syn::Item::Impl(item) if is_named(&item.self_ty, of_enum) => {
                    let methods = item.items.iter().filter_map(|item| match item {
                        syn::ImplItem::Fn(function) if function.sig.ident == method => Some(function),
                        _ => None,
                    });
                    let mut numbers = Numbers::default();
                    methods.for_each(|function| numbers.visit_impl_item_fn(function));
                    found.1.extend(numbers.0);
                }
                _ => {}
            }
        }
    }
    found
}

fn is_named(kind: &syn::Type, name: &str) -> bool {
    matches!(kind, syn::Type::Path(kind) if kind.path.is_ident(name))
}

/// Numbers that the arms of a `match` give.
#[derive(Default)]
struct Numbers(Vec<String>);

impl<'ast> Visit<'ast> for Numbers {
    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(number), .. }) = &*arm.body {
            self.0.push(number.base10_digits().to_owned());
        }
    }
}
