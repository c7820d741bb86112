//! What starts jobs by itself: so far the schedules of policies.
//!
//! A trigger says "look", not "do": it names a policy, and the run reads the world itself. A
//! slot is a moment at which a policy is due. It is dealt with when the journal says so, which
//! it does in the transaction that accepts the job, so a slot is neither lost nor run twice
//! across a kill.
//!
//! # The clock
//!
//! Once a second someone looks at every schedule. `tokio-cron-scheduler` is that second's tick
//! and nothing else: when a policy is due is decided by [`crate::policy::Schedule`]. Where a
//! tick does not come, the next look is two seconds away.
//!
//! # What was missed
//!
//! Slots that passed while the agent was down, or the machine slept, get at most one run
//! together, inside the policy's `catch_up`. A slot of a paused policy is passed over, so that
//! a policy that goes on does not catch up on its pause. A clock that was a day or more ahead
//! when the last slot was dealt with is not believed.

mod clock;
mod intake;
mod message;
mod outgoing;
mod schedules;

pub use clock::{ClockError, Seconds};
pub use intake::{Intake, Scene, Verdict};
pub use message::{MAX_BYTES, TriggerMessage};
pub use outgoing::Outgoing;
pub use schedules::Schedules;
