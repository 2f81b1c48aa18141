//! Lines of bytes with a limit.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Reads lines of at most `limit` bytes.
pub(super) struct Lines<R> {
    read: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
}

/// How a line ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// With a line feed, or with the stream.
    Whole(&'a [u8]),
    /// At the limit: this is its first part, and the rest follows as further lines.
    Cut(&'a [u8]),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(read: R, limit: usize) -> Self {
        Self { read: BufReader::with_capacity(64 * 1024, read), line: Vec::new(), limit }
    }

    /// The next line, without its line feed; `None` at the end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Line<'_>>> {
        self.line.clear();
        loop {
            let buffer = self.read.fill_buf().await?;
            if buffer.is_empty() {
                return Ok((!self.line.is_empty()).then_some(Line::Whole(&self.line)));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            let room = self.limit - self.line.len();
            if part.len() > room {
                self.line.extend_from_slice(part.get(..room).unwrap_or_default());
                self.read.consume(room);
                return Ok(Some(Line::Cut(&self.line)));
            }
            let used = part.len() + usize::from(end.is_some());
            self.line.extend_from_slice(part);
            self.read.consume(used);
            if end.is_some() {
                return Ok(Some(Line::Whole(&self.line)));
            }
        }
    }
}
