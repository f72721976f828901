//! Claiming a message by its id, wherever it is, and the words for why that cannot be.

use std::fmt;

use anyhow::Result;

use crate::exit::ExitStatus;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::CUT_SHORT;
use crate::output::per_id::Answer;
use crate::spool::claim::{Claim, ClaimOutcome};
use crate::spool::{QueueState, Spool};

/// Reason why a message cannot be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// The spool has no message with this id.
    NotInSpool,
    /// The message is in a state that the operation does not work on.
    WrongState(QueueState),
    /// Another run has claimed it.
    InProgress,
    /// The file is not a message of this spool: the reason.
    Stray(&'static str),
    /// The end of the message is missing.
    Incomplete,
    /// The message was damaged, and was moved to `corrupt`: the reason.
    SetAside(String),
}

impl ClaimRefusal {
    /// Exit status for one id.
    pub fn exit(&self) -> ExitStatus {
        match self {
            ClaimRefusal::NotInSpool | ClaimRefusal::WrongState(_) => ExitStatus::NoInput,
            ClaimRefusal::InProgress => ExitStatus::TryAgain,
            ClaimRefusal::Stray(_) | ClaimRefusal::Incomplete | ClaimRefusal::SetAside(_) => ExitStatus::Data,
        }
    }

    /// Answer for a list of ids: the exit status, and the reason.
    pub fn answer(&self) -> Answer {
        Answer::new(self.exit(), self.to_string())
    }
}

impl fmt::Display for ClaimRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClaimRefusal::NotInSpool => f.write_str("not in the spool"),
            ClaimRefusal::WrongState(state) => f.write_str(match state {
                QueueState::New | QueueState::Cur => "not on hold",
                QueueState::Hold => "already on hold",
                QueueState::Sent => "already sent",
                QueueState::Failed => "already failed or cancelled",
                QueueState::Corrupt => "damaged, and kept in corrupt",
                QueueState::Received => "incoming mail",
            }),
            ClaimRefusal::InProgress => f.write_str("in progress: another run is working on it"),
            ClaimRefusal::Stray(reason) => f.write_str(reason),
            ClaimRefusal::Incomplete => f.write_str(CUT_SHORT),
            ClaimRefusal::SetAside(reason) => write!(f, "moved to corrupt: {reason}"),
        }
    }
}

/// Times a message is looked for again after it was renamed between the look and the claim.
const MOST_LOOKS: usize = 5;

/// Claims a message that is in one of these states. A refusal comes back as `Ok(Err(_))`, for the caller to word.
pub fn claim_by_id<'s>(
    spool: &'s Spool,
    id: &QueueId,
    states: &[QueueState],
) -> Result<Result<Box<Claim<'s>>, ClaimRefusal>> {
    for _ in 0..MOST_LOOKS {
        let Some((state, name)) = spool.find(id)? else { return Ok(Err(ClaimRefusal::NotInSpool)) };
        if !states.contains(&state) {
            return Ok(Err(ClaimRefusal::WrongState(state)));
        }
        match spool.claim(state, &name)? {
            ClaimOutcome::Claimed(claim) => {
                let is_in_hand = spool.is_handed_over(id, &spool.history(claim.message())?)?;
                return Ok(if is_in_hand { Err(ClaimRefusal::InProgress) } else { Ok(claim) });
            }
            ClaimOutcome::Busy => return Ok(Err(ClaimRefusal::InProgress)),
            ClaimOutcome::Gone => {}
            ClaimOutcome::Stray(reason) => return Ok(Err(ClaimRefusal::Stray(reason))),
            // A run sets it aside.
            ClaimOutcome::Incomplete(_) => return Ok(Err(ClaimRefusal::Incomplete)),
            ClaimOutcome::SetAside(reason) => return Ok(Err(ClaimRefusal::SetAside(reason))),
        }
    }
    Ok(Err(ClaimRefusal::InProgress))
}
