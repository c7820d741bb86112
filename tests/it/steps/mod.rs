//! What `it` does a few times and `soak` many times.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

mod agent;
mod hang;
mod kill;
pub(crate) mod requests;
mod resume;
mod retention;
mod share;
mod speed;
mod upserts;

pub(crate) use agent::{follow_schedule, hang, kill_agents};
pub(crate) use kill::{kill_backups, kill_drills, kill_restores};
pub(crate) use resume::resume_backups;
pub(crate) use retention::retain;
pub(crate) use share::share_slots;
pub(crate) use speed::{create_like, race};
pub(crate) use upserts::back_up_under_upserts;
