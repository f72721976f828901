//! Human-readable part of a DSN: the event, the recipients, and the next steps.

use crate::mail::history::record::ReportKind;

use crate::mail::report::dsn::content::{Dsn, DsnAction, DsnRecipient, MAX_LINE_BYTES};

/// Maximum number of recipients in the text. The machine-readable part lists all of them.
const MOST_NAMED: usize = 50;

/// Width at which lines are wrapped.
const COLUMNS: usize = 72;

pub(super) fn text(dsn: &Dsn<'_>) -> String {
    let mut out = String::new();
    paragraph(&mut out, "", &format!("This is the mail spooler at {}.", dsn.host));
    let (before, after) = match dsn.kind {
        ReportKind::Failure => (
            "Your message could not be delivered to the recipients below. It will not be tried again for them.",
            format!(
                "What you can do: see what is said about each of them, put it right, and send the message again. On {}, \
                 this command sends it again unchanged, to just these recipients:",
                dsn.host
            ),
        ),
        ReportKind::Delay => (
            "Your message has not been delivered yet to the recipients below. It is kept here and tried again.",
            "What you can do: nothing need be done. You will be told if it cannot be delivered at all. This command shows \
             where it stands:"
                .to_owned(),
        ),
        ReportKind::Success => (
            "You asked to be told: your message has reached the recipients below, or has been handed to a system that \
             takes it further to them and may not report on it again.",
            "What you can do: nothing need be done. This command shows every attempt:".to_owned(),
        ),
    };
    paragraph(&mut out, "", before);
    for about in dsn.recipients.iter().take(MOST_NAMED) {
        paragraph(&mut out, "    ", &sentence(about));
    }
    if dsn.recipients.len() > MOST_NAMED {
        let more = dsn.recipients.len() - MOST_NAMED;
        paragraph(&mut out, "    ", &format!("and {more} more, which the next part of this report names"));
    }
    paragraph(&mut out, "", &after);
    let verb = if dsn.kind == ReportKind::Failure { "resend" } else { "report" };
    out.push_str(&format!("    mspool {verb} {}\n", dsn.about_id));
    out
}

fn sentence(about: &DsnRecipient<'_>) -> String {
    let via = about.transport.map_or(String::new(), |name| format!(" via {name}"));
    let word = match about.action {
        DsnAction::Delivered => format!("delivered{via}"),
        DsnAction::Relayed => format!("handed on{via}"),
        DsnAction::Delayed => "waiting".to_owned(),
        DsnAction::Failed => format!("failed{via}"),
    };
    let text = if about.text.is_empty() { String::new() } else { format!(" {}", about.text) };
    let until = about.retry_until.map_or(String::new(), |until| format!("; tried until {until}"));
    let remote = about.remote_id.map_or(String::new(), |id| format!("; their name for it: {id}"));
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
