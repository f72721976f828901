//! The sendmail(1) grammar: mspool called as `sendmail`, `mailq` or `newaliases`, or with that word as its command.

pub mod flags;
pub mod names;
pub mod request;
pub mod run;

const SENDMAIL_EXAMPLES: &str = "\
Examples:
  Queue a message, with its recipients from the header:
    mspool sendmail -t -i < mail
  List all flags:
    mspool sendmail --help";

const MAILQ_EXAMPLES: &str = "\
Examples:
  List the queue in the format of Postfix:
    mspool mailq
  List it for a program:
    mspool mailq --json";

/// Act as sendmail(1); see "mspool sendmail --help"
///
/// Queues a message, speaks SMTP, lists or flushes the queue. Options of mspool precede the command, flags of
/// sendmail(1) follow it.
// Only for help and completions: `request` parses the arguments, because clap cannot express their grammar.
#[derive(Debug, clap::Args)]
#[command(after_help = SENDMAIL_EXAMPLES, override_usage = "mspool sendmail [FLAGS] [ADDR...]")]
pub struct SendmailArgs {
    /// Flags and recipients of sendmail(1)
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// List the queue as mailq(1) does
// Only for help and completions, like `SendmailArgs`.
#[derive(Debug, clap::Args)]
#[command(after_help = MAILQ_EXAMPLES)]
pub struct MailqArgs {
    /// Print JSON Lines, as postqueue -j does
    #[arg(long)]
    json: bool,
    /// Flags of mailq(1)
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}
