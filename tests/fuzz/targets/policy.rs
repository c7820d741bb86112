//! Searches for a policy that [`fuzz::policy`] does not hold for.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::policy(data);
});
