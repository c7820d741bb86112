//! Searches for a message that [`fuzz::trigger`] does not hold for.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::trigger(data);
});
