//! `shell.*`: which commands a command line runs, with what, and where their output goes.
//!
//! | module | holds |
//! |---|---|
//! | `grammar` | lists, pipelines, compound commands, redirections, here-documents |
//! | `word` | one word: quotes, expansions, and the commands within it |
//! | `run` | what a command runs in turn: `sudo`, `env`, `sh -c`, `find -exec`, and what nobody can know |
//! | `careful` | programs that run what their arguments say: `git`, `sed`, `awk`, `tar`, `ssh` and others |
//! | `options` | options before the first operand, and which of them take a value |
//! | `hosts` | network targets among arguments |
//! | `tables` | lists of programs and names |
//!
//! The grammar is the part that POSIX shells and bash read alike. What they read differently, and what depends on
//! values that only exist at run time (`eval`, a variable as a command, arithmetic over names), has no answer. A list
//! of texts is one command that no shell expands.
//!
//! What a program does by itself cannot be told from its name: rules that name what may run hold better than rules
//! that name what may not.

mod careful;
mod grammar;
mod hosts;
mod options;
mod run;
mod tables;
mod word;

use std::collections::BTreeSet;

use serde_json::Value;

use super::{LONGEST, text_of};
use word::Word;

/// Commands within commands, of whatever kind.
const DEEPEST: usize = 16;

/// What is known of a command line; each `None` is an answer that cannot be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shell {
    /// Commands as written and their base names.
    pub(super) commands: Option<BTreeSet<String>>,
    /// Arguments of all of them, without quotes.
    pub(super) arguments: Option<BTreeSet<String>>,
    /// Files that redirections write.
    pub(super) redirects: Option<BTreeSet<String>>,
    /// Files that redirections read.
    pub(super) reads: Option<BTreeSet<String>>,
    /// Network targets named.
    pub(super) hosts: Option<BTreeSet<String>>,
    /// Whether output of a command becomes part of another.
    pub(super) substitutes: Option<bool>,
    /// Whether there is a pipe.
    pub(super) pipes: Option<bool>,
}

/// Reads a text as a command line, or a list of texts as one command.
pub(super) fn read(value: &Value) -> Shell {
    let mut found = Found::default();
    let known = match value {
        Value::Array(list) => arguments(list).map(|words| found.run(&words, 0)),
        one => text_of(one, LONGEST).and_then(|text| found.program(text, 0)),
    };
    if known.is_some() { found.answers() } else { Shell::default() }
}

fn arguments(list: &[Value]) -> Option<Vec<Word>> {
    let mut left = LONGEST;
    let mut words = Vec::with_capacity(list.len().min(LONGEST));
    for one in list {
        let text = text_of(one, left).filter(|text| !text.contains('\0'))?;
        left = left.checked_sub(text.len() + 1)?;
        words.push(Word::literal(text));
    }
    (!words.is_empty()).then_some(words)
}

/// What was found so far.
#[derive(Default)]
struct Found {
    commands: BTreeSet<String>,
    arguments: Set,
    redirects: Set,
    reads: Set,
    hosts: Set,
    substitutes: bool,
    pipes: bool,
    /// Something runs commands that cannot be seen.
    opaque: bool,
}

/// A set, and whether it has members that cannot be known.
#[derive(Default)]
struct Set {
    known: BTreeSet<String>,
    partial: bool,
}

impl Set {
    fn add(&mut self, one: Option<&str>) {
        match one {
            Some(one) => {
                self.known.insert(one.to_owned());
            }
            None => self.partial = true,
        }
    }
}

impl Found {
    fn answers(self) -> Shell {
        let opaque = self.opaque;
        let set = |set: Set| (!opaque && !set.partial).then_some(set.known);
        let flag = |seen: bool| if seen { Some(true) } else { (!opaque).then_some(false) };
        Shell {
            commands: (!opaque).then_some(self.commands),
            arguments: set(self.arguments),
            redirects: set(self.redirects),
            reads: set(self.reads),
            hosts: set(self.hosts),
            substitutes: flag(self.substitutes),
            pipes: flag(self.pipes),
        }
    }

    /// Reads a program text; `None` when shells could read it differently.
    fn program(&mut self, text: &str, depth: usize) -> Option<()> {
        grammar::Parser::new(text, depth, self)?.whole()
    }

    /// A program text that some command hands to a shell: what cannot be read runs anything.
    fn inner_program(&mut self, text: Option<&str>, depth: usize) {
        if text.and_then(|text| self.program(text, depth + 1)).is_none() {
            self.opaque = true;
        }
    }
}
