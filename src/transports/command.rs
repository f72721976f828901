//! Delivery by a command.

use crate::mail::address::Address;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::status::Status;
use crate::transports::answer::{HandOffResult, TransportResult, interpret};
use crate::transports::argv::{CommandTemplate, DeliveryValues, unsafe_value_text};

use crate::transports::environment;
use crate::transports::exits::ExitMeanings;
use crate::transports::finished::FinishedProgram;
use crate::transports::hand_off::{HandOff, refused_result};
use crate::transports::program::{ProgramControl, ProgramRun, ResultChannel};
use crate::transports::transport::Transport;

/// Maximum number of recipients per run, so that their addresses fit into an argument list.
pub const MAX_RECIPIENTS: usize = 500;

/// Maximum size of all addresses per run in bytes: Linux limits an environment variable to 128 KiB.
pub const MAX_ADDRESS_BYTES: usize = 100_000;

pub(super) fn deliver(
    transport: &Transport,
    template: &CommandTemplate,
    results: ResultChannel,
    exits: &ExitMeanings,
    hand_off: &HandOff<'_>,
    control: ProgramControl<'_>,
    heard: &mut dyn FnMut(&str),
) -> HandOffResult {
    let sender_fits = template.accepts_sender(hand_off.sender.as_str());
    let envid_fits = template.accepts_envid(hand_off.envid);
    let fits = |address: &Address| sender_fits && envid_fits && template.accepts_recipient(address.text());
    let taken: Vec<&Address> = hand_off.recipients.iter().map(|(_, address)| *address).filter(|a| fits(a)).collect();
    let mut answer = if taken.is_empty() {
        HandOffResult { results: Vec::new(), broken: None, remote_id: None }
    } else {
        let finished = run(transport, template, results, hand_off, &taken, control, heard);
        interpret(&finished, &taken, exits)
    };
    let mut given = std::mem::take(&mut answer.results).into_iter();
    let outcome = |(_, address): &(RecipientIndex, &Address)| -> TransportResult {
        if fits(address)
            && let Some(outcome) = given.next()
        {
            return outcome;
        }
        let (name, value) = match (sender_fits, envid_fits) {
            (false, _) => ("sender", hand_off.sender.as_str()),
            (true, false) => ("envelope id", hand_off.envid),
            (true, true) => ("recipient", address.text()),
        };
        refused_result(Status::BAD_SYNTAX, &unsafe_value_text(name, value, "command"))
    };
    answer.results = hand_off.recipients.iter().map(outcome).collect();
    answer
}

fn run(
    transport: &Transport,
    template: &CommandTemplate,
    results: ResultChannel,
    hand_off: &HandOff<'_>,
    taken: &[&Address],
    control: ProgramControl<'_>,
    heard: &mut dyn FnMut(&str),
) -> FinishedProgram {
    let recipients: Vec<&str> = taken.iter().map(|address| address.text()).collect();
    let values = DeliveryValues {
        sender: hand_off.sender.as_str(),
        return_path: hand_off.return_path,
        recipients: &recipients,
        id: hand_off.id.as_str(),
        envid: hand_off.envid,
        transport: &transport.name,
        attempt: hand_off.attempt,
        body: hand_off.body,
    };
    let env = environment::of_hand_off(transport, hand_off, &recipients);
    let run = ProgramRun {
        input: Some(hand_off.input),
        held: Some(hand_off.lock),
        results,
        ..ProgramRun::new(template.fill(&values), &env, transport.timeout)
    };
    run.run_to_end(control, heard)
}
