//! A file of cases as it is written: every unknown key an error.
//!
//! What can still turn out wrong carries its place. No `flatten` and no `untagged`: both would make errors lose theirs.

use std::fmt;
use std::path::PathBuf;

use countersign_core::action::Effect;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use crate::config::Entries;

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) version: Spanned<u64>,
    #[serde(default)]
    pub(super) policy: Many<PathBuf>,
    #[serde(default)]
    pub(super) default: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) identity: Identity,
    #[serde(default)]
    pub(super) tools: Entries<Tool>,
    #[serde(default)]
    pub(super) approvers: Option<Vec<String>>,
    pub(super) cases: Spanned<Vec<Case>>,
}

/// One case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) identity: Option<Identity>,
    #[serde(default)]
    pub(super) session: Session,
    pub(super) action: Call,
    pub(super) expect: Spanned<Expect>,
}

/// An action that somebody wants explained: a case by itself, without expectations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alone {
    #[serde(default)]
    pub(super) version: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) identity: Identity,
    #[serde(default)]
    pub(super) tools: Entries<Tool>,
    #[serde(default)]
    pub(super) approvers: Option<Vec<String>>,
    #[serde(default)]
    pub(super) session: Session,
    pub(super) action: Call,
}

/// Who acts.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Identity {
    pub(super) human: Option<Party>,
    pub(super) service: Option<Party>,
    pub(super) agent: Option<Party>,
    pub(super) delegation: Vec<Party>,
}

/// One party: its id, or a map.
#[derive(Clone)]
pub(super) struct Party {
    pub(super) id: String,
    pub(super) roles: Vec<String>,
    pub(super) scope: Vec<String>,
}

/// What is said of a tool: what its server lists, and what the configuration declares.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tool {
    pub(super) effect: Option<Effect>,
    pub(super) selectors: Option<Vec<String>>,
    pub(super) labels: Vec<String>,
    pub(super) description: Option<String>,
    #[serde(rename = "inputSchema")]
    pub(super) input_schema: Option<Value>,
    pub(super) annotations: Option<Value>,
}

/// The session so far.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Session {
    pub(super) request: Option<String>,
    pub(super) intent: Option<Intent>,
    pub(super) inherits: bool,
    pub(super) labels: Vec<String>,
    pub(super) facts: Entries<Value>,
    pub(super) before: Vec<Spanned<Step>>,
}

/// What a host declares of the request.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Intent {
    pub(super) allow: Vec<String>,
    pub(super) exclude: Vec<String>,
}

/// One thing that happened: exactly one of `call`, `turn`, `facts`, `seen` and `wait`, with what belongs to it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    pub(super) call: Option<Spanned<String>>,
    pub(super) arguments: Option<Spanned<Map<String, Value>>>,
    pub(super) effect: Option<Effect>,
    pub(super) output: Option<Value>,
    pub(super) error: Option<String>,
    pub(super) labels: Vec<String>,
    pub(super) approved: bool,
    pub(super) expect: Option<Spanned<Expect>>,
    pub(super) turn: Option<String>,
    pub(super) facts: Option<Entries<Value>>,
    pub(super) giver: Option<String>,
    pub(super) valid: Option<u32>,
    pub(super) seen: Option<String>,
    pub(super) source: Option<String>,
    pub(super) wait: Option<u32>,
}

/// A proposed action.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) tool: Spanned<String>,
    #[serde(default)]
    pub(super) arguments: Option<Spanned<Map<String, Value>>>,
    #[serde(default)]
    pub(super) effect: Option<Effect>,
    #[serde(default)]
    pub(super) original: Option<String>,
}

/// What is expected of a ruling; what is not written may be anything.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    pub(super) decision: Option<Spanned<String>>,
    pub(super) rule: Option<String>,
    pub(super) rules: Option<Vec<String>>,
    pub(super) step: Option<String>,
    pub(super) reason: Many<String>,
    pub(super) missing: Many<String>,
    pub(super) approvers: Many<String>,
    pub(super) arguments: Option<Map<String, Value>>,
    pub(super) edits: Option<Entries<Map<String, Value>>>,
    pub(super) sets: Option<Map<String, Value>>,
}

/// One value or a list of them.
pub(super) struct Many<T>(pub(super) Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: From<String> + Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);

        impl<'de, T: From<String> + Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Many<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Many(vec![text.to_owned().into()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(Many(all))
            }
        }

        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Party {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            id: String,
            #[serde(default)]
            roles: Vec<String>,
            #[serde(default)]
            scope: Vec<String>,
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Party;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id, or {id, roles, scope}")
            }

            fn visit_str<E: Error>(self, id: &str) -> Result<Self::Value, E> {
                Ok(Party { id: id.to_owned(), roles: Vec::new(), scope: Vec::new() })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let whole = Whole::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Party { id: whole.id, roles: whole.roles, scope: whole.scope })
            }
        }

        deserializer.deserialize_any(Either)
    }
}
