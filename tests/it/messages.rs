//! Messages to users never show how the program debugs itself.

use crate::manual::root;
use crate::modules::{Source, Text, read_sources, texts};

/// True for a format string with a placeholder such as `{:?}`, `{name:?}` or `{0:#?}`.
fn has_debug_placeholder(format: &str) -> bool {
    let placeholders = format.replace("{{", "").replace("}}", "");
    let mut parts = placeholders.split('{').skip(1).filter_map(|part| part.split_once('}'));
    parts.any(|(inner, _)| inner.split_once(':').is_some_and(|(_, spec)| spec.ends_with('?')))
}

/// Returns the debug output of a file, as `FILE:LINE: TEXT`. Assertions of debug builds may have it.
fn debug_output(source: &Source) -> Vec<String> {
    let is_debug = |text: &&Text| match text.in_macro.as_deref() {
        Some("dbg") => true,
        Some(name) if name.starts_with("debug_assert") => false,
        Some(_) => has_debug_placeholder(&text.value),
        None => false,
    };
    let texts = texts(source);
    texts.iter().filter(is_debug).map(|text| format!("{}:{}: {:?}", source.name, text.line, text.value)).collect()
}

/// `{:?}` of a type shows the type's name, and of a text it shows the escapes of Rust. Texts of users are quoted by the
/// one function that the program has for it.
#[test]
fn no_message_is_formatted_for_debugging() {
    let found: Vec<String> = read_sources(&root().join("src")).iter().flat_map(debug_output).collect();
    assert!(found.is_empty(), "{} texts are formatted for debugging:\n{}\n", found.len(), found.join("\n"));
}

#[test]
fn debug_output_is_found_in_every_form() {
    let source = |text: &str| Source { name: "a.rs".to_owned(), text: text.to_owned() };
    for code in [
        "format!(\"{:?}\", x)",
        "format!(\"no {x:?}: {y}\")",
        "write!(f, \"{{{0:#?}}}\", x)",
        "bail!(inner(format!(\"{x:08.3?}\")))",
        "dbg!(x)",
    ] {
        assert_eq!(debug_output(&source(&format!("fn f() {{ {code}; }}"))).len(), 1, "{code}");
    }
    for code in ["format!(\"{x} is {y:>5}?\")", "debug_assert!(x, \"{x:?}\")", "f(\"{:?}\")", "format!(\"{{:?}}\")"] {
        assert!(debug_output(&source(&format!("fn f() {{ {code}; }}"))).is_empty(), "{code}");
    }
    assert!(debug_output(&source("#[cfg(test)] mod tests { fn f() { format!(\"{x:?}\"); } }")).is_empty());
}
