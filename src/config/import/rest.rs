//! Copies, garbage collection and the log.

use super::draft::Draft;
use super::meaning::Meaning::{Concurrency, CrossStorage, LogLevel, PausesGc, TransferMode};
use crate::config::parse;
use crate::config::table::LOG_LEVELS;

const BY_ITSELF: &str = "the agent lets the server copy where both sides are on one server under \
                         one access key, and streams otherwise";

/// Decides what is left.
pub(super) fn convert(draft: &mut Draft) {
    if let Some(text) = draft.text(Concurrency) {
        let key = "transfer.concurrency";
        match parse::concurrency(&text) {
            Ok(_) => {
                draft.set(key, text);
                draft.taken(Concurrency, key);
            }
            Err(invalid) => {
                draft.decide(Concurrency, format!("set `{key}`: {}", invalid.message));
            }
        }
    }
    match draft.text(TransferMode).as_deref() {
        None | Some("auto") => draft.nothing(TransferMode, BY_ITSELF),
        Some(mode) => {
            let what = format!("there is no `{mode}` alone: {BY_ITSELF}; see that this will do");
            draft.decide(TransferMode, what);
        }
    }
    match draft.text(CrossStorage).as_deref() {
        None | Some("false") => draft.nothing(CrossStorage, BY_ITSELF),
        Some(_) => {
            let what =
                format!("copies are not always streamed: {BY_ITSELF}; see that this will do");
            draft.decide(CrossStorage, what);
        }
    }
    match draft.text(PausesGc).as_deref() {
        None | Some("true") => {
            draft.nothing(PausesGc, "the agent always pauses it, where Milvus can");
        }
        Some(_) => {
            let what = "the agent pauses garbage collection in every backup, where Milvus can; if \
                        it must not, keep it from `milvus.management_address`";
            draft.decide(PausesGc, what);
        }
    }
    if let Some(level) = draft.text(LogLevel) {
        let level = match level.to_lowercase().as_str() {
            "fatal" | "panic" | "dpanic" => "error".to_owned(),
            "warning" => "warn".to_owned(),
            other => other.to_owned(),
        };
        if LOG_LEVELS.contains(&&*level) {
            draft.set("log.level", level);
            draft.taken(LogLevel, "log.level");
        } else {
            let what = format!("`{level}` is no level; set `log.level`: {}", LOG_LEVELS.join(", "));
            draft.decide(LogLevel, what);
        }
    }
}
