//! Parts of help texts that several commands share.

/// Heading of the options that every command takes.
pub const GLOBAL_OPTIONS: &str = "Global options";

/// Heading of the options that say what is printed.
pub const OUTPUT: &str = "Output";

/// Forms of TIME and SPAN.
const TIME_FORMS: &str = "\
Times:
  TIME is one of
    2026-05-01T12:00:00Z
    \"Fri, 1 May 2026 12:00:00 +0200\"
    a SPAN, counted from now
  SPAN is a number and a unit: 90s, 15m, 2h, 3d or 1w; several add up: \"1h 30m\"";

/// Form of SPAN.
const SPAN_FORM: &str = "\
Times:
  SPAN is a number and a unit: 90s, 15m, 2h, 3d or 1w; several add up: \"1h 30m\"";

/// Returns the forms of TIME and SPAN.
pub fn with_time_forms(examples: &str) -> String {
    format!("{TIME_FORMS}\n\n{examples}")
}

/// Returns the form of SPAN, followed by the examples.
pub fn with_span_form(examples: &str) -> String {
    format!("{SPAN_FORM}\n\n{examples}")
}
