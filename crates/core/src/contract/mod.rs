//! What a tool does, as far as anybody knows: one static, reviewable contract per tool.
//!
//! | module | holds |
//! |---|---|
//! | this one | [`Contract`]: effect, roles of arguments, what its outputs are |
//! | [`words`] | what verbs do and what nouns speak of |
//! | [`mod@derive`] | a contract from a tool's name, description, schema and annotations |
//! | [`mod@file`] | the override file: what a person has reviewed, pinned by digest |
//!
//! Somebody's declaration wins over what is derived. What nobody declared and nothing tells is taken in its
//! most dangerous reading, and [`Meaning::doubts`] says so.

pub mod derive;
pub mod file;
pub mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::schema::{ArgumentSchema, SchemaFault};
use crate::time::Span;
pub use words::{Families, Nouns};

/// What a tool does to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Reads inside the upstream.
    Read,
    /// Reads in a way that lets an outsider see the request.
    EgressRead,
    /// Writes where only insiders see it.
    WriteInternal,
    /// Writes where outsiders see it.
    WriteOutbound,
    /// Removes or overwrites what cannot be had back.
    Destructive,
    /// Runs code.
    Execute,
    /// Makes, shows or changes a credential.
    Credential,
    /// Moves money.
    Payment,
    /// Nobody said; taken as whatever is most cautious where it matters.
    #[default]
    Unknown,
}

impl Effect {
    /// The word used in configuration, policy and receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::EgressRead => "egress_read",
            Self::WriteInternal => "write_internal",
            Self::WriteOutbound => "write_outbound",
            Self::Destructive => "destructive",
            Self::Execute => "execute",
            Self::Credential => "credential",
            Self::Payment => "payment",
            Self::Unknown => "unknown",
        }
    }

    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::EgressRead,
        Self::WriteInternal,
        Self::WriteOutbound,
        Self::Destructive,
        Self::Execute,
        Self::Credential,
        Self::Payment,
        Self::Unknown,
    ];

    /// The effect of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.as_str() == word)
    }

    /// Whether what it does can hardly be taken back: nothing but the user's word opens it.
    #[must_use]
    pub const fn is_grave(self) -> bool {
        matches!(self, Self::Destructive | Self::Payment | Self::Execute | Self::Credential)
    }

    /// Whether the tool only reads.
    #[must_use]
    pub const fn only_reads(self) -> bool {
        matches!(self, Self::Read | Self::EgressRead)
    }
}

/// What is known about a tool. As JSON it is kept beside the rulings that were made under it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// What the tool does.
    pub effect: Effect,
    /// JSON pointers of the arguments that name what is acted on (path, table, recipient); `None` = undeclared.
    pub selectors: Option<Vec<String>>,
    /// How long its server may take for one call, where that is known.
    pub time_limit: Option<Span>,
    /// The tool's own input schema, where its server gave one: which edits can be carried out.
    pub input_schema: Option<Arc<Value>>,
    /// What its name, description and schema say, once they are known.
    pub meaning: Option<Arc<Meaning>>,
    /// The input schema as arguments are held against it, once somebody does.
    #[serde(skip)]
    pub compiled: CompiledSchema,
}

/// A schema that is read when it is first needed. Two are always equal: they follow from the schema itself.
#[derive(Clone, Debug, Default)]
pub struct CompiledSchema(OnceLock<Result<ArgumentSchema, SchemaFault>>);

impl PartialEq for CompiledSchema {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for CompiledSchema {}

impl Contract {
    /// The tool's own input schema, ready to be held against; `None` where it is not known.
    ///
    /// # Errors
    /// It is there and cannot be used.
    pub fn declared_schema(&self) -> Option<Result<&ArgumentSchema, &SchemaFault>> {
        let schema = self.input_schema.as_ref()?;
        Some(self.compiled.0.get_or_init(|| ArgumentSchema::compile(schema)).as_ref())
    }
}

/// What a tool's definition says about it, derived and reviewed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// What its verbs do.
    pub families: Families,
    /// What it speaks of.
    pub nouns: Nouns,
    /// The verb it was derived from; it names its own object where no noun does (`reply`, `reschedule`).
    pub verb: String,
    /// What its name says beside the verb, in singular.
    pub words: Vec<String>,
    /// Roles of arguments by pattern: a JSON pointer in which `*` stands for any element or member.
    pub roles: BTreeMap<String, Role>,
    /// What its outputs are.
    pub output: Output,
    /// Where the derivation was unsure, in sentences for the reviewer.
    pub doubts: Vec<String>,
}

/// What an argument is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A secret that is set or used. Selector.
    Credential,
    /// A program, query or command that is run. Selector.
    Code,
    /// Where a request goes. Selector.
    Url,
    /// Who gets money: account, IBAN, wallet. Selector.
    Payee,
    /// A person, address or channel that something goes to or that gets access. Selector.
    Party,
    /// A thing that is acted on: id, path, name. Selector.
    Resource,
    /// How much.
    Amount,
    /// Which rights are given.
    Privilege,
    /// What a new or changed thing is called.
    Label,
    /// Free content.
    Payload,
    /// When.
    Time,
    /// Pages, orders, formats, filters of a read: no authority.
    Harmless,
    /// A text of unknown purpose: refused to third parties only.
    Weak,
}

impl Role {
    /// Whether it carries authority: who or what is acted on.
    #[must_use]
    pub const fn selects(self) -> bool {
        matches!(self, Self::Credential | Self::Code | Self::Url | Self::Payee | Self::Party | Self::Resource)
    }

    /// The word used in files, policies and explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Code => "code",
            Self::Url => "url",
            Self::Payee => "payee",
            Self::Party => "party",
            Self::Resource => "resource",
            Self::Amount => "amount",
            Self::Privilege => "privilege",
            Self::Label => "label",
            Self::Payload => "payload",
            Self::Time => "time",
            Self::Harmless => "harmless",
            Self::Weak => "weak",
        }
    }
}

/// What a tool's outputs are, and who can write them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// How they are to be read.
    pub shape: Shape,
    /// Who keeps the records.
    pub store: Store,
    /// Who can write a field, where that was reviewed, by the field's name.
    pub writers: BTreeMap<String, Writer>,
}

/// How an output is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Records with fields that the service fills.
    #[default]
    Records,
    /// A text that somebody wrote: whatever looks like a field in it is that somebody's.
    Document,
}

/// Who keeps the records of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The user's own: calendar, contacts, scheduled payments, profile.
    Own,
    /// The service's: catalogues, directories, prices, times.
    Service,
    /// Whoever writes to the user: mail, messages, shared files, reviews, pages.
    #[default]
    Shared,
}

/// Who can write a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writer {
    /// The user.
    User,
    /// Whoever runs the deployment.
    Operator,
    /// The service that keeps the record: ids, times, sizes.
    Service,
    /// The user's own record.
    FirstParty,
    /// Anybody else.
    ThirdParty,
}
