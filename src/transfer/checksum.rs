//! CRC64NVME, the checksum that S3 stores compute too; and MD5, which their plain `ETag`s are,
//! for files that were copied on the server and have no other. Of an object that is encrypted under a key
//! the `ETag` looks the same and is none, which the store says when the object is read.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>.

use std::sync::{Arc, Mutex};

use crc_fast::{CrcAlgorithm, Digest};
use futures::{StreamExt, TryStreamExt};
use md5::{Digest as _, Md5};

use crate::manifest::FileEntry;
use crate::storage::{ByteStream, ObjectStream, StoreResult};

fn digest() -> Digest {
    Digest::new(CrcAlgorithm::Crc64Nvme)
}

fn hex(digest: &Digest) -> String {
    format!("{:016x}", digest.finalize())
}

/// The running checksum of a stream that someone else consumes.
#[derive(Debug, Clone)]
pub(super) struct RunningCrc(Arc<Mutex<Digest>>);

impl RunningCrc {
    /// Passes a stream through and sums what passes.
    pub(super) fn tee(body: ByteStream) -> (ByteStream, Self) {
        let crc = Self(Arc::new(Mutex::new(digest())));
        let tap = crc.clone();
        let teed = body.inspect_ok(move |chunk| {
            tap.0.lock().expect("no holder of this lock panics").update(chunk);
        });
        (teed.boxed(), crc)
    }

    /// The checksum of what has passed.
    pub(super) fn hex(&self) -> String {
        hex(&self.0.lock().expect("no holder of this lock panics"))
    }
}

/// Reads an object to its end: its length and checksum.
pub async fn crc_of(object: ObjectStream) -> StoreResult<(u64, String)> {
    let mut digest = digest();
    let mut size = 0;
    let mut body = object.body;
    while let Some(chunk) = body.try_next().await? {
        digest.update(&chunk);
        size += chunk.len() as u64;
    }
    Ok((size, hex(&digest)))
}

/// How the content of a copied file compares with what a list says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// It is what was written.
    Same,
    /// It has the size, and nothing more is known.
    Unchecked,
    /// It has other bytes: how that shows.
    Other(String),
}

/// Reads a copied file to its end and compares it with its entry.
pub async fn check_content(object: ObjectStream, entry: &FileEntry) -> StoreResult<Content> {
    let etag = if entry.copy.is_empty() { &entry.source } else { &entry.copy };
    let md5_known = entry.crc.is_empty() && is_plain(etag);
    // It is no MD5; but of an object that was written anew it is another.
    let opaque = object.meta.opaque && object.meta.etag.as_deref() == Some(etag.as_str());
    let (mut crc, mut md5, mut size) = (digest(), Md5::new(), 0);
    let mut body = object.body;
    while let Some(chunk) = body.try_next().await? {
        size += chunk.len() as u64;
        if md5_known {
            md5.update(&chunk);
        } else {
            crc.update(&chunk);
        }
    }
    let (name, found, written) = if md5_known {
        let md5 = format!("{:032x}", u128::from_be_bytes(md5.finalize().into()));
        ("MD5", md5, etag)
    } else {
        ("CRC64NVME", hex(&crc), &entry.crc)
    };
    Ok(if size != entry.size {
        Content::Other(format!("it has {size} bytes, {} were written", entry.size))
    } else if written.is_empty() {
        Content::Unchecked
    } else if found == *written {
        Content::Same
    } else if md5_known && opaque {
        Content::Unchecked
    } else {
        Content::Other(format!("its {name} is {found}, {written} was written"))
    })
}

/// Whether a fingerprint has the form of an MD5, as the `ETag` of an object has that was
/// written in one piece and not encrypted with a key of its own.
pub(super) fn is_plain(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{digest, hex};

    #[test]
    fn the_check_value_of_crc64nvme() {
        let mut sum = digest();
        sum.update(b"123456789");
        assert_eq!(hex(&sum), "ae8b14860a799888");
    }
}
