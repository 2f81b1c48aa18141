//! Where an argument comes from: who could have written it, and whether the user's words cover it.
//!
//! | module | holds |
//! |---|---|
//! | `text` | words, sentences, literals |
//! | `request` | what the user asked, left open and delegated |
//! | `said` | how people ask: verbs and the words around them |
//! | `output`, `table` | from an output's text to a tree of values |
//! | `fields`, `records` | from a tree to records, each field with whoever can write it |
//! | `kept` | all records of a session, in few bytes |
//! | `prose` | one longer text: what it says, asks for and names |
//! | `sketch` | what such texts say, in a few bits per word |
//! | `anchors` | which records the user named |
//! | [`seen`] | the index of a session: all of the above, as a fold over what it has seen |
//! | `arguments` | an action's arguments, leaf by leaf |
//! | `led` | who led the session where it is |
//! | `licence` | whether the request asks for such an action |
//! | `selectors` | what speaks for and against each value, in order |
//! | `evidence`, `named` | slots, picks, superlatives, the request's words |
//! | [`mod@assess`] | one action, weighed: [`Origins`] |
//!
//! A value passes on positive evidence alone: the user typed it, a record that the user named holds it in a
//! field that the user or the service writes, this session made it. Encodings and splits can hide where a
//! value comes from; they cannot give it evidence, because only the user's exact letters count as typed.

pub(crate) mod anchors;
pub(crate) mod arguments;
pub mod assess;
pub(crate) mod evidence;
pub(crate) mod fields;
pub(crate) mod kept;
pub(crate) mod led;
pub(crate) mod licence;
pub(crate) mod named;
pub(crate) mod output;
pub(crate) mod prose;
pub(crate) mod records;
pub(crate) mod request;
pub(crate) mod said;
pub mod seen;
pub(crate) mod selectors;
pub(crate) mod sketch;
pub(crate) mod table;
pub(crate) mod text;

pub use assess::{Argument, Doubt, Evidence, Origin, Origins, Standing, assess};
pub use seen::Seen;
