//! Many histories, and what to do with one that breaks a rule.

use super::campaign::{play, play_all};
use super::history::History;

#[expect(clippy::disallowed_methods, reason = "it is the test that is configured")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Plays the histories of seeds from 1 on (`MBA_MODEL_SEED`), so many of them
/// (`MBA_MODEL_HISTORIES`). The first that breaks a rule is played again and tells every write.
#[expect(clippy::print_stdout, reason = "what happened is worth seeing")]
pub(crate) fn play_histories(count: u64) {
    let (first, count) = (number("MBA_MODEL_SEED", 1), number("MBA_MODEL_HISTORIES", count));
    match play_all(first, count) {
        Ok(tally) => {
            println!("{tally}");
            tally.assert_rich();
        }
        Err(failure) => {
            println!("{failure}");
            let again = play(&History::of(failure.seed()), true);
            panic!("{}", again.err().unwrap_or(failure));
        }
    }
}
