//! Explanations of TOML errors in the terms of the manual. The parser's own words name Rust types and grammar rules.

use toml::de::Error;

use crate::values::quoting::quoted;
use crate::values::spelling::distance;

/// Explains why a configuration file could not be parsed, on one line, with the key if it is known.
pub(super) fn explain(text: &str, error: &Error) -> String {
    let message = error.message();
    let path = key_path(error);
    let subject = path.as_deref().map_or_else(|| "the value".to_owned(), quoted);
    let found = error.span().and_then(|span| text.get(span)).unwrap_or_default().trim();
    let name = quoted(found.trim_matches(['"', '\'']));
    if let Some((key, known)) = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, ")) {
        return unknown_key(key, known);
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return format!("{subject} needs the key {}", quoted(key));
    }
    if let Some((is, wanted)) = message.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    {
        return wrong_type(&subject, is, wanted, found);
    }
    if message.starts_with("invalid length") {
        return format!("{subject} must be a table, not a list");
    }
    if message == "duplicate key" {
        return format!("{name} is defined twice; merge the two definitions");
    }
    if message.starts_with("cannot extend value") {
        return format!("{name} is already defined and cannot be extended here; merge the two definitions");
    }
    let start = error.span().map_or(text.len(), |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let is_empty = found.is_empty() && before.trim_end_matches([' ', '\t']).ends_with('=');
    let known = SYNTAX.iter().find(|(begins, _)| message.starts_with(begins));
    let reason = match known {
        _ if is_empty && !message.starts_with("missing") => NO_VALUE.to_owned(),
        _ if message.starts_with("string values must be quoted") => {
            format!("a string must be in quotes: {}", quoted(found))
        }
        Some((_, reason)) => (*reason).to_owned(),
        None => "this is not valid TOML".to_owned(),
    };
    let line = before.rsplit('\n').next().unwrap_or_default();
    match path.as_deref().or_else(|| assigned_key(line)) {
        Some(key) => format!("value of {}: {reason}", quoted(key)),
        None => reason,
    }
}

/// First words of the parser's messages on syntax, and our sentences for them. The first entry that matches applies.
const SYNTAX: [(&str, &str); 53] = [
    ("invalid basic string, expected `\"`", "the closing \" is missing"),
    ("invalid literal string, expected `'`", "the closing ' is missing"),
    ("invalid multi-line basic string, expected `\"`", "the closing \"\"\" is missing"),
    ("invalid multi-line literal string, expected `'`", "the closing ''' is missing"),
    ("invalid basic string", CONTROL_CHARACTER),
    ("invalid literal string", CONTROL_CHARACTER),
    ("invalid multi-line", CONTROL_CHARACTER),
    ("missing opening quote", "the opening quote is missing"),
    ("missing escaped value", "\\ begins an escape here; write \\\\, or put the string in single quotes"),
    ("too few unicode value digits", "\\u takes 4 and \\U takes 8 hexadecimal digits"),
    ("invalid value", "\\u and \\U take the number of a Unicode character"),
    ("missing comma between array elements", "elements of a list must be separated by commas"),
    ("extra comma in array", "there is a comma without an element before it"),
    ("unexpected `=` in array", "the closing ] of the list is missing"),
    ("unclosed array table", "the closing ]] is missing; put a table name with special characters in quotes"),
    ("unclosed array", "the closing ] of the list is missing"),
    ("unclosed table", "the closing ] is missing; put a table name with special characters in quotes"),
    ("unclosed inline table", "the closing } of the table is missing"),
    ("missing comma between key-value pairs", "keys of a table must be separated by commas"),
    ("extra comma in inline table", "there is a comma without a key before it"),
    ("missing assignment", NO_VALUE),
    ("missing value", NO_VALUE),
    ("key with no value", NO_VALUE),
    ("extra `=`", "there is one = too many"),
    ("extra assignment", "there is one = too many"),
    ("unquoted keys cannot be empty", "a key or a table name is missing"),
    ("invalid unquoted key", "a key without quotes can contain only A-Z, a-z, 0-9, - and _"),
    ("keys cannot be multi-line", "a key must be in one pair of quotes, not in three"),
    ("unexpected key or value", "the line continues after its end; write each KEY = VALUE on a line of its own"),
    ("`_` may only go between digits", INVALID_NUMBER),
    ("unexpected leading zero", INVALID_NUMBER),
    ("unexpected sign", INVALID_NUMBER),
    ("redundant", INVALID_NUMBER),
    ("radix", INVALID_NUMBER),
    ("integer", INVALID_NUMBER),
    ("floating-point number", INVALID_NUMBER),
    ("invalid fraction", INVALID_NUMBER),
    ("invalid exponent", INVALID_NUMBER),
    ("invalid mantissa", INVALID_NUMBER),
    ("invalid integer", INVALID_NUMBER),
    ("invalid float", NO_SCALAR),
    ("invalid boolean", NO_SCALAR),
    ("invalid date", "the date is not valid; put a string in quotes"),
    ("invalid time", "the time is not valid; put a string in quotes"),
    ("invalid comment character", "a comment cannot contain control characters"),
    ("carriage return", "a carriage return (CR) must be followed by a line feed (LF)"),
    ("missing array opening", "there is a closing bracket without an opening one"),
    ("missing inline table opening", "there is a closing bracket without an opening one"),
    ("invalid key-value pair", "the line is neither KEY = VALUE nor [TABLE]"),
    ("missing table open", "the line is neither KEY = VALUE nor [TABLE]"),
    ("missing key for inline table", "the table has an element that is not KEY = VALUE"),
    ("invalid inline table", "the table has an element that is not KEY = VALUE"),
    ("cannot recurse", "lists and tables are nested too deeply"),
];

const CONTROL_CHARACTER: &str = "a string cannot contain control characters; write them as \\u0007 in double quotes";
const INVALID_NUMBER: &str = "the number is not valid or is too large";
const NO_SCALAR: &str = "the value is not a number, true, false, or a string in quotes";
const NO_VALUE: &str = "the value is missing; write KEY = VALUE";

/// Returns the path of the key that an error is about, such as `queue.lifetime`; `None` for an error in the syntax.
///
/// The parser shows the path only as the last line of an error without its input.
fn key_path(error: &Error) -> Option<String> {
    let mut bare = error.clone();
    bare.set_input(None);
    let shown = bare.to_string();
    let path = shown.strip_prefix(error.message())?.trim().strip_prefix("in `")?.strip_suffix('`')?;
    Some(path.to_owned())
}

/// Returns the key that the beginning of a line assigns a value to.
fn assigned_key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim().trim_matches(['"', '\'']);
    (!key.is_empty() && !key.starts_with(['[', '#', '{'])).then_some(key)
}

/// Explains an unknown key. `known` lists the known keys, each in backquotes.
fn unknown_key(key: &str, known: &str) -> String {
    let near = known.split('`').skip(1).step_by(2).min_by_key(|known| distance(key, known));
    match near.filter(|known| distance(key, known) <= 1 + known.len() / 3) {
        Some(known) => format!("unknown key {}; did you mean {}?", quoted(key), quoted(known)),
        None => format!("unknown key {}; mspool.conf(5) lists the known keys", quoted(key)),
    }
}

/// Explains a value of the wrong type. `is` and `wanted` are the parser's names of types, `found` is the text in the
/// file.
fn wrong_type(subject: &str, is: &str, wanted: &str, found: &str) -> String {
    // A header with the wrong number of brackets makes a list of a table, or a table of a list.
    if is == "map" && found.starts_with("[[") {
        return format!("{subject} is one table, not a list of tables; write [NAME], not [[NAME]]");
    }
    if is == "map" && found.starts_with('[') && wanted == "a sequence" {
        return format!("{subject} is a list; if its elements are tables, write [[NAME]], not [NAME]");
    }
    let must_be = match wanted {
        "a string" => "a string in quotes",
        "a sequence" => "a list such as [\"a\", \"b\"]",
        "a boolean" => "true or false",
        "i64" | "u64" => "a whole number",
        "f64" => "a number",
        _ => "a table",
    };
    let is = match is.split([' ', ',']).next().unwrap_or_default() {
        "integer" if wanted == "i64" => "one as large as this",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "string" => "a string",
        "sequence" => "a list",
        _ if found.starts_with(|c: char| c.is_ascii_digit()) => "a date or time",
        _ => "a table",
    };
    let is = if is == "a number" && must_be == "a whole number" { "a fraction" } else { is };
    format!("{subject} must be {must_be}, not {is}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use crate::config::raw;

    /// Words of the parser that an author of a configuration file need not know.
    const JARGON: [&str; 14] = [
        "invalid type",
        "expected",
        "unclosed",
        "TOML parse error",
        "map",
        "sequence",
        "array",
        "inline",
        "field",
        "i64",
        "f64",
        "struct",
        "basic",
        "literal",
    ];

    const TRANSPORT: &str = "[transport.a]\n";
    const LINE_GOES_ON: &str = "the line continues after its end; write each KEY = VALUE on a line of its own";

    fn check(cases: &[(&str, &str)]) {
        for (text, explanation) in cases {
            let error = raw::parse(Path::new("c"), text).map(|_| panic!("{text} is valid")).unwrap_err();
            let shown = error.to_string();
            assert_eq!(shown, *explanation, "{text}");
            assert_eq!(JARGON.iter().find(|word| shown.contains(**word)), None, "{shown}");
        }
    }

    #[test]
    fn a_wrong_type_is_named_with_its_key() {
        let parallel = "c:2: \"transport.a.parallel\" must be a whole number, not";
        check(&[
            ("[queue]\nlifetime = 5", "c:2: \"queue.lifetime\" must be a string in quotes, not a number"),
            ("spool = true", "c:1: \"spool\" must be a string in quotes, not true or false"),
            ("spool = 2020-01-01", "c:1: \"spool\" must be a string in quotes, not a date or time"),
            ("spool = [\"a\"]", "c:1: \"spool\" must be a string in quotes, not a list"),
            ("spool = { a = 1 }", "c:1: \"spool\" must be a string in quotes, not a table"),
            ("[spool]\nx = 1", "c:1: \"spool\" must be a string in quotes, not a table"),
            ("\norder = \"a\"", "c:2: \"order\" must be a list such as [\"a\", \"b\"], not a string"),
            ("order = [1.5]", "c:1: \"order\" must be a string in quotes, not a number"),
            ("queue = 5", "c:1: \"queue\" must be a table, not a number"),
            ("queue = [\"5d\"]", "c:1: \"queue\" must be a table, not a list"),
            (
                "[[queue]]\nsent = \"x\"",
                "c:1: \"queue\" is one table, not a list of tables; write [NAME], not [[NAME]]",
            ),
            (
                "[hook.inbound]\ncommand = [\"a\"]",
                "c:1: \"hook.inbound\" is a list; if its elements are tables, write [[NAME]], not [NAME]",
            ),
            ("[transport]\na = 5", "c:2: \"transport.a\" must be a table, not a number"),
            ("transport = \"x\"", "c:1: \"transport\" must be a table, not a string"),
            (&format!("{TRANSPORT}parallel = \"4\""), &format!("{parallel} a string")),
            (&format!("{TRANSPORT}parallel = 1.5"), &format!("{parallel} a fraction")),
            (&format!("{TRANSPORT}parallel = 99999999999999999999"), &format!("{parallel} one as large as this")),
            (
                &format!("{TRANSPORT}relays = \"yes\""),
                "c:2: \"transport.a.relays\" must be true or false, not a string",
            ),
            ("[queue.retry]\nfactor = \"2\"", "c:2: \"queue.retry.factor\" must be a number, not a string"),
        ]);
    }

    #[test]
    fn keys_that_are_missing_unknown_or_defined_twice_are_named() {
        check(&[
            ("[inbound.pop]\nack = [\"a\"]", "c:1: \"inbound.pop\" needs the key \"fetch\""),
            ("[[hook.inbound]]\ntimeout = \"5s\"", "c:1: \"hook.inbound\" needs the key \"command\""),
            ("colour = \"5d\"\n", "c:1: unknown key \"colour\"; mspool.conf(5) lists the known keys"),
            ("[queue]\nliftime = \"5d\"", "c:2: unknown key \"liftime\"; did you mean \"lifetime\"?"),
            ("\"a`b\\u0007\" = 1", "c:1: unknown key \"a`b\\u{7}\"; mspool.conf(5) lists the known keys"),
            ("spool = \"a\"\nspool = \"b\"", "c:2: \"spool\" is defined twice; merge the two definitions"),
            ("[queue]\n\n[queue]", "c:3: \"queue\" is defined twice; merge the two definitions"),
            (
                "queue = { sent = \"x\" }\nqueue.sent = \"x\"",
                "c:2: \"queue\" is already defined and cannot be extended here; merge the two definitions",
            ),
            ("spool", "c:1: the value is missing; write KEY = VALUE"),
            ("spool : \"x\"", "c:1: the value is missing; write KEY = VALUE"),
            ("spool =\n", "c:1: value of \"spool\": the value is missing; write KEY = VALUE"),
            ("queue = { lifetime = }", "c:1: value of \"queue\": the value is missing; write KEY = VALUE"),
            ("queue = { lifetime \"5d\" }", "c:1: value of \"queue\": the value is missing; write KEY = VALUE"),
            ("spool == \"x\"", "c:1: value of \"spool\": there is one = too many"),
            ("= \"x\"", "c:1: a key or a table name is missing"),
            ("[transport.]", "c:1: a key or a table name is missing"),
            ("sp\u{e4}ol = \"x\"", "c:1: a key without quotes can contain only A-Z, a-z, 0-9, - and _"),
            ("\"\"\"a\"\"\" = 1", "c:1: a key must be in one pair of quotes, not in three"),
        ]);
    }

    #[test]
    fn strings_are_explained() {
        check(&[
            ("spool = \"abc\n", "c:1: value of \"spool\": the closing \" is missing"),
            ("spool = 'abc", "c:1: value of \"spool\": the closing ' is missing"),
            ("spool = \"\"\"abc", "c:1: value of \"spool\": the closing \"\"\" is missing"),
            ("spool = '''abc", "c:1: value of \"spool\": the closing ''' is missing"),
            ("spool = \"a\u{1}b\"", &format!("c:1: value of \"spool\": {}", super::CONTROL_CHARACTER)),
            ("spool = 'a\u{1}b'", &format!("c:1: value of \"spool\": {}", super::CONTROL_CHARACTER)),
            (
                "spool = \"C:\\q\"",
                "c:1: value of \"spool\": \\ begins an escape here; write \\\\, or put the string in single quotes",
            ),
            ("spool = \"\\u12\"", "c:1: value of \"spool\": \\u takes 4 and \\U takes 8 hexadecimal digits"),
            ("spool = \"\\uD800\"", "c:1: value of \"spool\": \\u and \\U take the number of a Unicode character"),
            ("spool = /var/x", "c:1: value of \"spool\": a string must be in quotes: \"/var/x\""),
            ("[queue]\nlifetime = 5d", "c:2: value of \"lifetime\": a string must be in quotes: \"5d\""),
        ]);
    }

    #[test]
    fn lists_tables_and_line_ends_are_explained() {
        check(&[
            ("order = [\"a\" \"b\"]", "c:1: value of \"order\": elements of a list must be separated by commas"),
            ("order = [\"a\",, \"b\"]", "c:1: value of \"order\": there is a comma without an element before it"),
            ("order = [\"a\"", "c:1: value of \"order\": the closing ] of the list is missing"),
            ("order = [\"a\",\nspool = \"x\"", "c:2: the closing ] of the list is missing"),
            ("[queue\n", "c:1: the closing ] is missing; put a table name with special characters in quotes"),
            ("[[a.b]\n", "c:1: the closing ]] is missing; put a table name with special characters in quotes"),
            ("queue = { sent = \"x\"", "c:1: value of \"queue\": the closing } of the table is missing"),
            (
                "queue = { sent = \"x\" max = 1 }",
                "c:1: value of \"queue\": keys of a table must be separated by commas",
            ),
            ("queue = { , }", "c:1: value of \"queue\": there is a comma without a key before it"),
            ("spool = ]", "c:1: value of \"spool\": there is a closing bracket without an opening one"),
            ("spool = }", "c:1: value of \"spool\": there is a closing bracket without an opening one"),
            ("{ }", "c:1: the line is neither KEY = VALUE nor [TABLE]"),
            ("spool = \"x\" y", &format!("c:1: value of \"spool\": {LINE_GOES_ON}")),
            ("[queue] sent = \"x\"", &format!("c:1: {LINE_GOES_ON}")),
            ("# \u{1}", "c:1: a comment cannot contain control characters"),
            (
                "spool = \"x\"\rorder = 1",
                "c:1: value of \"spool\": a carriage return (CR) must be followed by a line feed (LF)",
            ),
            (
                &format!("order = {}", "[".repeat(5000)),
                "c:1: value of \"order\": lists and tables are nested too deeply",
            ),
        ]);
    }

    #[test]
    fn numbers_dates_and_other_words_are_explained() {
        check(&[
            ("[queue.retry]\nfactor = 08", "c:2: value of \"factor\": the number is not valid or is too large"),
            ("[queue.retry]\nfactor = 1_", "c:2: value of \"factor\": the number is not valid or is too large"),
            ("[queue.retry]\nfactor = 1.", "c:2: value of \"factor\": the number is not valid or is too large"),
            (
                "[queue.retry]\nfactor = 1e999",
                "c:2: value of \"queue.retry.factor\": the number is not valid or is too large",
            ),
            ("spool = 2020-13-45", "c:1: value of \"spool\": the date is not valid; put a string in quotes"),
            ("spool = null", &format!("c:1: value of \"spool\": {}", super::NO_SCALAR)),
            ("relays = True", &format!("c:1: value of \"relays\": {}", super::NO_SCALAR)),
        ]);
    }
    proptest! {
        #[test]
        fn random_text_is_explained_without_the_parsers_words(
            start in "(spool = |order = \\[|queue = \\{|\\[queue.retry\\]\nfactor = |\\[)?",
            rest in "[x1=\\[\\]{}\"'\n\r\\\\uU .:T_,#eE+-]{0,30}",
        ) {
            if let Err(error) = raw::parse(Path::new("c"), &format!("{start}{rest}")) {
                let shown = error.to_string();
                prop_assert_eq!(JARGON.iter().find(|word| shown.contains(**word)), None, "{}", shown);
                prop_assert_eq!(shown.lines().count(), 1, "{}", shown);
            }
        }
    }
}
