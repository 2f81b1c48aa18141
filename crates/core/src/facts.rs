//! The one place where a fact's name becomes a value, or is missing.
//!
//! | full name | what it is |
//! |---|---|
//! | `parameters.PATH` | an argument; a number in the path counts list elements from 0 |
//! | `identity.human`, `.service`, `.agent` | ids; `.roles` and `.scope` of each, `identity.roles` = the agent's |
//! | `identity.delegation`, `identity.source` | ids of the grants; what vouches for the identity |
//! | `context.prior_actions` | tools of the session's permitted actions |
//! | `context.data_classification` | labels of data seen, with the principals' marks where the session inherits |
//! | `context.action_count`, `context.denied_count` | actions of the session before this one; refusals |
//! | `context.original_request` | the user's request, as a host gave it |
//! | `session.actions.TOOL`, `human.…`, `agent.…` | permitted actions, those in flight included |
//! | `parameters.PATH.origin` | who could have written it, the least trusted where it is a list: `user`, `service`, `first_party`, `third_party`, `nobody`, `unknown` |
//! | `parameters.PATH.novel` | whether it stands in nothing that the session has seen; missing where that cannot be told |
//! | `parameters.PATH.doubt` | what speaks against it, or `none` |
//! | `context.effect` | what the tool's contract says it does |
//! | `context.licensed` | whether the request or an open slot covers the action; missing where that cannot be told |
//! | `context.slot` | the slot that the action uses, or `none` |
//! | `context.selectors.origin` | who could have written the arguments that carry authority |
//! | `context.doubts` | what speaks against the action: `third_party`, `pushed`, `not_named`, `ambiguous`, ... |
//! | `context.flows.classification` | labels of the data that its arguments carry |
//! | `context.NAME` | a fact that an operator gave or a rule wrote |
//!
//! Histories, sets and counters are known and empty at the start; the rest is missing until it is there.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::{Number, Value};

use crate::decide::Question;
use crate::decision::{Missing, Why};
use crate::depend::names_tool;
use crate::identity::{Identity, Party};
use crate::names::ToolName;
use crate::origin::Origin;
use crate::policy::fault::distance;
use crate::session::context::DATA_CLASSIFICATION;

/// A fact that a rule reads: found once when the policy is loaded, read on every decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    name: Arc<str>,
    source: Source,
}

/// The part of `match` in which a fact's name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// `parameters`
    Parameters,
    /// `identity`
    Identity,
    /// `context`; the counters `human.actions.…` live here too.
    Context,
}

/// A name that is no fact's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NoSuchFact {
    /// What is wrong with the name.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// What was read, borrowed from where it stands.
#[derive(Clone, Copy, Debug)]
pub enum Read<'a> {
    /// An argument, or a fact that somebody gave.
    Value(&'a Value),
    /// A text of ours.
    Text(&'a str),
    /// A counter of ours.
    Count(u64),
    /// What a party holds: roles or scopes.
    Held(&'a [String]),
    /// The parties of the delegation chain.
    Parties(&'a [Party]),
    /// Tools that were used.
    Tools(&'a BTreeMap<ToolName, u64>),
    /// Labels of data that was seen: the session's, the human's, the agent's.
    Labels([Option<&'a BTreeSet<Arc<str>>>; 3]),
    /// Words from a closed list of ours.
    Words(&'a BTreeSet<&'static str>),
}

/// What a fact is made of, where that is known before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whatever the caller, an operator or a rule makes it.
    Any,
    /// A number.
    Number,
    /// A text.
    Text,
    /// What a party holds: texts.
    Held,
    /// The parties of the delegation chain, by their ids.
    Parties,
    /// Tools that were used, by their names.
    Tools,
    /// Labels of data that was seen.
    Labels,
    /// Words from a closed list of ours.
    Words,
}

/// What is known under `identity`.
pub(crate) const IDENTITY_FACTS: [&str; 13] = [
    "human",
    "human.roles",
    "human.scope",
    "service",
    "service.roles",
    "service.scope",
    "agent",
    "agent.roles",
    "agent.scope",
    "roles",
    "scope",
    "delegation",
    "source",
];

/// What is computed under `context`, aliases included; only the first may also be written by rules.
pub(crate) const CONTEXT_FACTS: [&str; 14] = [
    DATA_CLASSIFICATION,
    "session_accessed_data",
    "prior_actions",
    "action_count",
    "chain_length",
    "denied_count",
    "original_request",
    "user_intent",
    "effect",
    "licensed",
    "slot",
    "selectors.origin",
    "doubts",
    "flows.classification",
];

/// Prefixes of the counters, each followed by a tool's name.
pub(crate) const COUNTERS: [&str; 3] = ["session.actions", "human.actions", "agent.actions"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Parameter(Vec<Segment>),
    Party(Who, Part),
    Delegation,
    Voucher,
    PriorActions,
    Labels,
    ActionCount,
    DeniedCount,
    Request,
    Uses(Counter, Arc<str>),
    Given(Arc<str>),
    /// Of an argument, by its JSON pointer.
    Origin(String, Aspect),
    Effect,
    Licensed,
    Slot,
    SelectorOrigins,
    Doubts,
    Flows,
}

/// What is asked about where an argument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aspect {
    Origin,
    Novel,
    Doubt,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    member: String,
    index: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Human,
    Service,
    Agent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Id,
    Roles,
    Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counter {
    Session,
    Human,
    Agent,
}

impl Fact {
    /// Finds the fact called `dotted` in `block`.
    ///
    /// # Errors
    /// No fact can have this name; or the name is so near to a computed one that it must be a slip.
    pub fn parse(block: Block, dotted: &str) -> Result<Self, NoSuchFact> {
        if dotted.split('.').any(str::is_empty) {
            return Err(NoSuchFact {
                message: format!("`{dotted}` has an empty part"),
                hint: "write the parts with one dot between them".into(),
            });
        }
        match block {
            Block::Parameters => Ok(Self::new(&format!("parameters.{dotted}"), parameter(dotted))),
            Block::Identity => identity(dotted),
            Block::Context => context(dotted),
        }
    }

    /// Whether somebody may give a fact of this name in a session's context.
    ///
    /// # Errors
    /// The name is computed, or so near to a computed one that it must be a slip.
    pub fn may_be_given(name: &str) -> Result<(), NoSuchFact> {
        match Self::parse(Block::Context, name)?.source {
            Source::Given(_) => Ok(()),
            _ => Err(NoSuchFact {
                message: format!("`{name}` is computed from what happens, so nobody can give it"),
                hint: "give a fact under a name of your own".into(),
            }),
        }
    }

    /// The full name, as it stands in receipts and in what a decision waits for.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The value at the moment of the question.
    ///
    /// # Errors
    /// It is absent or no longer valid.
    pub fn read<'a>(&self, q: &Question<'a>) -> Result<Read<'a>, Missing> {
        let absent = || self.missing(Why::Absent);
        match &self.source {
            Source::Parameter(path) => {
                locate(q.action.arguments.value(), path).map(Read::Value).ok_or_else(absent)
            }
            Source::Party(who, part) => read_party(who.of(q.identity), *part).ok_or_else(absent),
            Source::Delegation => Ok(Read::Parties(&q.identity.delegation)),
            Source::Voucher => Ok(Read::Text(&q.identity.source)),
            Source::PriorActions => Ok(Read::Tools(q.context.actions())),
            Source::Labels => Ok(Read::Labels(labels(q))),
            Source::ActionCount => Ok(Read::Count(submitted_before(q))),
            Source::DeniedCount => Ok(Read::Count(q.context.denied())),
            Source::Request => q.context.opened().request.as_deref().map(Read::Text).ok_or_else(absent),
            Source::Uses(counter, tool) => Ok(Read::Count(uses(counter.of(q), tool))),
            Source::Origin(pointer, aspect) => self.read_origin(q, pointer, *aspect),
            Source::Effect => Ok(Read::Text(q.action.contract.effect.as_str())),
            Source::Licensed => match q.origins().licensed {
                Some(licensed) => Ok(flag(licensed)),
                None => Err(absent()),
            },
            Source::Slot => Ok(Read::Text(q.origins().slot.as_deref().unwrap_or("none"))),
            Source::SelectorOrigins => Ok(Read::Words(&q.origins().selected)),
            Source::Doubts => Ok(Read::Words(&q.origins().doubted)),
            Source::Flows => Ok(Read::Labels([Some(&q.origins().flows), None, None])),
            Source::Given(name) => match q.context.fact(name) {
                None => Err(absent()),
                Some(fact) if fact.valid_until.is_some_and(|until| until <= q.now) => {
                    Err(self.missing(Why::Stale))
                }
                Some(fact) => Ok(Read::Value(&fact.value)),
            },
        }
    }

    /// This fact as what a decision waits for.
    #[must_use]
    pub fn missing(&self, why: Why) -> Missing {
        Missing::fact(Arc::clone(&self.name), why)
    }

    /// What it is made of.
    pub(crate) const fn kind(&self) -> Kind {
        match &self.source {
            Source::Parameter(_) | Source::Given(_) | Source::Licensed | Source::Origin(_, Aspect::Novel) => {
                Kind::Any
            }
            Source::Effect | Source::Slot | Source::Origin(..) => Kind::Text,
            Source::SelectorOrigins | Source::Doubts => Kind::Words,
            Source::ActionCount | Source::DeniedCount | Source::Uses(..) => Kind::Number,
            Source::Party(_, Part::Id) | Source::Voucher | Source::Request => Kind::Text,
            Source::Party(..) => Kind::Held,
            Source::Delegation => Kind::Parties,
            Source::PriorActions => Kind::Tools,
            Source::Labels | Source::Flows => Kind::Labels,
        }
    }

    /// Absent where the argument is absent; the least trusted of what it contains.
    fn read_origin<'a>(&self, q: &Question<'a>, pointer: &str, aspect: Aspect) -> Result<Read<'a>, Missing> {
        let origins = q.origins();
        let worst = origins.under(pointer).map(|argument| argument.origin).max();
        let worst = worst.ok_or_else(|| self.missing(Why::Absent))?;
        match aspect {
            Aspect::Origin => Ok(Read::Text(worst.as_str())),
            Aspect::Novel if worst == Origin::Unknown => Err(self.missing(Why::Absent)),
            Aspect::Novel => Ok(flag(worst == Origin::Nobody)),
            Aspect::Doubt => Ok(Read::Text(origins.doubt_about(pointer))),
        }
    }

    fn new(name: &str, source: Source) -> Self {
        Self { name: name.into(), source }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Compares by value, exactly: integers as integers, an integer with a fraction without rounding either.
/// `-0.0` equals `0`.
#[must_use]
pub fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => compare_with_float(a, float(b)),
        (None, Some(b)) => compare_with_float(b, float(a)).reverse(),
        (None, None) => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    }
}

/// Whether rules may not write this context name because it is computed.
pub(crate) fn is_computed(name: &str) -> bool {
    is_counter(name) || (name != DATA_CLASSIFICATION && CONTEXT_FACTS.contains(&name))
}

/// Whether this names a counter, with or without its tool.
pub(crate) fn is_counter(name: &str) -> bool {
    COUNTERS.iter().any(|c| name.strip_prefix(c).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

fn path(dotted: &str) -> Vec<Segment> {
    dotted.split('.').map(|part| Segment { member: part.to_owned(), index: part.parse().ok() }).collect()
}

/// An argument, or behind its path what is known about where it comes from. The last word means the latter
/// wherever something stands before it: no argument can pass itself off as its own origin.
fn parameter(dotted: &str) -> Source {
    let aspect = |word: &str| match word {
        "origin" | "writer" => Some(Aspect::Origin),
        "novel" => Some(Aspect::Novel),
        "doubt" => Some(Aspect::Doubt),
        _ => None,
    };
    match dotted.rsplit_once('.').and_then(|(path, last)| Some((path, aspect(last)?))) {
        Some((path, aspect)) => Source::Origin(format!("/{}", path.replace('.', "/")), aspect),
        None => Source::Parameter(path(dotted)),
    }
}

fn flag(is: bool) -> Read<'static> {
    static TRUE: Value = Value::Bool(true);
    static FALSE: Value = Value::Bool(false);
    Read::Value(if is { &TRUE } else { &FALSE })
}

fn locate<'a>(root: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, segment| match value {
        Value::Object(members) => members.get(&segment.member),
        Value::Array(items) => items.get(segment.index?),
        _ => None,
    })
}

fn identity(dotted: &str) -> Result<Fact, NoSuchFact> {
    let source = match dotted {
        "delegation" => Source::Delegation,
        "source" => Source::Voucher,
        "roles" => Source::Party(Who::Agent, Part::Roles),
        "scope" => Source::Party(Who::Agent, Part::Scope),
        _ => {
            let (who, part) = dotted.split_once('.').unwrap_or((dotted, ""));
            let who = match who {
                "human" => Some(Who::Human),
                "service" => Some(Who::Service),
                "agent" => Some(Who::Agent),
                _ => None,
            };
            let part = match part {
                "" => Some(Part::Id),
                "roles" => Some(Part::Roles),
                "scope" => Some(Part::Scope),
                _ => None,
            };
            let (Some(who), Some(part)) = (who, part) else {
                return Err(NoSuchFact {
                    message: format!("the identity has no `{dotted}`"),
                    hint: nearest(dotted, &IDENTITY_FACTS),
                });
            };
            Source::Party(who, part)
        }
    };
    let canonical = match dotted {
        "roles" => "agent.roles",
        "scope" => "agent.scope",
        other => other,
    };
    Ok(Fact::new(&format!("identity.{canonical}"), source))
}

fn context(dotted: &str) -> Result<Fact, NoSuchFact> {
    let (canonical, source) = match dotted {
        DATA_CLASSIFICATION | "session_accessed_data" => (DATA_CLASSIFICATION, Source::Labels),
        "prior_actions" => ("prior_actions", Source::PriorActions),
        "action_count" | "chain_length" => ("action_count", Source::ActionCount),
        "denied_count" => ("denied_count", Source::DeniedCount),
        "original_request" | "user_intent" => ("original_request", Source::Request),
        "effect" => ("effect", Source::Effect),
        "licensed" => ("licensed", Source::Licensed),
        "slot" => ("slot", Source::Slot),
        "selectors.origin" => ("selectors.origin", Source::SelectorOrigins),
        "doubts" => ("doubts", Source::Doubts),
        "flows.classification" => ("flows.classification", Source::Flows),
        _ => return counter(dotted).unwrap_or_else(|| given(dotted)),
    };
    Ok(Fact::new(&format!("context.{canonical}"), source))
}

fn counter(dotted: &str) -> Option<Result<Fact, NoSuchFact>> {
    let of = [Counter::Session, Counter::Human, Counter::Agent];
    let (prefix, counter) = COUNTERS.iter().zip(of).find(|(prefix, _)| dotted.starts_with(**prefix))?;
    let rest = dotted.strip_prefix(prefix)?;
    match rest.strip_prefix('.') {
        Some(tool) => Some(Ok(Fact::new(dotted, Source::Uses(counter, tool.into())))),
        None if rest.is_empty() => Some(Err(NoSuchFact {
            message: format!("`{prefix}` counts the uses of a tool and needs its name"),
            hint: format!("write `{prefix}.upstream.tool`"),
        })),
        None => None,
    }
}

fn given(name: &str) -> Result<Fact, NoSuchFact> {
    // Any name may be given, but a name that differs from a computed one by a slip would wait for ever.
    if let Some(meant) = CONTEXT_FACTS.iter().find(|known| distance(name, known) <= 2) {
        return Err(NoSuchFact {
            message: format!("nothing computes `{name}`, and it is too near to `{meant}` to be given"),
            hint: format!("did you mean `{meant}`?"),
        });
    }
    Ok(Fact::new(&format!("context.{name}"), Source::Given(name.into())))
}

fn nearest(written: &str, known: &[&str]) -> String {
    match known.iter().find(|name| distance(written, name) <= 2) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

impl Who {
    const fn of(self, identity: &Identity) -> &Party {
        match self {
            Self::Human => &identity.human,
            Self::Service => &identity.service,
            Self::Agent => &identity.agent,
        }
    }
}

impl Counter {
    fn of<'a>(self, q: &Question<'a>) -> &'a BTreeMap<ToolName, u64> {
        match self {
            Self::Session => q.context.actions(),
            Self::Human => q.human.actions(),
            Self::Agent => q.agent.actions(),
        }
    }
}

fn read_party(party: &Party, part: Part) -> Option<Read<'_>> {
    match part {
        Part::Id if party.id.is_empty() => None,
        Part::Id => Some(Read::Text(&party.id)),
        Part::Roles => Some(Read::Held(&party.roles)),
        Part::Scope => Some(Read::Held(&party.scope)),
    }
}

fn labels<'a>(q: &Question<'a>) -> [Option<&'a BTreeSet<Arc<str>>>; 3] {
    let inherits = q.context.opened().inherits;
    [Some(q.context.labels()), inherits.then(|| q.human.labels()), inherits.then(|| q.agent.labels())]
}

/// An action that is decided again is not counted among those before it.
fn submitted_before(q: &Question<'_>) -> u64 {
    let itself = u64::from(q.context.find(&q.action.id).is_some());
    q.context.submitted().saturating_sub(itself)
}

fn uses(counts: &BTreeMap<ToolName, u64>, written: &str) -> u64 {
    counts.iter().filter(|(tool, _)| names_tool(written, tool)).fold(0, |sum, (_, n)| sum.saturating_add(*n))
}

fn integer(n: &Number) -> Option<i128> {
    n.as_u64().map(i128::from).or_else(|| n.as_i64().map(i128::from))
}

fn float(n: &Number) -> f64 {
    n.as_f64().unwrap_or(0.0)
}

fn compare_with_float(whole: i128, float: f64) -> Ordering {
    // Beyond 2^100 no 64-bit integer reaches; below it the whole part of a double fits i128 exactly.
    const FAR: f64 = 1_267_650_600_228_229_401_496_703_205_376.0;
    if float >= FAR {
        return Ordering::Less;
    }
    if float <= -FAR {
        return Ordering::Greater;
    }
    let trunc = float.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^100 fits exactly")]
    let floor = trunc as i128;
    let rest = float - trunc;
    whole.cmp(&floor).then_with(|| 0.0_f64.partial_cmp(&rest).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(value: &Value) -> Number {
        value.as_number().unwrap().clone()
    }

    #[test]
    fn numbers_compare_exactly_across_their_kinds() {
        let two_53 = 9_007_199_254_740_992_i64;
        for (a, b, expected) in [
            (json!(two_53 + 1), json!(9_007_199_254_740_992.0), Ordering::Greater),
            (json!(two_53 - 1), json!(9_007_199_254_740_992.0), Ordering::Less),
            (json!(two_53), json!(9_007_199_254_740_992.0), Ordering::Equal),
            (json!(-two_53 - 1), json!(-9_007_199_254_740_992.0), Ordering::Less),
            (json!(u64::MAX), json!(18_446_744_073_709_551_616.0), Ordering::Less),
            (json!(u64::MAX), json!(18_446_744_073_709_549_568.0), Ordering::Greater),
            (json!(u64::MAX), json!(i64::MIN), Ordering::Greater),
            (json!(i64::MIN), json!(-9_223_372_036_854_775_808.0), Ordering::Equal),
            (json!(u64::MAX), json!(1e300), Ordering::Less),
            (json!(i64::MIN), json!(-1e300), Ordering::Greater),
            (json!(0), json!(-0.0), Ordering::Equal),
            (json!(-0.0), json!(0.0), Ordering::Equal),
            (json!(0), json!(5e-324), Ordering::Less),
            (json!(0), json!(-5e-324), Ordering::Greater),
            (json!(-1), json!(-1.5), Ordering::Greater),
            (json!(-2), json!(-1.5), Ordering::Less),
            (json!(1), json!(1.5), Ordering::Less),
            (json!(2), json!(1.5), Ordering::Greater),
            (json!(1.5), json!(2.5), Ordering::Less),
        ] {
            assert_eq!(compare_numbers(&number(&a), &number(&b)), expected, "{a} {b}");
            assert_eq!(compare_numbers(&number(&b), &number(&a)), expected.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn a_fact_has_one_full_name() {
        let name = |block, dotted: &str| Fact::parse(block, dotted).unwrap().name().to_string();
        assert_eq!(name(Block::Parameters, "to.0.address"), "parameters.to.0.address");
        assert_eq!(name(Block::Identity, "roles"), "identity.agent.roles");
        assert_eq!(name(Block::Identity, "human"), "identity.human");
        assert_eq!(name(Block::Context, "session_accessed_data"), "context.data_classification");
        assert_eq!(name(Block::Context, "user_intent"), "context.original_request");
        assert_eq!(name(Block::Context, "chain_length"), "context.action_count");
        assert_eq!(name(Block::Context, "human.actions.files.read_file"), "human.actions.files.read_file");
        assert_eq!(name(Block::Context, "maintenance_window"), "context.maintenance_window");
    }

    #[test]
    fn names_that_no_fact_has_are_refused_with_a_hint() {
        for (block, dotted, hint) in [
            (Block::Parameters, "to..x", "one dot"),
            (Block::Identity, "humn", "did you mean `human`?"),
            (Block::Identity, "human.age", "known here: human"),
            (Block::Context, "data_clasification", "did you mean `data_classification`?"),
            (Block::Context, "prior_action", "did you mean `prior_actions`?"),
            (Block::Context, "human.actions", "write `human.actions.upstream.tool`"),
        ] {
            let e = Fact::parse(block, dotted).unwrap_err();
            assert!(e.hint.contains(hint), "{dotted}: {e:?}");
        }
    }

    #[test]
    fn what_is_computed_cannot_be_written() {
        assert!(is_computed("prior_actions") && is_computed("human.actions.x") && is_computed("user_intent"));
        assert!(is_computed("session_accessed_data"));
        assert!(
            !is_computed("data_classification") && !is_computed("ticket") && !is_computed("human.actionsx")
        );
    }
}
