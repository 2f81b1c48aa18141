//! YAML as policies use it: nodes with places, one reading only, bounded.
//!
//! The YAML 1.2 core schema, and of it only what every reader takes alike: one document, no tags, no
//! directives, no merge keys, no repeated keys, no numbers with leading zeros or beyond 64 bits. Aliases
//! are copied, within [`MAX_COPIED`].

use std::collections::BTreeMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};
use serde_json::{Number, Value};

use super::fault::{Faults, Place, shown};

/// A policy file is at most this long, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Lists and maps are nested at most this deep.
pub(crate) const MAX_DEPTH: usize = 32;
/// Anchors and aliases of one file stand for at most this many values.
pub(crate) const MAX_COPIED: usize = 100_000;

/// A value, and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key, and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) at: Place,
}

impl Node {
    /// The value as JSON.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(b) => Value::Bool(*b),
            Kind::Number(n) => Value::Number(n.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.text.clone(), v.to_json())).collect())
            }
        }
    }

    /// What it is, for messages.
    pub(crate) const fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    fn size(&self) -> usize {
        match &self.kind {
            Kind::List(items) => items.iter().fold(1, |sum, item| sum + item.size()),
            Kind::Map(entries) => entries.iter().fold(1, |sum, (_, value)| sum + 1 + value.size()),
            _ => 1,
        }
    }

    fn depth(&self) -> usize {
        match &self.kind {
            Kind::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Map(entries) => 1 + entries.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }
}

/// Reads a file; `None` when it has no readable content. Faults that leave a value readable do not stop it.
pub(crate) fn parse(bytes: &[u8], faults: &mut Faults) -> Option<Node> {
    if bytes.len() > MAX_BYTES {
        faults.add_with_hint(
            Place::WHOLE,
            format!("the file is longer than {MAX_BYTES} bytes"),
            "split it into several files",
        );
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let before = String::from_utf8_lossy(bytes.get(..e.valid_up_to()).unwrap_or_default());
            faults.add(end_of(&before), "the file is not UTF-8 from here on");
            return None;
        }
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options()) {
        let step = match event {
            Ok((event, span)) => builder.take(event, place(&span), faults),
            Err(e) => {
                let at = Place { line: e.marker().line(), column: e.marker().col() + 1 };
                faults.add(at, format!("not readable as YAML: {}", e.info()));
                Err(Stop)
            }
        };
        if step.is_err() {
            return None;
        }
    }
    if builder.root.is_none() {
        faults.add_with_hint(Place::WHOLE, "the file is empty", "begin with `version: 1`");
    }
    builder.root
}

/// How policies are read.
pub(super) fn options() -> Options {
    let mut options = Options::default();
    options.disallow_directives = true;
    options.set_emit_comments(false);
    options
}

fn place(span: &Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}

/// The rest of the file cannot be read.
struct Stop;

/// Builds nodes from events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: BTreeMap<usize, Node>,
    copied: usize,
}

/// A list or map that is not complete yet.
struct Open {
    at: Place,
    anchor: usize,
    body: Body,
}

enum Body {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, seen: BTreeMap<String, Place>, key: NextKey },
}

/// Where in a map we are.
enum NextKey {
    /// A key comes next.
    Awaited,
    /// The value of this key comes next.
    Given(Key),
    /// The value of a key that was refused comes next.
    Refused,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Place, faults: &mut Faults) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    faults.add_with_hint(at, "a second document begins here", "one file holds one document");
                    return Err(Stop);
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.is_some(), at, faults);
                if self.awaits_key() {
                    self.key(text.into_owned(), style, at, faults);
                    return Ok(());
                }
                let kind = if style == ScalarStyle::Plain {
                    plain(&text, at, faults)
                } else {
                    Kind::Text(text.into())
                };
                self.value(Node { at, kind }, anchor, faults)
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_tag(tag.is_some(), at, faults);
                self.begin(Open { at, anchor, body: Body::List(Vec::new()) }, faults)
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_tag(tag.is_some(), at, faults);
                let body = Body::Map { entries: Vec::new(), seen: BTreeMap::new(), key: NextKey::Awaited };
                self.begin(Open { at, anchor, body }, faults)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(faults),
            Event::Alias(anchor) => self.alias(anchor, at, faults),
            _ => Ok(()),
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { body: Body::Map { key: NextKey::Awaited, .. }, .. }))
    }

    fn key(&mut self, text: String, style: ScalarStyle, at: Place, faults: &mut Faults) {
        let Some(Open { body: Body::Map { seen, key, .. }, .. }) = self.open.last_mut() else { return };
        if text == "<<" && style == ScalarStyle::Plain {
            faults.add_with_hint(at, "merge keys are not read", "write the keys out");
            *key = NextKey::Refused;
        } else if text.is_empty() {
            faults.add(at, "a key is empty");
            *key = NextKey::Refused;
        } else if let Some(first) = seen.get(&text) {
            let Place { line, column } = first;
            faults.add(at, format!("the key {} is already written at {line}:{column}", shown(&text)));
            *key = NextKey::Refused;
        } else {
            seen.insert(text.clone(), at);
            *key = NextKey::Given(Key { text, at });
        }
    }

    fn begin(&mut self, open: Open, faults: &mut Faults) -> Result<(), Stop> {
        if self.awaits_key() {
            faults.add(open.at, "a key is a text, not a list or map");
            return Err(Stop);
        }
        if self.open.len() >= MAX_DEPTH {
            faults.add(open.at, format!("lists and maps are nested deeper than {MAX_DEPTH}"));
            return Err(Stop);
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, faults: &mut Faults) -> Result<(), Stop> {
        let Some(Open { at, anchor, body }) = self.open.pop() else { return Ok(()) };
        let kind = match body {
            Body::List(items) => Kind::List(items),
            Body::Map { entries, .. } => Kind::Map(entries),
        };
        self.value(Node { at, kind }, anchor, faults)
    }

    fn alias(&mut self, anchor: usize, at: Place, faults: &mut Faults) -> Result<(), Stop> {
        if self.awaits_key() {
            faults.add(at, "a key is a text, not an alias");
            return Err(Stop);
        }
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            faults.add(at, "an alias stands inside what it refers to");
            return Err(Stop);
        };
        if self.open.len() + node.depth() > MAX_DEPTH {
            faults.add(at, format!("lists and maps are nested deeper than {MAX_DEPTH}"));
            return Err(Stop);
        }
        self.spend(&node, at, faults)?;
        self.value(node, 0, faults)
    }

    fn value(&mut self, node: Node, anchor: usize, faults: &mut Faults) -> Result<(), Stop> {
        if anchor != 0 {
            self.spend(&node, node.at, faults)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.body) {
            None => self.root = Some(node),
            Some(Body::List(items)) => items.push(node),
            Some(Body::Map { entries, key, .. }) => {
                if let NextKey::Given(key) = std::mem::replace(key, NextKey::Awaited) {
                    entries.push((key, node));
                }
            }
        }
        Ok(())
    }

    /// Copies cost memory that the length of the file does not bound.
    fn spend(&mut self, node: &Node, at: Place, faults: &mut Faults) -> Result<(), Stop> {
        self.copied = self.copied.saturating_add(node.size());
        if self.copied > MAX_COPIED {
            faults.add(at, format!("anchors and aliases stand for more than {MAX_COPIED} values"));
            return Err(Stop);
        }
        Ok(())
    }
}

fn refuse_tag(tagged: bool, at: Place, faults: &mut Faults) {
    if tagged {
        faults.add_with_hint(at, "tags are not read", "drop the tag; quote a value that is a text");
    }
}

/// A scalar without quotes, by the core schema.
fn plain(text: &str, at: Place, faults: &mut Faults) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        _ => {}
    }
    match number(text) {
        Reading::Number(number) => Kind::Number(number),
        Reading::Text => Kind::Text(text.to_owned()),
        Reading::Refused(why) => {
            faults.add_with_hint(at, format!("{} {why}", shown(text)), "put it in quotes if it is a text");
            Kind::Text(text.to_owned())
        }
    }
}

enum Reading {
    Number(Number),
    Text,
    Refused(&'static str),
}

fn number(text: &str) -> Reading {
    const TOO_LARGE: Reading = Reading::Refused("is beyond the numbers that all readers keep exactly");
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, text.get(1..).unwrap_or_default()),
        [b'+', ..] => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let all = |rest: &str, of: fn(&u8) -> bool| !rest.is_empty() && rest.as_bytes().iter().all(of);
    for (prefix, radix, of) in
        [("0x", 16, u8::is_ascii_hexdigit as fn(&u8) -> bool), ("0o", 8, |b| (b'0'..=b'7').contains(b))]
    {
        if let Some(rest) = text.strip_prefix(prefix).filter(|rest| all(rest, of)) {
            return u64::from_str_radix(rest, radix).map_or(TOO_LARGE, |n| Reading::Number(n.into()));
        }
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Reading::Refused("is no finite number");
    }
    if !is_decimal(digits) {
        return Reading::Text;
    }
    if digits.len() > 1 && digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
    {
        return Reading::Refused("begins with a zero, which some readers take as octal");
    }
    if all(digits, u8::is_ascii_digit) {
        let exact = match (negative, digits.parse::<i128>().ok()) {
            (true, Some(n)) => i64::try_from(-n).ok().map(Number::from),
            (false, Some(n)) => u64::try_from(n).ok().map(Number::from),
            (_, None) => None,
        };
        return exact.map_or(TOO_LARGE, Reading::Number);
    }
    let float = text.parse::<f64>().ok().and_then(Number::from_f64);
    float.map_or(TOO_LARGE, Reading::Number)
}

/// `1`, `1.`, `.5`, `1.5`, each with or without an exponent.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    !(whole.is_empty() && fraction.is_empty()) && digits(whole) && digits(fraction) && exponent_fits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Option<Value>, Vec<String>) {
        let mut faults = Faults::of("f".into());
        let node = parse(text.as_bytes(), &mut faults);
        let node = node.map(|n| n.to_json());
        (node, faults.into_sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn plain_scalars_follow_the_core_schema_and_quoted_ones_are_texts() {
        let text = "[1, -2, +3, 0x1f, 0o17, 1.5, .5, 1e3, true, FALSE, ~, null, '', \"1\", yes, no, 1.2.3, 1_000, 18446744073709551615]";
        let (value, faults) = read(text);
        assert_eq!(faults, Vec::<String>::new());
        let expected = json!([
            1,
            -2,
            3,
            31,
            15,
            1.5,
            0.5,
            1000.0,
            true,
            false,
            null,
            null,
            "",
            "1",
            "yes",
            "no",
            "1.2.3",
            "1_000",
            u64::MAX
        ]);
        assert_eq!(value.unwrap(), expected);
    }

    #[test]
    fn numbers_with_two_readings_are_refused() {
        for text in
            ["007", "-01", "18446744073709551616", "-9223372036854775809", "1e999", ".inf", "-.INF", ".nan"]
        {
            assert_eq!(read(&format!("a: {text}")).1.len(), 1, "{text}");
        }
    }

    #[test]
    fn every_fault_has_its_place() {
        for (text, place) in [
            ("a: 1\nb: 2\na: 3", "f:3:1: the key `a` is already written at 1:1"),
            ("a: 1\n'a': 3", "f:2:1: the key `a` is already written at 1:1"),
            ("a: !!str 1", "f:1:10: tags are not read"),
            ("b: &b {c: 1}\na:\n  <<: *b", "f:3:3: merge keys are not read"),
            ("? [a]\n: b", "f:1:3: a key is a text, not a list or map"),
            ("a: &a b\n*a : c", "f:2:1: a key is a text, not an alias"),
            ("a: &x [*x]", "f:1:8: an alias stands inside what it refers to"),
            ("a: 1\n---\nb: 2", "f:2:1: a second document begins here"),
            ("a: [1, 2", "f:1:4: not readable as YAML: unclosed bracket"),
            ("a: *nowhere", "f:1:4: not readable as YAML"),
            ("%YAML 1.1\n---\na: 1", "f:1:1: not readable as YAML"),
            ("\"\": 1", "f:1:1: a key is empty"),
            ("", "f: the file is empty"),
            ("# only a remark\n", "f: the file is empty"),
        ] {
            let faults = read(text).1;
            assert!(faults.first().is_some_and(|f| f.starts_with(place)), "{text:?}: {faults:?}");
        }
    }

    #[test]
    fn aliases_are_copied_within_a_bound() {
        assert_eq!(read("a: &x [1]\nb: [*x, *x]").0.unwrap(), json!({"a": [1], "b": [[1], [1]]}));
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, of) in ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"])
        {
            bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(", "));
        }
        let faults = read(&bomb).1;
        assert!(
            faults.first().is_some_and(|f| f.contains("stand for more than 100000 values")),
            "{faults:?}"
        );
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(read(&nested(MAX_DEPTH)).1.is_empty());
        assert_eq!(read(&nested(MAX_DEPTH + 1)).1, ["f:1:33: lists and maps are nested deeper than 32"]);
        assert!(!read(&nested(100_000)).1.is_empty());
        let deep = format!("a: &a {}\nb: {}*a{}", nested(20), "[".repeat(12), "]".repeat(12));
        assert!(read(&deep).1[0].contains("nested deeper"));
        let (fits, too_long) = ("#".repeat(MAX_BYTES), "#".repeat(MAX_BYTES + 1));
        assert_eq!(read(&fits).1, ["f: the file is empty (hint: begin with `version: 1`)"]);
        assert!(read(&too_long).1[0].contains("longer than 1048576 bytes"));
    }

    #[test]
    fn what_is_not_utf_8_is_refused_with_its_place() {
        let mut faults = Faults::of("f".into());
        assert!(parse(b"a: 1\nb: \xff", &mut faults).is_none());
        assert_eq!(faults.into_sorted()[0].to_string(), "f:2:4: the file is not UTF-8 from here on");
    }
}
