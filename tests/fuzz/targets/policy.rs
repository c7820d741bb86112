//! Searches for a policy that [`fuzz::policy`] does not hold for.

#![no_main]

mod mutator;

use std::sync::LazyLock;

use fuzz::Words;

static WORDS: LazyLock<Words> = LazyLock::new(|| Words::of(include_str!("../policy.dict")));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::policy(data);
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutator::change(&WORDS, data, (size, max_size), seed)
});
