//! Human-readable part of a DSN: the event, the recipients, and the next steps.

use crate::mail::history::state::ReportKind;

use crate::mail::report::dsn::content::{Dsn, DsnAction, DsnReader, DsnRecipient, MAX_LINE_BYTES};

/// Maximum number of recipients in the text. The machine-readable part lists all of them.
const MOST_NAMED: usize = 50;

/// Width at which lines are wrapped.
const COLUMNS: usize = 72;

/// Returns the text, which ends in the mspool command for the next step.
pub(super) fn text(dsn: &Dsn<'_>) -> String {
    let mut out = String::new();
    paragraph(&mut out, "", &format!("This is the mail spooler at {}.", dsn.host));
    let recipients = if dsn.recipients.len() == 1 { "recipient" } else { "recipients" };
    let (before, after) = match (dsn.kind, dsn.reader) {
        (ReportKind::Failure, DsnReader::Postmaster(_)) => (
            format!(
                "A message with the null sender, such as a bounce, could not be delivered to the {recipients} below. Its \
                 sender cannot be told."
            ),
            format!("On {}, this command sends it again:", dsn.host),
        ),
        (ReportKind::Failure, DsnReader::Sender(_)) => (
            format!("Your message could not be delivered to the {recipients} below. There will be no further attempts."),
            format!(
                "To send the message again, first correct the error shown above. On {}, this command resends it unchanged \
                 to the {recipients} above:",
                dsn.host
            ),
        ),
        (ReportKind::Delay, _) => (
            format!("Your message has not been delivered yet to the {recipients} below. There will be further attempts."),
            "You need not do anything. You will get another report if the delivery fails. This command shows the current \
             state:"
                .to_owned(),
        ),
        (ReportKind::Success, _) => (
            format!(
                "As you requested, this reports that your message was delivered to the {recipients} below, or relayed to \
                 a system that may send no further report."
            ),
            "You need not do anything. This command shows every attempt:".to_owned(),
        ),
    };
    paragraph(&mut out, "", &before);
    for about in dsn.recipients.iter().take(MOST_NAMED) {
        paragraph(&mut out, "    ", &sentence(about));
    }
    if dsn.recipients.len() > MOST_NAMED {
        let more = dsn.recipients.len() - MOST_NAMED;
        paragraph(&mut out, "    ", &format!("and {more} more, listed in the next part of this report"));
    }
    paragraph(&mut out, "", &after);
    let command = if dsn.kind == ReportKind::Failure { "resend" } else { "report" };
    out.push_str(&format!("    mspool {command} {}\n", dsn.about_id));
    out
}

fn sentence(about: &DsnRecipient<'_>) -> String {
    let via = about.transport.map_or(String::new(), |name| format!(" via {name}"));
    let word = match about.action {
        DsnAction::Delivered => format!("delivered{via}"),
        DsnAction::Relayed => format!("relayed{via}"),
        DsnAction::Delayed => "delayed".to_owned(),
        DsnAction::Failed => format!("failed{via}"),
    };
    let text = if about.text.is_empty() { String::new() } else { format!(" {}", about.text) };
    let until = about.retry_until.map_or(String::new(), |until| format!("; retried until {until}"));
    let remote = about.remote_id.map_or(String::new(), |id| format!("; remote id {id}"));
    format!("{}: {word}: {}{text}{until}{remote}", about.recipient.address, about.status)
}

/// Appends a wrapped paragraph and an empty line. Splits a word that is longer than a line.
fn paragraph(out: &mut String, indent: &str, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        let mut rest = word;
        if width > 0 && width + 1 + word.len() > COLUMNS {
            out.push('\n');
            width = 0;
        }
        if width == 0 {
            out.push_str(indent);
            width = indent.len();
        } else {
            out.push(' ');
            width += 1;
        }
        while rest.len() > MAX_LINE_BYTES - width {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(MAX_LINE_BYTES - width));
            out.push_str(piece);
            out.push('\n');
            (rest, width) = (behind, 0);
        }
        out.push_str(rest);
        width += rest.len();
    }
    out.push_str("\n\n");
}
