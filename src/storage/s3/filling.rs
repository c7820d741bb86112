//! A stream of exactly so many bytes, taken in pieces of a chosen size.

use bytes::{Buf, Bytes, BytesMut};
use futures::TryStreamExt;

use crate::storage::{ByteStream, StoreResult};

/// The stream is longer or shorter than was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WrongLength {
    #[error("the stream has only {came} bytes, not {size}")]
    Short { came: u64, size: u64 },
    #[error("the stream has more than {size} bytes")]
    Long { size: u64 },
}

/// What is left of a stream.
pub(super) struct Filling {
    body: ByteStream,
    size: u64,
    came: u64,
    /// What came with the last piece and belongs to the next.
    rest: Bytes,
}

impl Filling {
    pub(super) fn new(body: ByteStream, size: u64) -> Self {
        Self { body, size, came: 0, rest: Bytes::new() }
    }

    /// The next `bytes` of the stream, which are known to be within its size.
    pub(super) async fn piece(&mut self, bytes: u64) -> StoreResult<Result<Bytes, WrongLength>> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut piece = BytesMut::with_capacity(bytes);
        while piece.len() < bytes {
            if self.rest.is_empty() && !self.advance().await? {
                let came = self.came;
                return Ok(Err(WrongLength::Short { came, size: self.size }));
            }
            let taken = self.rest.len().min(bytes - piece.len());
            piece.extend_from_slice(&self.rest[..taken]);
            self.rest.advance(taken);
        }
        Ok(Ok(piece.freeze()))
    }

    /// Whether the stream ends where it should, once all pieces are taken.
    pub(super) async fn end(&mut self) -> StoreResult<Result<(), WrongLength>> {
        while self.rest.is_empty() {
            if !self.advance().await? {
                return Ok(Ok(()));
            }
        }
        Ok(Err(WrongLength::Long { size: self.size }))
    }

    /// Reads on; false at the end.
    async fn advance(&mut self) -> StoreResult<bool> {
        let Some(chunk) = self.body.try_next().await? else { return Ok(false) };
        self.came += chunk.len() as u64;
        self.rest = chunk;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::{StreamExt, stream};

    use super::{Filling, WrongLength};

    fn filling(chunks: &'static [&'static str], size: u64) -> Filling {
        let chunks = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())));
        Filling::new(stream::iter(chunks).boxed(), size)
    }

    #[tokio::test]
    async fn pieces_do_not_depend_on_chunks() {
        let mut filling = filling(&["abc", "", "d", "efghij"], 10);
        for expected in ["ab", "cdef", "ghij"] {
            let piece = filling.piece(expected.len() as u64).await.unwrap().unwrap();
            assert_eq!(piece, expected);
        }
        assert_eq!(filling.end().await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_wrong_length_is_named() {
        let mut short = filling(&["abc"], 4);
        assert_eq!(short.piece(4).await.unwrap(), Err(WrongLength::Short { came: 3, size: 4 }));
        let mut long = filling(&["ab", "", "c"], 2);
        assert_eq!(long.piece(2).await.unwrap().unwrap(), "ab");
        assert_eq!(long.end().await.unwrap(), Err(WrongLength::Long { size: 2 }));
    }
}
