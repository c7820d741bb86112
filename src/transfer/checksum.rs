//! CRC64NVME, the checksum that S3 stores compute too.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>.

use std::sync::{Arc, Mutex};

use crc_fast::{CrcAlgorithm, Digest};
use futures::{StreamExt, TryStreamExt};

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
