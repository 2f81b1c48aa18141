//! The lines of a file as blocks: keys and dashes with the lines that belong to them, and values that stay as they are.

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use crate::policy::yaml::options;

/// Reads the lines of a file as blocks.
///
/// # Errors
/// Something in it is not moved.
pub(super) fn read(text: &str, lines: &[&str]) -> Laid<Block> {
    let events = events(text)?;
    let mut reader = Reader { lines, events: events.into_iter().peekable() };
    match reader.value(1)? {
        Some(Value::Block(root)) => Ok(root),
        _ => Err(Unmovable { line: 1, why: "it is not written as a map, one key a line" }),
    }
}

/// Something that is not moved.
pub(super) struct Unmovable {
    pub(super) line: usize,
    pub(super) why: &'static str,
}

pub(super) type Laid<T> = Result<T, Unmovable>;

/// What the parser says, without what is not about values.
fn events(text: &str) -> Laid<Vec<(Event<'_>, Span)>> {
    let mut events = Vec::new();
    for event in Parser::new_from_str_with_options(text, options()) {
        let Ok((event, span)) = event else { return Err(Unmovable { line: 0, why: "it is not readable" }) };
        let line = span.start.line();
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag) => {
                (*anchor, tag.is_some())
            }
            Event::Alias(_) => (1, false),
            Event::DocumentStart(true, _) => {
                return Err(Unmovable { line, why: "a document marker stands here" });
            }
            Event::SequenceEnd | Event::MappingEnd => (0, false),
            _ => continue,
        };
        if anchor != 0 || tag {
            return Err(Unmovable { line, why: "an anchor, an alias or a tag stands here" });
        }
        events.push((event, span));
    }
    Ok(events)
}

/// A map or list that is written one entry a line.
pub(super) struct Block {
    /// Where its keys or dashes begin, counted from 0.
    pub(super) column: usize,
    pub(super) entries: Vec<Entry>,
}

/// One entry of a block.
pub(super) struct Entry {
    /// The line of its key or dash, counted from 1.
    pub(super) line: usize,
    /// As written; `None` for an entry of a list.
    pub(super) key: Option<String>,
    pub(super) value: Value,
    /// Its last line.
    pub(super) end: usize,
}

/// What belongs to a key or stands behind a dash.
pub(super) enum Value {
    /// Kept as it is written: from here to the end of the entry.
    Leaf {
        line: usize,
        column: usize,
        end: usize,
    },
    Block(Block),
}

impl Block {
    fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key.as_deref() == Some(name))
    }

    /// Whether it is a rule, as a file by itself.
    pub(super) fn is_rule(&self) -> bool {
        !self.has("rules") && ["match", "condition", "trigger", "when"].iter().any(|key| self.has(key))
    }
}

struct Reader<'a, I: Iterator<Item = (Event<'a>, Span)>> {
    lines: &'a [&'a str],
    events: std::iter::Peekable<I>,
}

impl<'a, I: Iterator<Item = (Event<'a>, Span)>> Reader<'a, I> {
    /// The next value, of an entry in this line; `None` at the end of a list or map.
    fn value(&mut self, of: usize) -> Laid<Option<Value>> {
        let Some((event, span)) = self.events.next() else { return Ok(None) };
        let (line, column) = (span.start.line(), span.start.col());
        Ok(Some(match event {
            Event::SequenceEnd | Event::MappingEnd => return Ok(None),
            Event::MappingStart(StructureStyle::Block, ..) => Value::Block(self.map()?),
            Event::SequenceStart(StructureStyle::Block, ..) => Value::Block(self.list()?),
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                Value::Leaf { line, column, end: self.skip(line) }
            }
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => {
                Value::Leaf { line, column, end: self.block_scalar(of)? }
            }
            _ => Value::Leaf { line, column, end: span.end.line().max(line) },
        }))
    }

    /// Passes over the rest of a list or map in brackets; its last line.
    fn skip(&mut self, from: usize) -> usize {
        let (mut depth, mut last) = (1, from);
        while depth > 0 {
            let Some((event, span)) = self.events.next() else { return last };
            last = last.max(span.end.line());
            match event {
                Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
                Event::MappingEnd | Event::SequenceEnd => depth -= 1,
                _ => {}
            }
        }
        last
    }

    /// The last line of a text that is written over lines of its own; `line` is that of its `|` or `>`.
    fn block_scalar(&self, line: usize) -> Laid<usize> {
        let header = self.line(line);
        let marks = header.rsplit(['|', '>']).next().unwrap_or_default();
        let marks = marks.split('#').next().unwrap_or_default();
        if marks.contains(|c: char| c == '+' || c.is_ascii_digit()) {
            return Err(Unmovable { line, why: "the indentation of this text matters" });
        }
        let own = indentation(header);
        let body = self.lines.iter().enumerate().skip(line);
        let body = body.take_while(|(_, text)| text.is_empty() || indentation(text) > own);
        Ok(body.filter(|(_, text)| !text.is_empty()).last().map_or(line, |(at, _)| at + 1))
    }

    fn map(&mut self) -> Laid<Block> {
        let mut block = Block { column: 0, entries: Vec::new() };
        while let Some((event, span)) = self.events.next() {
            let line = span.start.line();
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let single = matches!(event, Event::Scalar(..)) && span.end.line() == line;
            let key = part(self.line(line), span.start.col(), Some(span.end.col()));
            let after = part(self.line(line), span.end.col(), None);
            if !single || key.is_empty() || !after.trim_start().starts_with(':') {
                return Err(Unmovable { line, why: "a key is not written as one word before a colon" });
            }
            if block.entries.is_empty() {
                block.column = span.start.col();
            }
            self.entry(&mut block, line, Some(key.to_owned()))?;
        }
        Ok(block)
    }

    fn list(&mut self) -> Laid<Block> {
        let mut block = Block { column: 0, entries: Vec::new() };
        while let Some((event, span)) = self.events.peek() {
            let (ends, line, column) =
                (matches!(event, Event::SequenceEnd), span.start.line(), span.start.col());
            if ends {
                self.events.next();
                break;
            }
            let before = part(self.line(line), 0, Some(column));
            if before.trim() != "-" {
                return Err(Unmovable { line, why: "an entry of a list does not stand behind its dash" });
            }
            if block.entries.is_empty() {
                block.column = indentation(before);
            }
            self.entry(&mut block, line, None)?;
        }
        Ok(block)
    }

    fn entry(&mut self, block: &mut Block, line: usize, key: Option<String>) -> Laid<()> {
        let Some(value) = self.value(line)? else {
            return Err(Unmovable { line, why: "nothing stands here" });
        };
        let end = match &value {
            Value::Leaf { end, .. } => (*end).max(line),
            Value::Block(inner) => inner.entries.last().map_or(line, |last| last.end),
        };
        block.entries.push(Entry { line, key, value, end });
        Ok(())
    }

    fn line(&self, line: usize) -> &'a str {
        self.lines.get(line.wrapping_sub(1)).copied().unwrap_or_default()
    }
}

/// How deep a line begins, in characters.
pub(super) fn indentation(line: &str) -> usize {
    line.chars().take_while(|c| *c == ' ').count()
}

/// Characters of a line, from one column to another.
pub(super) fn part(line: &str, from: usize, to: Option<usize>) -> &str {
    let byte = |column: usize| line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    line.get(byte(from)..to.map_or(line.len(), byte)).unwrap_or_default()
}
