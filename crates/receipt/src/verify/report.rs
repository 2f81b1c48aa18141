//! What verifying an export found, for people (`Display`) and programs (`Serialize`).

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::VerifyError;
use crate::values::{Digest, Time};

/// The result of verifying an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// How many of what.
    pub counts: Counts,
    /// What each chain shows, by its name.
    pub chains: BTreeMap<String, Range>,
    /// Everything that is wrong with the evidence, in the order of the file.
    pub findings: Vec<Finding>,
    /// Actions that were still on their way where the export ends; not a fault.
    pub open: Vec<Open>,
}

impl Report {
    /// Whether nothing is wrong with the evidence.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.findings.is_empty()
    }
}

/// How many of what an export holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Lines that are not blank.
    pub lines: usize,
    /// Receipts whose form, signature and disclosures are good.
    pub verified: usize,
    /// Verified receipts by kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Verified rulings by verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Verified receipts by signing key.
    pub keys: BTreeMap<String, usize>,
    /// Commitments opened by a disclosure.
    pub disclosed: usize,
    /// Commitments not opened here.
    pub withheld: usize,
    /// Heads that name receipts outside this export.
    pub heads_outside: usize,
}

/// What an export shows of one chain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Range {
    /// The lowest sequence.
    pub first: u64,
    /// The highest sequence.
    pub last: u64,
    /// How many different receipts.
    pub receipts: usize,
    /// When the receipt of the lowest sequence was made.
    pub from: Time,
    /// When the receipt of the highest sequence was made.
    pub to: Time,
    /// The digest of the receipt of the highest sequence.
    pub head: Digest,
}

/// Which receipt is meant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Name {
    /// Its `id`.
    pub id: String,
    /// Its chain, empty when it stands in none.
    pub chain: String,
    /// Its place there.
    pub sequence: u64,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, chain, sequence } = self;
        match chain.as_str() {
            "" => write!(f, "receipt {id} (in no chain)"),
            _ => write!(f, "receipt {id} (number {sequence} of {chain})"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line in the export, counted from 1; 0 when no line is at fault.
    pub line: usize,
    /// The receipt on that line, as far as it could be read; what a changed receipt says of itself is only a claim.
    pub receipt: Option<Name>,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.receipt, self.line) {
            (Some(name), line) => write!(f, "line {line}, {name}: {}", self.problem),
            (None, 0) => write!(f, "{}", self.problem),
            (None, line) => write!(f, "line {line}: {}", self.problem),
        }
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Finding", 4)?;
        object.serialize_field("line", &self.line)?;
        object.serialize_field("receipt", &self.receipt)?;
        object.serialize_field("problem", self.problem.code())?;
        object.serialize_field("words", &self.to_string())?;
        object.end()
    }
}

/// What can be wrong with an export.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no receipt at all.
    #[error("there is no receipt here, so nothing is proved")]
    Empty,
    /// The receipt itself must not be believed.
    #[error("{0}")]
    Receipt(VerifyError),
    /// The same receipt stands on an earlier line.
    #[error("the same receipt stands on line {earlier} already")]
    Duplicated {
        /// That line.
        earlier: usize,
    },
    /// Another receipt bears the same id.
    #[error("another receipt, on line {earlier}, has the same id")]
    SameId {
        /// That line.
        earlier: usize,
    },
    /// Another receipt has the same place in the chain.
    #[error("another receipt, on line {earlier}, has the same place in the chain: the chain was forked")]
    Forked {
        /// That line.
        earlier: usize,
    },
    /// The receipt stands after one that comes later in its chain.
    #[error("it stands after number {after} of its chain: the lines were reordered")]
    Reordered {
        /// The sequence of the line above.
        after: u64,
    },
    /// Receipts of the chain are absent.
    #[error("numbers {from} to {to} of the chain, just before it, are missing")]
    Missing {
        /// The first absent sequence.
        from: u64,
        /// The last absent sequence.
        to: u64,
    },
    /// `previous` names something else than the receipt before.
    #[error(
        "its `previous` is not the digest of the receipt before it, on line {before}: one of the two was replaced"
    )]
    BrokenLink {
        /// The line of the receipt before.
        before: usize,
    },
    /// `prior` names a receipt that is not there.
    #[error("its `prior` names receipt {id}, which is missing")]
    MissingPrior {
        /// The `id` in `prior`.
        id: String,
    },
    /// `prior` names a receipt of another id, action or place than it should.
    #[error("its `prior` leads to the receipt on line {line}, which is about something else: {why}")]
    WrongPrior {
        /// That line.
        line: usize,
        /// What differs.
        why: &'static str,
    },
    /// Two outcomes of one permit, none of them late.
    #[error("the receipt on line {earlier} already is the outcome of the same permit: a permit is used once")]
    SettledTwice {
        /// That line.
        earlier: usize,
    },
    /// An enforced action ran although nothing permitted it.
    #[error("something was sent for this action, and no receipt before it permits that")]
    WithoutPermit,
    /// A head names a receipt that never joined that chain.
    #[error("it says that the head of {chain} was the receipt on line {head}, which never joined that chain")]
    WrongHead {
        /// The principal chain.
        chain: String,
        /// The line of the receipt named.
        head: usize,
    },
    /// Two receipts were heads of a chain after the same receipt.
    #[error(
        "it and the receipt on line {earlier} both joined {chain} right after the same receipt: that chain was forked"
    )]
    ForkedHead {
        /// The principal chain.
        chain: String,
        /// The line of the other one.
        earlier: usize,
    },
    /// A session saw a head older than one that it had seen before.
    #[error(
        "it saw an older head of {chain} than the receipt on line {earlier} before it: that chain was set back"
    )]
    StaleHead {
        /// The principal chain.
        chain: String,
        /// The line of the earlier receipt.
        earlier: usize,
    },
}

impl Problem {
    /// One word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Receipt(VerifyError::Parse(_)) => "unreadable",
            Self::Receipt(VerifyError::UnknownKey { .. }) => "unknown_key",
            Self::Receipt(VerifyError::Signature { .. }) => "changed",
            Self::Receipt(VerifyError::Commitment(_)) => "disclosure_changed",
            Self::Duplicated { .. } => "duplicated",
            Self::SameId { .. } => "same_id",
            Self::Forked { .. } => "forked",
            Self::Reordered { .. } => "reordered",
            Self::Missing { .. } => "missing",
            Self::BrokenLink { .. } => "broken_link",
            Self::MissingPrior { .. } => "missing_prior",
            Self::WrongPrior { .. } => "wrong_prior",
            Self::SettledTwice { .. } => "settled_twice",
            Self::WithoutPermit => "without_permit",
            Self::WrongHead { .. } => "wrong_head",
            Self::ForkedHead { .. } => "forked_head",
            Self::StaleHead { .. } => "stale_head",
        }
    }
}

/// An action whose last receipt in the export is not its end.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Open {
    /// The line of that receipt, counted from 1.
    pub line: usize,
    /// That receipt.
    pub receipt: Name,
    /// The action.
    pub action: String,
    /// What is outstanding.
    pub waiting: Waiting,
}

/// What an open action waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// It is permitted; its outcome is not here.
    Outcome,
    /// A person must approve; no answer is here.
    Approval,
    /// Context is missing; no resolution is here.
    Context,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outcome => "it was permitted, and what came of it is not recorded here",
            Self::Approval => "it waits for approval",
            Self::Context => "it waits for missing context",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let (keys, chains) = (counts.keys.len(), self.chains.len());
        writeln!(
            f,
            "{} of {} verified, signed by {}, in {}.",
            counts.verified,
            number(counts.lines, "receipt"),
            number(keys, "key"),
            number(chains, "chain")
        )?;
        for (chain, range) in &self.chains {
            let Range { first, last, from, to, .. } = range;
            writeln!(f, "  {chain}: numbers {first} to {last}, {from} to {to}")?;
        }
        for open in &self.open {
            writeln!(f, "Open: line {}, {}: {}.", open.line, open.receipt, open.waiting)?;
        }
        for finding in &self.findings {
            writeln!(f, "WRONG: {finding}.")?;
        }
        if self.ok() { self.write_proof(f) } else { f.write_str("This export must not be relied on.\n") }
    }
}

impl Report {
    fn write_proof(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        f.write_str(
            "Proved: every receipt was signed by one of the keys given and is unchanged since. In each chain named above \
             nothing is missing, moved, doubled or replaced from its beginning to its last number here. Every outcome \
             that claims enforcement follows a permit.\n",
        )?;
        if counts.disclosed > 0 {
            writeln!(
                f,
                "{} shown here are exactly what was committed to then.",
                number(counts.disclosed, "text")
            )?;
        }
        f.write_str(
            "Not proved: that a chain ends where this export ends, or that no other chain exists (compare a digest kept \
             elsewhere, or a checkpoint); that whoever holds the signing key did not write another history; that the \
             clock was right; what a tool did beyond what it answered.\n",
        )?;
        if counts.withheld > 0 {
            writeln!(f, "{} withheld: committed to, and not shown here.", number(counts.withheld, "text"))?;
        }
        if counts.heads_outside > 0 {
            let heads = number(counts.heads_outside, "head");
            writeln!(f, "{heads} of principals' chains lie outside this export and could not be followed.")?;
        }
        Ok(())
    }
}

fn number(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
