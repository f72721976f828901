//! String literals of the program's code, without those of tests and comments.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Source;
use super::names::attributes;
use super::visitor::is_test;

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
