//! The strict pass: one walk over the text that refuses whatever two JSON readers could read differently.
//!
//! It is ours, rather than a set of options of a JSON crate, because no crate refuses duplicate keys in
//! skipped parts, and because a feature that some other dependency turns on must not change what is accepted.
//! It keeps its own stack, so that depth costs memory and not the thread's stack, and looks at each byte a
//! bounded number of times.

use std::borrow::Cow;
use std::collections::HashSet;

use super::fault::{Fault, FaultKind, Peer, push_key};

/// How deep arrays and objects may be nested: what `serde_json` reads with its standard limit.
pub(super) const MAX_DEPTH: usize = 127;

/// Objects up to this many keys are searched in order; beyond it a hash set keeps the pass linear.
const FEW_KEYS: usize = 8;

/// Integers of up to this many digits are within a 64-bit float's range.
const SAFE_DIGITS: usize = 300;

/// What is wrong with a text, and where.
#[derive(Debug)]
pub(super) struct Flaw {
    kind: FaultKind,
    offset: usize,
    pointer: String,
}

impl Flaw {
    pub(super) fn into_fault(self, from: Peer) -> Fault {
        Fault::new(self.kind, from).at(&self.pointer).at_offset(self.offset)
    }
}

/// Accepts exactly one JSON value without duplicate keys, lone surrogates, numbers beyond a 64-bit float or
/// deep nesting.
pub(super) fn check(text: &str) -> Result<(), Flaw> {
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0, open: Vec::new() };
    scan.document().map_err(|(kind, offset)| Flaw { kind, offset, pointer: scan.pointer() })
}

type Step = Result<(), (FaultKind, usize)>;

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open<'a>>,
}

enum Open<'a> {
    Array { index: usize },
    Object { keys: Keys<'a>, key: Cow<'a, str> },
}

impl<'a> Scan<'a> {
    fn document(&mut self) -> Step {
        self.value()?;
        while let Some(open) = self.open.last_mut() {
            self.at += whitespace(self.bytes, self.at);
            let (first, close) = match open {
                Open::Array { index } => (*index == 0, b']'),
                Open::Object { keys, .. } => (keys.is_empty(), b'}'),
            };
            let next = self.bytes.get(self.at).copied();
            if next == Some(close) {
                self.at += 1;
                self.open.pop();
                continue;
            }
            if !first {
                if next != Some(b',') {
                    return self.syntax();
                }
                self.at += 1;
            }
            if let Open::Array { index } = open {
                *index += 1;
            } else {
                self.member_key()?;
            }
            self.value()?;
        }
        self.at += whitespace(self.bytes, self.at);
        if self.at < self.bytes.len() { Err((FaultKind::Trailing, self.at)) } else { Ok(()) }
    }

    /// Reads a scalar, or opens an array or object.
    fn value(&mut self) -> Step {
        self.at += whitespace(self.bytes, self.at);
        match self.bytes.get(self.at) {
            Some(b'{') => self.push(Open::Object { keys: Keys::default(), key: Cow::Borrowed("") }),
            Some(b'[') => self.push(Open::Array { index: 0 }),
            Some(b'"') => self.string().map(|_| ()),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.syntax(),
        }
    }

    fn push(&mut self, open: Open<'a>) -> Step {
        if self.open.len() == MAX_DEPTH {
            return Err((FaultKind::TooDeep, self.at));
        }
        self.at += 1;
        self.open.push(open);
        Ok(())
    }

    fn member_key(&mut self) -> Step {
        self.at += whitespace(self.bytes, self.at);
        let start = self.at;
        if self.bytes.get(start) != Some(&b'"') {
            return self.syntax();
        }
        let escaped = self.string()?;
        let token = self.text.get(start..self.at).unwrap_or_default();
        let name = if escaped {
            // The token was just checked, so it decodes.
            Cow::Owned(serde_json::from_str(token).map_err(|_| (FaultKind::Syntax, start))?)
        } else {
            Cow::Borrowed(token.trim_matches('"'))
        };
        if let Some(Open::Object { keys, key }) = self.open.last_mut() {
            key.clone_from(&name);
            if !keys.insert(name) {
                return Err((FaultKind::DuplicateKey, start));
            }
        }
        self.at += whitespace(self.bytes, self.at);
        if self.bytes.get(self.at) != Some(&b':') {
            return self.syntax();
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over a string; says whether it had escapes.
    fn string(&mut self) -> Result<bool, (FaultKind, usize)> {
        let mut escaped = false;
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            self.at += plain.unwrap_or(rest.len());
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err((FaultKind::Syntax, self.at)),
            }
        }
    }

    fn escape(&mut self) -> Step {
        let start = self.at;
        match self.bytes.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match self.unit(start)? {
                0xd800..=0xdbff => match self.unit(start + 6) {
                    Ok(0xdc00..=0xdfff) => {
                        self.at += 12;
                        Ok(())
                    }
                    _ => Err((FaultKind::LoneSurrogate, start)),
                },
                0xdc00..=0xdfff => Err((FaultKind::LoneSurrogate, start)),
                _ => {
                    self.at += 6;
                    Ok(())
                }
            },
            _ => self.syntax(),
        }
    }

    /// The UTF-16 unit of the `\uXXXX` that starts at `at`.
    fn unit(&self, at: usize) -> Result<u32, (FaultKind, usize)> {
        let token = self.bytes.get(at..at + 6).filter(|token| token.starts_with(b"\\u"));
        token
            .and_then(|token| token.get(2..))
            .and_then(|digits| {
                digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
            })
            .ok_or((FaultKind::Syntax, at))
    }

    fn word(&mut self, word: &str) -> Step {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word.as_bytes()) {
            return self.syntax();
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Step {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let whole = self.at;
        let digits = self.digits()?;
        if digits > 1 && self.bytes.get(whole) == Some(&b'0') {
            return Err((FaultKind::Syntax, whole));
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        let exponent = matches!(self.bytes.get(self.at), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if exponent || digits > SAFE_DIGITS {
            let token = self.text.get(start..self.at).unwrap_or_default();
            if !token.parse::<f64>().is_ok_and(f64::is_finite) {
                return Err((FaultKind::NumberRange, start));
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, (FaultKind, usize)> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err((FaultKind::Syntax, self.at)) } else { Ok(count) }
    }

    fn syntax<T>(&self) -> Result<T, (FaultKind, usize)> {
        Err((FaultKind::Syntax, self.at))
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for open in &self.open {
            match open {
                Open::Array { index } => push_key(&mut pointer, &index.saturating_sub(1).to_string()),
                Open::Object { keys, key } if !keys.is_empty() => push_key(&mut pointer, key),
                Open::Object { .. } => {}
            }
        }
        pointer
    }
}

fn whitespace(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// The keys that one object has had so far.
#[derive(Default)]
struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Keys<'a> {
    fn is_empty(&self) -> bool {
        self.few.is_empty()
    }

    /// Adds a key; false when it was there.
    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        if let Some(many) = &mut self.many {
            return many.insert(key);
        }
        if self.few.contains(&key) {
            return false;
        }
        self.few.push(key);
        if self.few.len() > FEW_KEYS {
            self.many = Some(self.few.iter().cloned().collect());
        }
        true
    }
}
