//! Small made-up crates, and what the graph makes of them.

use super::{Graph, Layers, Source, between_siblings, beyond_home, circles, upward};

const LAYERS: Layers = &[&["sys", "mail"], &["spool", "output exit"], &["commands"], &["lib"]];

fn graph(files: &[(&str, &str)]) -> Graph {
    let sources: Vec<Source> =
        files.iter().map(|(name, text)| Source { name: (*name).to_owned(), text: (*text).to_owned() }).collect();
    Graph::build("own", &sources, &["anyhow".to_owned(), "clap".to_owned()])
}

/// Edges without their lines: `from -> to: name`.
fn edges(graph: &Graph) -> Vec<String> {
    let uses = graph.uses().into_iter();
    uses.flat_map(|((from, to), names)| names.into_iter().map(move |name| format!("{from} -> {to}: {name}"))).collect()
}

const LIB: (&str, &str) = ("lib.rs", "mod sys; mod commands;");
const SAY: (&str, &str) = ("commands/say.rs", "pub fn line() {}");
const COMMANDS: (&str, &str) = ("commands/mod.rs", "pub mod say;");

#[test]
fn an_upward_import_is_found_in_every_form() {
    let forms = [
        "use crate::{commands::say};",
        "use crate::{other, commands::{say::{self, line}}}; mod other {}",
        "use crate::commands::say::line as print; ",
        "use crate::commands as c; fn f() { c::say::line() }",
        "use super::commands::say::*; fn f() { line() }",
        "fn f() { crate::commands::say::line() }",
        "fn f() { own::commands::say::line() }",
        "fn f() { use crate::commands::say; say::line() }",
        "fn f() { println!(\"{}\", crate::commands::say::line()) }",
        "fn f() { matches!(x, crate::commands::say::line | 1 if true) }",
        "fn f() { outer!(inner => { vec![crate::commands::say::line()] }) }",
        "macro_rules! m { () => { $crate::commands::say::line() } }",
        "#[serde(with = \"crate::commands::say\")] struct S;",
        "#[derive(crate::commands::say::line)] struct S;",
        "struct S { field: Option<crate::commands::say::line> }",
        "impl crate::commands::say::line for S {} struct S;",
        "mod inner { pub use super::super::commands::say::line; }",
    ];
    for form in forms {
        let graph = graph(&[LIB, COMMANDS, SAY, ("sys.rs", form)]);
        assert_eq!(graph.unresolved.len(), usize::from(form.contains("other,")), "{form}: {:?}", graph.unresolved);
        let found = upward(&graph, LAYERS);
        let is_named = found.iter().any(|text| text.starts_with("sys.rs:1 uses") && text.contains("commands/say.rs"));
        assert!(is_named, "{form}: {found:?}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_none() {
    let forms = [
        "// crate::commands::say::line()",
        "const TEXT: &str = \"use crate::commands::say;\";",
        "/// [`crate::commands::say`]\npub fn f() {}",
        "#[cfg(test)] mod tests { use crate::commands::say::line; }",
        "#[cfg(test)] use crate::commands::say::line;",
        "pub(in crate) fn f() {}",
        "fn f() { let commands = 1; commands + commands; }",
        "fn f<T: Default>() -> T { T::default() }",
        "mod commands { pub mod say {} } use commands::say;",
    ];
    for form in forms {
        let graph = graph(&[LIB, COMMANDS, SAY, ("sys.rs", form)]);
        assert!(graph.edges.is_empty() && graph.unresolved.is_empty(), "{form}: {graph:?}");
    }
}

#[test]
fn a_path_leads_through_re_exports_to_the_definition() {
    let graph = graph(&[
        ("lib.rs", "mod a; mod b; pub use a::Deep as Renamed;"),
        ("a/mod.rs", "mod deep; pub use deep::*; pub use self::deep::Deep as Again; pub struct Own;"),
        ("a/deep.rs", "pub struct Deep; pub enum Kind { One } pub use Kind::*;"),
        ("b.rs", "use crate::{Renamed, a::{Again, Own}}; fn f() { crate::a::Kind::One; crate::a::Deep::new() }"),
    ]);
    let expected = [
        "a/mod.rs -> a/deep.rs: Deep",
        "b.rs -> a/deep.rs: Deep",
        "b.rs -> a/deep.rs: Kind",
        "b.rs -> a/mod.rs: Own",
        "lib.rs -> a/deep.rs: Deep",
    ];
    assert_eq!(edges(&graph), expected, "{:?}", graph.unresolved);
    assert_eq!(graph.globs.iter().collect::<Vec<_>>(), ["a/mod.rs:1"]);
}

#[test]
fn circles_are_found_at_any_length() {
    let of_three = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B as Other; pub struct A(Other);"),
        ("b.rs", "use crate::{c}; pub struct B(c::C);"),
        ("c.rs", "pub struct C; impl C { fn f() { super::a::A::new() } }"),
        ("d.rs", "use crate::a::A;"),
    ];
    let expected = "circle of 3 files: a.rs, b.rs, c.rs\n    a.rs -> b.rs: B\n    b.rs -> c.rs: C\n    c.rs -> a.rs: A";
    assert_eq!(circles(&graph(&of_three)), [expected]);
    let of_parent_and_child = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod child; fn f() { child::g() } pub struct A;"),
        ("a/child.rs", "use super::A; pub fn g() {}"),
    ];
    assert_eq!(circles(&graph(&of_parent_and_child)).len(), 1);
}

#[test]
fn a_method_leads_to_its_impl() {
    let graph = graph(&[
        ("lib.rs", "mod a; mod user;"),
        ("a/mod.rs", "mod more; pub struct A; impl A { fn f(&self) { self.g(); self.f(); Self::h() } }"),
        ("a/more.rs", "use super::A; impl A { pub fn g(&self) {} pub fn h() {} }"),
        ("user.rs", "fn f() { crate::a::A::h() }"),
    ]);
    let expected = [
        "a/mod.rs -> a/more.rs: A::g",
        "a/mod.rs -> a/more.rs: A::h",
        "a/more.rs -> a/mod.rs: A",
        "user.rs -> a/mod.rs: A",
        "user.rs -> a/more.rs: A::h",
    ];
    assert_eq!(edges(&graph), expected);
    assert_eq!(circles(&graph).len(), 1);
}

#[test]
fn a_declaration_is_no_circle() {
    let declared = [("lib.rs", "mod a;"), ("a/mod.rs", "mod child; pub struct A;"), ("a/child.rs", "use super::A;")];
    assert!(circles(&graph(&declared)).is_empty());
    let facade = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; mod c; pub use b::B;"),
        ("a/b.rs", "pub struct B;"),
        ("a/c.rs", "use super::B; use super::b;"),
    ];
    assert!(circles(&graph(&facade)).is_empty());
}

#[test]
fn layers_beside_each_other_and_commands_stay_apart() {
    let graph = graph(&[
        ("lib.rs", "mod sys; mod mail; mod output; mod exit; mod commands;"),
        ("sys.rs", "pub struct S;"),
        ("mail.rs", "use crate::sys::S;"),
        ("output.rs", "use crate::exit::Exit;"),
        ("exit.rs", "pub struct Exit;"),
        ("commands/mod.rs", "mod one; mod two; pub fn shared() {} "),
        ("commands/one.rs", "use super::shared; use super::two::part::P;"),
        ("commands/two/mod.rs", "pub mod part; use part::P;"),
        ("commands/two/part.rs", "pub struct P;"),
    ]);
    assert_eq!(upward(&graph, LAYERS), ["mail.rs:1 uses S of sys.rs, of a layer beside it"]);
    let between = between_siblings(&graph, "commands");
    assert_eq!(between, ["commands/one.rs:1 uses P of commands/two/part.rs, of another part of commands"]);
}

#[test]
fn foreign_crates_are_found_behind_names_like_theirs() {
    let graph = graph(&[
        ("lib.rs", "mod a; mod b; mod lost { }"),
        ("a.rs", "use anyhow::{anyhow, Result}; fn f() -> Result<()> { Err(anyhow!(\"x\")) }"),
        ("b.rs", "mod clap {} use clap as own; #[derive(::clap::Parser)] struct S;"),
        ("never.rs", ""),
    ]);
    let found: Vec<String> = graph.foreign.iter().map(|used| format!("{} {}", used.from, used.krate)).collect();
    assert_eq!(found, ["a.rs anyhow", "b.rs clap"]);
    assert_eq!(graph.orphans.iter().collect::<Vec<_>>(), ["never.rs"]);
    let crates = ["anyhow".to_owned(), "clap".to_owned(), "new".to_owned()];
    let homes: &[(&str, &[&str])] = &[("anyhow", &["a.rs", "b.rs"]), ("clap", &["a.rs"]), ("old", &[])];
    assert_eq!(beyond_home(&graph, &crates, homes).len(), 5);
}
