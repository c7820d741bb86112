//! What starts jobs by itself: the schedules of policies, and messages.
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
//!
//! # Messages
//!
//! A message is a request with an id, and each request becomes one job or joins one, however
//! often its message comes, on whichever agent, and whoever dies in between:
//!
//! | step of [`Intake::take`] | killed after it | who goes on |
//! | --- | --- | --- |
//! | 1 read; refused to the dead-letter exchange if it is not for us | nothing is known | whoever gets it next |
//! | 2 the journal holds it | held, not known to be ours | this agent by step 3 at its next start or try; another one if it gets the message first |
//! | 3 `_requests/<id>.json`, put if absent | ours, and held | this agent, at its next start or try; others see that it is ours |
//! | 4 the journal has the job, and says so of the request | ours, and accepted | the runner |
//! | 5 the message is acknowledged | done | – |
//!
//! A request joins the newest job of its policy if no run of that has begun: a run that is at
//! work may have read the state of before the request.
//!
//! # Events
//!
//! What others are told is in the journal's outbox before it is true for anyone. [`Outgoing`]
//! sends it in order and takes away what the broker has confirmed: at least once.

mod clock;
mod intake;
mod message;
mod outgoing;
mod schedules;

pub use clock::{ClockError, Seconds};
pub use intake::{Intake, Scene, Verdict, id_of};
pub use message::{MAX_BYTES, TriggerMessage};
pub use outgoing::Outgoing;
pub use schedules::Schedules;
