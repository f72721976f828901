//! How much is printed, and in which format.

/// Amount of text that a command prints beside its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only errors.
    Quiet,
    /// What a user should know.
    Normal,
    /// Everything that is done.
    Verbose,
}

/// Format of results on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// JSON Lines.
    Json,
}
