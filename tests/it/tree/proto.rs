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

    /// Numbers of a repeated field, as Milvus packs them.
    pub(super) fn packed(self, field: u8, values: &[u64]) -> Self {
        let mut inner = Self::new();
        for value in values {
            inner.varint(*value);
        }
        self.message(field, &inner)
    }

    /// A `KeyValuePair`.
    pub(super) fn pair(self, field: u8, key: &str, value: &str) -> Self {
        let pair = Self::new();
        let pair = if key.is_empty() { pair } else { pair.text(1, key) };
        let pair = if value.is_empty() { pair } else { pair.text(2, value) };
        self.message(field, &pair)
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

/// What a path of field numbers, each with which of its records, leads to: a number in decimal, text
/// as it is, nothing for what is not there.
pub(super) fn at(message: &[u8], path: &[(u64, usize)]) -> String {
    let Some(((field, index), deeper)) = path.split_first() else {
        return String::from_utf8_lossy(message).into_owned();
    };
    let mut rest = message;
    let mut left = *index;
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let value = varint(&mut rest);
        let wire_type = key & 7;
        let (number, content) = if wire_type == 0 {
            (Some(value), &rest[..0])
        } else {
            let (content, after) = rest.split_at(usize::try_from(value).expect("a length"));
            rest = after;
            (None, content)
        };
        if key >> 3 != *field {
            continue;
        }
        match (left, number) {
            (0, Some(number)) => return number.to_string(),
            (0, None) => return at(content, deeper),
            (more, _) => left = more - 1,
        }
    }
    String::new()
}

fn varint(rest: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, after) = rest.split_first().expect("a whole number");
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}
