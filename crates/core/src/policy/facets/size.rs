//! `size.*`: how large a value is.

use std::io;

use serde_json::Value;

/// Bytes of a text in UTF-8, of anything else as compact JSON.
pub(super) fn bytes(value: &Value) -> Option<u64> {
    if let Value::String(text) = value {
        return u64::try_from(text.len()).ok();
    }
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, value).ok()?;
    Some(counted.0)
}

/// Unicode scalar values of a text.
pub(super) fn chars(value: &Value) -> Option<u64> {
    u64::try_from(value.as_str()?.chars().count()).ok()
}

/// Entries of a list or members of an object.
pub(super) fn items(value: &Value) -> Option<u64> {
    let count = match value {
        Value::Array(list) => list.len(),
        Value::Object(members) => members.len(),
        _ => return None,
    };
    u64::try_from(count).ok()
}

/// A writer that keeps nothing.
struct Counted(u64);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
