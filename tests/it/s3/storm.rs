//! One request of ten fails, each in one of the ways in which servers and networks do.

use std::collections::BTreeMap;

use hyper::Method;

use super::faulty_server::Fault;

const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code><Message>less</Message></Error>";
const INTERNAL: &str = "<Error><Code>InternalError</Code><Message>no</Message></Error>";

/// The faults of one seed. The same requests in the same order meet the same ones.
#[derive(Debug)]
pub(super) struct Storm {
    state: u64,
    /// How often each fault came.
    pub(super) seen: BTreeMap<&'static str, usize>,
}

impl Storm {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, seen: BTreeMap::new() }
    }

    /// A number of xorshift64 below a limit.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from((self.state >> 11) % limit as u64).expect("it is below the limit")
    }

    /// What becomes of a request, if anything.
    pub(super) fn fault(&mut self, method: &Method, is_copy: bool) -> Option<Fault> {
        if self.below(10) != 0 {
            return None;
        }
        let mut faults = vec![
            ("503", Fault::Answer(503, "")),
            ("SlowDown", Fault::Answer(503, SLOW_DOWN)),
            ("reset", Fault::Reset),
            ("wrong ETag", Fault::WrongEtag),
        ];
        if method == Method::GET {
            faults.push(("truncated body", Fault::Halve));
        } else {
            faults.push(("lost answer", Fault::ResetAfter));
        }
        // Servers begin to answer these before they are done.
        if is_copy || method == Method::POST {
            faults.push(("200 with an error", Fault::Answer(200, INTERNAL)));
        }
        let (name, fault) = faults.swap_remove(self.below(faults.len()));
        *self.seen.entry(name).or_default() += 1;
        Some(fault)
    }
}
