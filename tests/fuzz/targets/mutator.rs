//! How inputs are changed: half of the time as libFuzzer does.

use fuzz::{Words, numbers};

/// Changes the first `size` bytes, and says how many they are then, at most `most`.
pub fn change(words: &Words, data: &mut [u8], (size, most): (usize, usize), seed: u32) -> usize {
    let mut below = numbers(seed.into());
    if below(2) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, most);
    }
    let mut input = data[..size].to_vec();
    words.exchange(&mut input, &mut below);
    input.truncate(most);
    data[..input.len()].copy_from_slice(&input);
    input.len()
}
