//! A file of the spool.

use std::fs::{File, Metadata};
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::event::EventRun;
use crate::model::Letter;

const VERSION: u32 = 1;

/// The largest file that is read: events are far smaller.
const LARGEST: u64 = 16 << 20;

/// What a run leaves.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    version: u32,
    /// What is to be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) letters: Vec<Letter>,
    /// The run that is at work, as long as the file is locked; else it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<EventRun>,
}

impl Note {
    pub(super) fn letters(letters: Vec<Letter>) -> Self {
        Self { version: VERSION, letters, run: None }
    }

    pub(super) fn at_work(run: EventRun) -> Self {
        Self { version: VERSION, letters: Vec::new(), run: Some(run) }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("notes are plain data")
    }

    pub(super) fn read(file: &File, meta: &Metadata) -> io::Result<Self> {
        if meta.len() > LARGEST {
            return Err(io::Error::other(format!("it has {} bytes", meta.len())));
        }
        let mut content = Vec::new();
        file.take(LARGEST).read_to_end(&mut content)?;
        let note: Self = serde_json::from_slice(&content)?;
        if note.version > VERSION {
            let (found, known) = (note.version, VERSION);
            return Err(io::Error::other(format!("it has version {found}, not {known}")));
        }
        if note.letters.is_empty() && note.run.is_none() {
            return Err(io::Error::other("it says nothing"));
        }
        Ok(note)
    }
}
