//! Verbosity and output format.

/// Amount of text that a command prints in addition to its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// Errors, permanent failures and short results.
    Normal,
    /// Every result and step.
    Verbose,
}

/// Format of results on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Lines and tables for people.
    Text,
    /// JSON Lines: one object per line.
    Json,
}
