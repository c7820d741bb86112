//! The histories of `make test`.

use super::campaign::{play, play_all};
use super::history::History;

#[expect(clippy::disallowed_methods, reason = "it is the test that is configured")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
#[expect(clippy::print_stdout, reason = "what happened is worth seeing")]
fn nothing_that_is_needed_is_lost_in_2000_histories() {
    let (first, count) = (number("MBA_MODEL_SEED", 1), number("MBA_MODEL_HISTORIES", 2000));
    match play_all(first, count) {
        Ok(tally) => {
            println!("{tally}");
            tally.assert_rich();
        }
        Err(failure) => {
            println!("{failure}");
            let seed = failure.seed();
            let again = play(&History::of(seed), true);
            panic!("{}", again.err().unwrap_or(failure));
        }
    }
}
