//! The configuration file as it is written: one type per block, every unknown key an error.
//!
//! Values that can still turn out wrong carry their place ([`Spanned`]), so that [`super::check`] can point at them. No
//! `flatten` and no `untagged`: both would make errors lose their place.

use std::fmt;
use std::path::PathBuf;

use countersign_core::action::Effect;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) version: Spanned<u64>,
    #[serde(default)]
    pub(super) listen: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) socket: Option<PathBuf>,
    pub(super) store: Store,
    pub(super) keys: PathBuf,
    pub(super) policies: Spanned<Vec<Spanned<PathBuf>>>,
    #[serde(default)]
    pub(super) policy_changes: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) policy_bundle: Option<Bundle>,
    #[serde(default)]
    pub(super) shadow: Vec<PathBuf>,
    #[serde(default)]
    pub(super) identity: Identity,
    #[serde(default)]
    pub(super) hosts: Holders,
    #[serde(default)]
    pub(super) auditors: Holders,
    #[serde(default)]
    pub(super) operators: Holders,
    #[serde(default)]
    pub(super) approvers: Entries<Holders>,
    #[serde(default)]
    pub(super) upstreams: Entries<Upstream>,
    #[serde(default)]
    pub(super) wrappers: Entries<Wrapper>,
    #[serde(default)]
    pub(super) contracts: Option<PathBuf>,
    #[serde(default)]
    pub(super) drift: Option<Drift>,
    #[serde(default)]
    pub(super) hold: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) allowed_hosts: Vec<Spanned<String>>,
}

/// `store:`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) sqlite: PathBuf,
}

/// `policy_bundle:`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bundle {
    pub(super) url: Spanned<String>,
    pub(super) keys: PathBuf,
    #[serde(default)]
    pub(super) every: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) stale_after: Option<Spanned<u64>>,
}

/// `identity:`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Identity {
    pub(super) tokens: Vec<Spanned<AgentToken>>,
    pub(super) local: Vec<LocalAgent>,
}

/// One agent's token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentToken {
    #[serde(default)]
    pub(super) token_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) token_sha256: Option<Spanned<String>>,
    pub(super) human: Spanned<String>,
    pub(super) service: Spanned<String>,
    pub(super) agent: Spanned<String>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    pub(super) scope: Vec<Spanned<String>>,
}

/// One local user on the Unix socket.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LocalAgent {
    pub(super) uid: Spanned<u32>,
    pub(super) human: Spanned<String>,
    pub(super) service: Spanned<String>,
    pub(super) agent: Spanned<String>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    pub(super) scope: Vec<Spanned<String>>,
}

/// Tokens of one role.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Holders {
    pub(super) tokens: Vec<Spanned<Holder>>,
}

/// One person's or application's token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Holder {
    #[serde(default)]
    pub(super) token_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) token_sha256: Option<Spanned<String>>,
    pub(super) name: Spanned<String>,
}

/// One upstream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    #[serde(default)]
    pub(super) command: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub(super) env: Entries<Value>,
    #[serde(default)]
    pub(super) url: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) headers: Entries<Value>,
    #[serde(default)]
    pub(super) labels: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) shared: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) wrapped: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) tools: Entries<Tool>,
    #[serde(default)]
    pub(super) call_limit: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) start_limit: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) max_response: Option<Spanned<u64>>,
}

/// What is declared about one tool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    #[serde(default)]
    pub(super) effect: Effect,
    #[serde(default)]
    pub(super) selectors: Option<Vec<Spanned<String>>>,
}

/// Where a wrapper tool names the real call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wrapper {
    #[serde(default)]
    pub(super) server: Option<Spanned<String>>,
    pub(super) tool: Spanned<String>,
    pub(super) arguments: Spanned<String>,
}

/// `drift:`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Drift {
    pub(super) profile: Option<Spanned<String>>,
    pub(super) model: Option<PathBuf>,
    pub(super) lexical: Option<Lexical>,
    pub(super) embedded: Option<Embedded>,
    pub(super) cumulative: Option<Cumulative>,
}

/// `drift.lexical:`, in basis points.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lexical {
    pub(super) alert: Spanned<u64>,
    pub(super) step_up: Spanned<u64>,
}

/// `drift.embedded:`, in basis points, and the model whose distances they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Embedded {
    pub(super) alert: Spanned<u64>,
    pub(super) step_up: Spanned<u64>,
    pub(super) model: Spanned<String>,
}

/// `drift.cumulative:`, in basis points.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cumulative {
    pub(super) alert: Spanned<u64>,
}

/// `limits:`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) wait: Option<Spanned<u64>>,
    pub(super) claim: Option<Spanned<u64>>,
    pub(super) max_body: Option<Spanned<u64>>,
    pub(super) max_dependents: Option<Spanned<u64>>,
    pub(super) session_idle: Option<Spanned<u64>>,
    pub(super) fact_validity: Option<Spanned<u64>>,
}

/// A mapping in the order of the file, with the place of each key.
pub(crate) struct Entries<T>(pub(crate) Vec<(Spanned<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names with what belongs to each")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Pairs(std::marker::PhantomData))
    }
}

/// A value that may be a secret: the text itself, or `{from_env: NAME}`.
pub(super) enum Value {
    /// As written.
    Text(String),
    /// From a variable of the daemon's own environment.
    FromEnv(Spanned<String>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, or {from_env: NAME}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut variable = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "from_env" {
                        return Err(A::Error::unknown_field(&key, &["from_env"]));
                    }
                    variable = Some(map.next_value()?);
                }
                variable.map(Value::FromEnv).ok_or_else(|| A::Error::missing_field("from_env"))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
