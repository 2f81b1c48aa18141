//! Policy files in one layout: two blanks a level, lists inside their key, the keys of a rule in one order.
//!
//! Comments and everything inside a value stay as they are written; only whole lines move. What comes out is read again
//! and must say the same, with the same comments, and come out of a second run unchanged; where that is not so, or where
//! a file is written in a way that cannot be moved safely, it is left alone.

mod blocks;

use std::collections::BTreeMap;

use self::blocks::{Block, Entry, Laid, Unmovable, Value, indentation, part, read};
use super::fault::{Fault, Faults};
use super::syntax::RULE_ORDER;
use super::yaml;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The file in its layout.
    Text(String),
    /// It is left as it is, because of what stands in this line (0 = the whole file).
    Kept {
        /// Counted from 1.
        line: usize,
        /// Why.
        why: &'static str,
    },
}

/// Blanks a level.
const STEP: usize = 2;
/// Keys of the file that may stand beside a rule that is a file by itself.
const BESIDE: [&str; 4] = ["version", "policy", "default", "internal_domains"];

/// Lays a file out. `name` stands in faults.
///
/// # Errors
/// It is no YAML that policies may be written in: everything that is wrong.
pub fn format(name: &str, bytes: &[u8]) -> Result<Layout, Vec<Fault>> {
    let before = values(name, bytes)?;
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Ok(Layout::Kept { line: 0, why: "it is no text" });
    };
    let laid = match lay_out(text) {
        Ok(laid) => laid,
        Err(Unmovable { line, why }) => return Ok(Layout::Kept { line, why }),
    };
    let again = lay_out(&laid).ok();
    let same = values(name, laid.as_bytes()).is_ok_and(|after| after == before);
    if same && comments(text) == comments(&laid) && again.as_deref() == Some(laid.as_str()) {
        return Ok(Layout::Text(laid));
    }
    Ok(Layout::Kept { line: 0, why: "it would not say the same, with the same comments" })
}

fn values(name: &str, bytes: &[u8]) -> Result<serde_json::Value, Vec<Fault>> {
    let mut faults = Faults::of(name.into());
    match yaml::parse(bytes, &mut faults) {
        Some(root) if faults.count() == 0 => Ok(root.to_json()),
        _ => Err(faults.into_sorted()),
    }
}

/// What stands behind the first `#` of each line, how often.
fn comments(text: &str) -> BTreeMap<&str, usize> {
    let mut found = BTreeMap::new();
    for comment in text.lines().filter_map(|line| Some(line.split_once('#')?.1.trim_end())) {
        *found.entry(comment).or_insert(0) += 1;
    }
    found
}

fn lay_out(text: &str) -> Laid<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let root = read(text, &lines)?;
    let mut writer = Writer { lines: &lines, out: Vec::new() };
    let order = if root.is_rule() { Order::Rule } else { Order::File };
    writer.block(&root, (1, lines.len() + 1), 0, order)?;
    let mut out = writer.out;
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    Ok(out.join("\n") + "\n")
}

/// Which order keys have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As written; the entries of `rules` are rules.
    File,
    /// The entries of this list are rules.
    Rules,
    /// That of a rule.
    Rule,
    /// As written.
    Kept,
}

struct Writer<'a> {
    lines: &'a [&'a str],
    out: Vec<String>,
}

impl<'a> Writer<'a> {
    /// Writes a block so deep. All lines from the first to before the last belong to it: comments before its entries,
    /// and after them.
    fn block(
        &mut self,
        block: &Block,
        (mut from, to): (usize, usize),
        depth: usize,
        order: Order,
    ) -> Laid<()> {
        let mut entries = Vec::new();
        for (at, entry) in block.entries.iter().enumerate() {
            let next = block.entries.get(at + 1).map_or(to, |next| next.line);
            let after = entry.end + 1;
            // Comments that stand deeper than the entries of this block belong to the one before them.
            let deeper = match entry.value {
                Value::Block(_) => self.deeper(after, next, block.column),
                Value::Leaf { .. } => 0,
            };
            entries.push((entry, (from, after + deeper)));
            from = after + deeper;
        }
        if order == Order::Rule {
            entries.sort_by_key(|(entry, _)| rank(entry.key.as_deref()));
        }
        for (place, (entry, lines)) in entries.into_iter().enumerate() {
            self.entry(entry, lines, depth, (order, place == 0))?;
        }
        self.comments((from, to), depth, (false, true));
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &Entry,
        (from, to): (usize, usize),
        depth: usize,
        (order, first): (Order, bool),
    ) -> Laid<()> {
        self.comments((from, entry.line), depth, (first, false));
        let blanks = " ".repeat(depth);
        let line = self.line(entry.line);
        match (&entry.key, &entry.value) {
            (Some(key), Value::Leaf { line: at, column, end }) if *at == entry.line => {
                self.out.push(format!("{blanks}{key}: {}", part(line, *column, None)).trim_end().to_owned());
                self.rest((*at, *end), depth, indentation(line))
            }
            (Some(key), value) => {
                let after = part(line, key_end(line, key), None);
                let after = after.trim_start().strip_prefix(':').unwrap_or_default();
                self.out.push(format!("{blanks}{key}:{after}").trim_end().to_owned());
                self.below(value, (entry.line + 1, to), depth + STEP, inside(order, key))
            }
            (None, Value::Leaf { line: at, column, end }) if *at == entry.line => {
                self.out.push(format!("{blanks}- {}", part(line, *column, None)).trim_end().to_owned());
                self.rest((*at, *end), depth, indentation(line))
            }
            (None, leaf @ Value::Leaf { .. }) => {
                let after = line.trim_start().strip_prefix('-').unwrap_or_default();
                self.out.push(format!("{blanks}-{after}").trim_end().to_owned());
                self.below(leaf, (entry.line + 1, to), depth + STEP, Order::Kept)
            }
            (None, Value::Block(block)) => {
                let place = self.out.len();
                let inner = if order == Order::Rules { Order::Rule } else { Order::Kept };
                self.block(block, (entry.line, to), depth + STEP, inner)?;
                self.dash(place, depth, entry.line)
            }
        }
    }

    /// Puts the dash before the first line of a list's entry that is no comment.
    fn dash(&mut self, place: usize, depth: usize, line: usize) -> Laid<()> {
        let is_comment = |text: &String| text.trim_start().starts_with('#') || text.is_empty();
        let lead = self.out.iter().skip(place).take_while(|text| is_comment(text)).count();
        let Some(first) = self.out.get_mut(place + lead) else {
            return Err(Unmovable { line, why: "nothing stands here" });
        };
        *first = format!("{}- {}", " ".repeat(depth), first.trim_start());
        for comment in self.out.iter_mut().skip(place).take(lead).filter(|text| !text.is_empty()) {
            *comment = format!("{}{}", " ".repeat(depth), comment.trim_start());
        }
        Ok(())
    }

    fn below(&mut self, value: &Value, (from, to): (usize, usize), depth: usize, order: Order) -> Laid<()> {
        match value {
            Value::Block(block) => self.block(block, (from, to), depth, order),
            Value::Leaf { line, end, .. } => {
                self.comments((from, *line), depth, (true, false));
                let text = self.line(*line);
                self.out.push(format!("{}{}", " ".repeat(depth), text.trim_start()));
                self.rest((*line, *end), depth, indentation(text))
            }
        }
    }

    /// The further lines of a value, moved as far as its first one.
    fn rest(&mut self, (line, end): (usize, usize), depth: usize, column: usize) -> Laid<()> {
        for at in line + 1..=end {
            let text = self.line(at);
            if text.is_empty() {
                self.out.push(String::new());
                continue;
            }
            let moved = (indentation(text) + depth).checked_sub(column).filter(|moved| *moved >= depth);
            let Some(moved) = moved else {
                return Err(Unmovable { line: at, why: "a value goes on further left than it begins" });
            };
            self.out.push(format!("{}{}", " ".repeat(moved), text.trim_start()));
        }
        Ok(())
    }

    /// Comments and blank lines. Of blank lines one is left; none before what is first in its block, none at its end.
    fn comments(&mut self, (from, to): (usize, usize), depth: usize, (first, last): (bool, bool)) {
        let (mut blank, mut any) = (false, !first);
        for at in from..to {
            let text = self.line(at).trim();
            if text.is_empty() {
                blank = true;
                continue;
            }
            if blank && any {
                self.out.push(String::new());
            }
            (blank, any) = (false, true);
            self.out.push(format!("{}{text}", " ".repeat(depth)));
        }
        if blank && any && !last {
            self.out.push(String::new());
        }
    }

    /// How many lines from here on hold comments that stand deeper than this column, blank lines between them included.
    fn deeper(&self, from: usize, to: usize, column: usize) -> usize {
        let mut length = 0;
        for at in from..to {
            let text = self.line(at);
            if !text.is_empty() && indentation(text) <= column {
                break;
            }
            if !text.is_empty() {
                length = at + 1 - from;
            }
        }
        length
    }

    fn line(&self, line: usize) -> &'a str {
        self.lines.get(line.wrapping_sub(1)).copied().unwrap_or_default()
    }
}

/// Where a key ends that stands at the beginning of a line, or behind its dash.
fn key_end(line: &str, key: &str) -> usize {
    let before = line.find(key).unwrap_or_default();
    line.get(..before).unwrap_or_default().chars().count() + key.chars().count()
}

/// The order of what belongs to a key.
fn inside(order: Order, key: &str) -> Order {
    match order {
        Order::File if key == "rules" => Order::Rules,
        _ => Order::Kept,
    }
}

/// The place of a key in a rule; unknown ones come last, as written.
fn rank(key: Option<&str>) -> usize {
    let bare = key.unwrap_or_default().trim_matches(['"', '\'']);
    let beside = BESIDE.iter().position(|known| *known == bare);
    let of_rule = || RULE_ORDER.iter().position(|known| *known == bare).map(|at| at + BESIDE.len());
    beside.or_else(of_rule).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::syntax::load;

    const FRAGMENTS: &str = include_str!("../../tests/policy/fragments.yaml");
    const EVERYTHING: &str = include_str!("../../tests/policy/everything.yaml");

    fn laid(text: &str) -> String {
        match format("p.yaml", text.as_bytes()).unwrap() {
            Layout::Text(text) => text,
            Layout::Kept { line, why } => panic!("{line}: {why}\n{text}"),
        }
    }

    fn kept(text: &str) -> (usize, &'static str) {
        match format("p.yaml", text.as_bytes()).unwrap() {
            Layout::Text(text) => panic!("{text}"),
            Layout::Kept { line, why } => (line, why),
        }
    }

    #[test]
    fn rules_get_one_layout_and_keep_their_comments() {
        let written = "\
# About this file.
version: 1


default:   DENY   # nothing else
rules:
# The first.
-   action: DENY
    # What it is about.
    match:
        tool:   [mail.send,
                 mail.forward]   # both
        parameters:
            to: { external: true }
    # Its name.
    id: a
    reason: |
        One line.

          Another # no comment.
    # After all of it.

- { id: b, match: {}, action: ALLOW }   # short
# The end.
";
        let expected = "\
# About this file.
version: 1

default: DENY   # nothing else
rules:
  # The first.
  # Its name.
  - id: a
    # What it is about.
    match:
      tool: [mail.send,
               mail.forward]   # both
      parameters:
        to: { external: true }
    action: DENY
    reason: |
      One line.

        Another # no comment.
    # After all of it.

  - { id: b, match: {}, action: ALLOW }   # short
# The end.
";
        assert_eq!(laid(written), expected);
        assert_eq!(laid(expected), expected);
    }

    /// The set's meaning is the same: rules are equal before and after, whatever the order of their keys.
    #[test]
    fn no_fragment_of_the_specification_changes_its_meaning() {
        let fragments = FRAGMENTS.split("##### ").skip(2).map(|part| part.split_once('\n').unwrap());
        for (at, text) in fragments.chain([("everything", EVERYTHING)]) {
            let named = format!("policy: {{ id: p, version: '1' }}\n{text}");
            let text = if text.contains("\npolicy:") || text.starts_with("policy:") { text } else { &named };
            let after = laid(text);
            assert_eq!(rules(text), rules(&after), "{at}\n{after}");
        }
    }

    fn rules(text: &str) -> Vec<String> {
        let file = load("p.yaml", text.as_bytes()).unwrap();
        let digest = file.policy().digest.to_string();
        let mut rules: Vec<String> =
            file.rules().map(|rule| format!("{rule:?}").replace(&digest, "")).collect();
        rules.sort();
        rules
    }

    #[test]
    fn a_rule_that_is_a_file_by_itself_is_ordered_too() {
        let written = "action: DENY\nmatch:\n    tool: a\nversion: 1\nid: x\n";
        assert_eq!(laid(written), "version: 1\nid: x\nmatch:\n  tool: a\naction: DENY\n");
    }

    #[test]
    fn what_cannot_be_moved_safely_is_left_alone() {
        for (text, line) in [
            ("a: &x 1\nb: *x\n", 1),
            ("---\na: 1\n", 1),
            ("a: |2\n    two\n", 1),
            ("a: |+\n  keep\n\n\nb: 1\n", 1),
            ("? a\n: b\n", 1),
            ("{ version: 1, rules: [] }\n", 1),
            ("rules:\n  -\n    id: a\n", 3),
            ("a:\n  - |2\n     two\n", 3),
            ("a:\n  in:\n  - >-   # folded\n    one\n  - x\n", 4),
        ] {
            assert_eq!(kept(text).0, line, "{text:?} {}", kept(text).1);
        }
        assert!(format("p.yaml", b"a: [").is_err());
        assert!(format("p.yaml", b"a: 1\na: 2\n").is_err());
    }

    proptest::proptest! {
        /// Whatever is laid out says the same as before, and is laid out already.
        #[test]
        fn what_is_laid_out_says_the_same(text in "(([ ]{0,4})(- )?[a-c]{1,2}:( [a-c#|>\\[\\]{}'\"]{0,4})?\n|[ ]{0,4}# [a-c]\n|\n){0,12}") {
            if let Ok(Layout::Text(laid)) = format("p.yaml", text.as_bytes()) {
                proptest::prop_assert_eq!(values("p", text.as_bytes()), values("p", laid.as_bytes()));
                proptest::prop_assert_eq!(format("p.yaml", laid.as_bytes()), Ok(Layout::Text(laid.clone())));
            }
        }
    }
}
