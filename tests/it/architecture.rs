//! Architecture of the crate, checked against its real module graph.
//!
//! `cargo test --test it architecture -- --nocapture` prints every circle and every import that breaks a layer.

use std::fs;
use std::path::{Path, PathBuf};

use crate::modules::{self, Graph, Layers, Source};

/// Layers from low to high: a lower one never uses a higher one, and those of one row never use each other. Words
/// in one text are one layer. A word is the name of a module at the top of `src`.
const LAYERS: Layers = &[
    &["sys", "values"],
    &["mail"],
    &["spool", "transports", "output exit"],
    &["settings"],
    &["session"],
    &["submission"],
    &["delivery"],
    &["inbox"],
    &["commands"],
    &["config"],
    &["cli"],
    &["main", "lib"],
];

/// Directories whose parts never use each other: a command never imports another command.
const SEPARATE: &[&str] = &["commands"];

/// Each third-party crate, and the only places that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("anyhow", &["output", "exit", "settings", "session", "submission", "delivery", "inbox", "commands", "cli"]),
    ("base64", &["transports/smtp", "config/servers.rs"]),
    ("bytesize", &["config", "commands/report/queue.rs"]),
    ("clap", &["cli"]),
    ("crc32c", &["values/checksum.rs"]),
    ("fs2", &["sys/lock.rs"]),
    ("hmac", &["values/digest.rs"]),
    ("humantime", &["values/time.rs"]),
    ("indicatif", &["output"]),
    ("jiff", &["values/time.rs"]),
    ("libc", &["sys"]),
    ("mail_parser", &["mail/message/mime.rs"]),
    ("notify", &["commands/watch"]),
    ("rustix", &["sys"]),
    ("rustls", &["transports/smtp/tls.rs"]),
    ("rustls_native_certs", &["transports/smtp/tls.rs"]),
    ("serde", &["values", "mail", "spool", "output", "commands", "config"]),
    ("serde_json", &["mail", "spool", "output", "commands", "cli"]),
    ("sha2", &["values/digest.rs"]),
    ("signal_hook", &["sys/signals.rs"]),
    ("smtp_proto", &["submission/smtp"]),
    ("toml", &["config"]),
    ("unicode_width", &["values/printable.rs"]),
    ("walkdir", &["spool/names.rs"]),
    ("zeroize", &["values/digest.rs", "transports/smtp", "commands/init/relay.rs"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    modules::read_sources(&root().join("src"))
}

/// Dependencies of the program, as the code writes their names.
fn dependencies() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

fn graph() -> Graph {
    Graph::build("mspool", &sources(), &dependencies())
}

#[track_caller]
fn assert_none(rule: &str, found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(found.is_empty(), "{rule}:\n{}\n", found.join("\n"));
}

#[test]
fn lower_layers_never_use_higher_ones() {
    assert_none("imports that break the layers", modules::upward(&graph(), LAYERS));
}

#[test]
fn parts_that_stay_apart_never_use_each_other() {
    let graph = graph();
    let found = SEPARATE.iter().flat_map(|directory| modules::between_siblings(&graph, directory));
    assert_none("imports between parts that stay apart", found);
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    assert_none("circles", modules::circles(&graph()));
}

#[test]
fn the_graph_has_no_holes() {
    let graph = graph();
    assert_none("paths without an item", graph.unresolved);
    assert_none("files that no mod declares", graph.orphans);
}

#[test]
fn every_crate_has_its_home() {
    assert_none("third-party crates", modules::beyond_home(&graph(), &dependencies(), HOMES));
}

#[test]
fn no_glob_brings_all_of_a_module() {
    assert_none("globs outside of tests", graph().globs);
}

#[test]
fn only_sys_has_unsafe_code() {
    let others = sources().into_iter().filter(|source| !source.name.starts_with("sys/"));
    let unsafe_ones = others.filter(|source| has_word(source.text.parse().unwrap(), "unsafe"));
    assert_none("unsafe code outside of sys", unsafe_ones.map(|source| source.name));
}

fn has_word(tokens: proc_macro2::TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == word,
        proc_macro2::TokenTree::Group(group) => has_word(group.stream(), word),
        _ => false,
    })
}

#[test]
fn every_file_begins_with_its_subject() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none("files without a first line of //!", silent.map(|source| source.name));
}

/// A file of `tests/it` that `main.rs` does not name is never compiled.
#[test]
fn no_test_file_is_forgotten() {
    let sources: Vec<Source> = modules::read_sources(&root().join("tests/it"));
    let graph = Graph::build("it", &sources, &[]);
    assert_none("test files that no mod declares", graph.orphans);
    let silent = sources.iter().filter(|source| !source.text.starts_with("//! "));
    assert_none("test files without a first line of //!", silent.map(|source| source.name.clone()));
    let others: Vec<PathBuf> = fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(others == [root().join("tests/it")], "tests beside tests/it are not part of its main.rs: {others:?}");
}
