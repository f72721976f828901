//! Run of the inbound hooks for one message.

use std::os::fd::AsFd;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::mail::envelope::Envelope;
use crate::mail::message::folder::Folder;
use crate::transports::configured::refuse_untrusted;
use crate::transports::hook::{Hook, HookVerdict};
use crate::transports::placeholder::Placeholder;

use crate::inbox::classify::Classification;
use crate::mail::envelope::recipient::RecipientIndex;

/// Decision of the hooks about a message.
pub enum HookDecision {
    /// File the message in this folder.
    In(Folder),
    /// Drop the message, as this hook requested.
    Dropped(String),
    /// No decision: a signal stopped the run, and the next run starts all hooks again.
    NotNow,
}

/// Run of the hooks for one message.
pub struct HookRun<'a, 'e> {
    /// Context of the run.
    pub context: &'a DeliveryContext<'e>,
    /// Envelope of the message.
    pub envelope: &'a Envelope,
    /// Classification of the message.
    pub classification: &'a Classification,
}

/// Checks that no user other than this one or root can write the inbound hooks. Without its hooks no mail is filed.
///
/// # Errors
///
/// A [`PathError`](crate::sys::error::PathError) for the first program that is not trusted.
pub fn check_hooks(context: &DeliveryContext<'_>) -> Result<()> {
    let hooks: Vec<_> = context.settings.inbound_hooks.iter().map(Hook::configured_command).collect();
    Ok(refuse_untrusted(&hooks, &context.settings.trust)?)
}

impl HookRun<'_, '_> {
    /// Runs the hooks in order. `input` returns the message, positioned at its first byte, for each hook. Also returns the
    /// problems of broken hooks, which are ignored.
    ///
    /// # Errors
    ///
    /// An error of `input`.
    pub fn run<I: AsFd>(&self, input: &mut dyn FnMut() -> Result<I>) -> Result<(HookDecision, Vec<String>)> {
        let settings = self.context.settings;
        let (mut folder, _) = settings.folders.of(&self.classification.class);
        let mut problems = Vec::new();
        for hook in &settings.inbound_hooks {
            let placeholders = [
                (Placeholder::Id, self.envelope.id.as_str()),
                (Placeholder::Class, self.classification.class.as_str()),
                (Placeholder::Folder, folder.as_str()),
            ];
            let programs = self.context.program_control();
            let reply = hook.ask(input()?.as_fd(), &placeholders, &self.variables(&folder), programs);
            if let Some(chosen) = reply.folder {
                folder = chosen;
            }
            match reply.verdict {
                HookVerdict::Continue => {}
                HookVerdict::Stop => break,
                HookVerdict::Drop => return Ok((HookDecision::Dropped(hook.program()), problems)),
                HookVerdict::Interrupted => return Ok((HookDecision::NotNow, problems)),
                HookVerdict::Broken(text) => {
                    problems.push(format!("inbound hook {text}; ignored"));
                }
            }
        }
        Ok((HookDecision::In(folder), problems))
    }

    fn variables(&self, folder: &Folder) -> Vec<(&'static str, String)> {
        let mailbox =
            self.envelope.address(RecipientIndex::default()).map_or(String::new(), |address| address.text().to_owned());
        let mut variables = vec![
            ("MSPOOL_ID", self.envelope.id.to_string()),
            ("MSPOOL_SENDER", self.envelope.sender.as_str().to_owned()),
            ("MSPOOL_RECIPIENTS", mailbox),
            ("MSPOOL_CLASS", self.classification.class.clone()),
            ("MSPOOL_FOLDER", folder.as_str().to_owned()),
            ("MSPOOL_FLAGS", self.classification.flags.join(" ")),
            ("MSPOOL_SPOOL", self.context.spool.path().to_string_lossy().into_owned()),
        ];
        variables.extend(self.classification.variables());
        variables
    }
}
