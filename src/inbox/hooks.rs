//! Asking the inbound hooks about a message.

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

/// What the hooks came to.
pub enum HookDecision {
    /// File it here.
    In(Folder),
    /// This hook dropped it.
    Dropped(String),
    /// We were told to stop; they must be asked again.
    NotNow,
}

/// A message that hooks are asked about.
pub struct HookRun<'a, 'e> {
    /// The run.
    pub context: &'a DeliveryContext<'e>,
    /// The message's envelope.
    pub envelope: &'a Envelope,
    /// What it is.
    pub look: &'a Classification,
}

/// Refuses inbound hooks that another user could have written: without them nothing is filed.
pub fn check_hooks(context: &DeliveryContext<'_>) -> Result<()> {
    let hooks: Vec<_> = context.settings.inbound_hooks.iter().map(Hook::configured_command).collect();
    Ok(refuse_untrusted(&hooks, &context.settings.trust)?)
}

impl HookRun<'_, '_> {
    /// Asks them one after another; `input` gives each the message from its first byte. The texts say what went wrong
    /// with hooks that count for nothing.
    pub fn run<I: AsFd>(&self, input: &mut dyn FnMut() -> Result<I>) -> Result<(HookDecision, Vec<String>)> {
        let settings = self.context.settings;
        let (mut folder, _) = settings.folders.of(&self.look.class);
        let mut troubles = Vec::new();
        for hook in &settings.inbound_hooks {
            let words = [
                (Placeholder::Id, self.envelope.id.as_str()),
                (Placeholder::Class, self.look.class.as_str()),
                (Placeholder::Folder, folder.as_str()),
            ];
            let answer = hook.ask(input()?.as_fd(), &words, &self.variables(&folder), self.context.program_control());
            if let Some(wanted) = answer.folder {
                folder = wanted;
            }
            match answer.verdict {
                HookVerdict::Continue => {}
                HookVerdict::Stop => break,
                HookVerdict::Drop => return Ok((HookDecision::Dropped(hook.program()), troubles)),
                HookVerdict::Interrupted => return Ok((HookDecision::NotNow, troubles)),
                HookVerdict::Broken(text) => {
                    troubles.push(format!("inbound hook {text}; it counts for nothing"));
                }
            }
        }
        Ok((HookDecision::In(folder), troubles))
    }

    fn variables(&self, folder: &Folder) -> Vec<(&'static str, String)> {
        let mailbox =
            self.envelope.address(RecipientIndex::default()).map_or(String::new(), |address| address.text().to_owned());
        let mut own = vec![
            ("MSPOOL_ID", self.envelope.id.to_string()),
            ("MSPOOL_SENDER", self.envelope.sender.as_str().to_owned()),
            ("MSPOOL_RECIPIENTS", mailbox),
            ("MSPOOL_CLASS", self.look.class.clone()),
            ("MSPOOL_FOLDER", folder.as_str().to_owned()),
            ("MSPOOL_FLAGS", self.look.flags.join(" ")),
            ("MSPOOL_SPOOL", self.context.spool.path().to_string_lossy().into_owned()),
        ];
        own.extend(self.look.variables());
        own
    }
}
