//! Schemas as Milvus encodes them, by hand: the numbers are those of milvus-proto.

/// One record of a message: its number and its bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn number(mut self, field: u8, value: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    pub(super) fn text(self, field: u8, value: &str) -> Self {
        self.record(field, value.as_bytes())
    }

    pub(super) fn message(self, field: u8, value: &Self) -> Self {
        self.record(field, &value.0)
    }

    /// A `KeyValuePair`.
    pub(super) fn pair(self, field: u8, key: &str, value: &str) -> Self {
        self.message(field, &Self::new().text(1, key).text(2, value))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn record(mut self, field: u8, value: &[u8]) -> Self {
        self.varint((u64::from(field) << 3) | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).expect("seven bits"));
    }
}
