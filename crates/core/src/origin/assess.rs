//! One action, weighed: where each of its arguments comes from, and whether the request covers it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::arguments::{MAX_LEAVES, leaves};
use super::licence::{Deed, Licence, licence};
use super::seen::Seen;
use super::selectors::{Case, Weighed};
use super::text::{hash, plain};
use crate::action::Action;
use crate::contract::{Effect, Meaning, Nouns, Role, Writer};
use crate::detect::inspect_fields;

/// What is known about where an action's arguments come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origins {
    /// Its arguments, leaf by leaf.
    pub arguments: Vec<Argument>,
    /// Whether the request or an open slot covers the action; `None` = it cannot be told.
    pub licensed: Option<bool>,
    /// The slot that it uses, as role and source.
    pub slot: Option<Arc<str>>,
    /// What speaks against it, beside its arguments.
    pub doubts: BTreeSet<Doubt>,
    /// All that speaks against it, as policies read it.
    pub doubted: BTreeSet<&'static str>,
    /// Who could have written the arguments that carry authority, as policies read it.
    pub selected: BTreeSet<&'static str>,
    /// Labels of the data that its arguments carry.
    pub flows: BTreeSet<Arc<str>>,
    /// Slots that it takes when it is permitted: kind of thing, role, value.
    pub(crate) takes: Vec<(Nouns, &'static str, String)>,
    /// Parties that it reaches when it is permitted.
    pub(crate) parties: Vec<String>,
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Where it stands.
    pub pointer: Arc<str>,
    /// What it is for.
    pub role: Role,
    /// Who could have written it.
    pub origin: Origin,
    /// What that means for this action.
    pub standing: Standing,
    /// Where the doubt lies, for a person: the field and the kind of thing it was read in.
    pub read_in: Option<Arc<str>>,
}

/// Who could have written a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The user.
    User,
    /// A service, of itself: ids, times, catalogues; or this session's own writes.
    Service,
    /// A record of the user's own.
    FirstParty,
    /// Anybody else.
    ThirdParty,
    /// Nobody: it stands in nothing that the session has seen.
    Nobody,
    /// The index is not complete, so nobody can tell.
    Unknown,
}

/// What an argument's origin means for the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It carries no authority here.
    Harmless,
    /// Something speaks for it.
    Clear(Evidence),
    /// Nothing speaks for it, or something against it.
    Doubtful(Doubt),
}

/// What speaks for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// The user typed it.
    Typed,
    /// It is the user.
    Own,
    /// This session's own writes made it.
    Minted,
    /// It belongs to a record that the user named.
    Anchored,
    /// It is the extreme that the user asked for.
    Extreme,
    /// It was found with the user's own words.
    Found,
    /// It is one pick from a catalogue of what the user asked for.
    Picked,
    /// It is one of all that the user asked for.
    Contained,
    /// It was read in a source that the user left this to.
    Slot,
    /// It is made of the user's words.
    Composed,
    /// It is an address that is only read, as it stands in a text, and nobody asks for that.
    Quoted,
    /// No request is known, and no third party could have written it.
    Recorded,
}

/// What speaks against a value or an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Only a third party's text or field has it.
    ThirdParty,
    /// A third party's text asks for this very thing.
    Pushed,
    /// It belongs to something that the user did not name.
    NotNamed,
    /// Something else fits what the user said equally well.
    Ambiguous,
    /// A slot that is open once was taken already.
    Taken,
    /// It is a secret or a program that the user did not type.
    NotTyped,
    /// It stands in nothing that the session has seen.
    MadeUp,
    /// The index is not complete, so it cannot be told.
    Unknown,
    /// The request was understood, and does not ask for such an action.
    NotAsked,
    /// Free content that a third party's text dictates, or a link or account that only it has.
    Dictated,
}

impl Origin {
    /// The word that policies read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::FirstParty => "first_party",
            Self::ThirdParty => "third_party",
            Self::Nobody => "nobody",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) const fn of(writer: Writer) -> Self {
        match writer {
            Writer::User => Self::User,
            Writer::Operator | Writer::Service => Self::Service,
            Writer::FirstParty => Self::FirstParty,
            Writer::ThirdParty => Self::ThirdParty,
        }
    }
}

impl Doubt {
    /// The word that policies read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ThirdParty => "third_party",
            Self::Pushed => "pushed",
            Self::NotNamed => "not_named",
            Self::Ambiguous => "ambiguous",
            Self::Taken => "taken",
            Self::NotTyped => "not_typed",
            Self::MadeUp => "made_up",
            Self::Unknown => "unknown",
            Self::NotAsked => "not_asked",
            Self::Dictated => "dictated",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::ThirdParty => "comes only from what a third party wrote",
            Self::Pushed => "is what a third party's text asks for",
            Self::NotNamed => "belongs to something that the user did not name",
            Self::Ambiguous => "is one of several that fit what the user said",
            Self::Taken => "is a second pick where the user left one open",
            Self::NotTyped => "is a secret or a program that the user did not type",
            Self::MadeUp => "stands in nothing that the session has seen",
            Self::Unknown => "cannot be traced, because not everything that was seen is still known",
            Self::NotAsked => "is not what the user asked for",
            Self::Dictated => "repeats what a third party's text dictates",
        }
    }
}

impl Origins {
    /// The arguments under a pointer: itself, and what it contains.
    pub fn under<'a>(&'a self, pointer: &'a str) -> impl Iterator<Item = &'a Argument> {
        self.arguments.iter().filter(move |a| {
            a.pointer.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// What speaks against the action, all together.
    pub fn all_doubts(&self) -> BTreeSet<Doubt> {
        let of_arguments = self.arguments.iter().filter_map(|argument| match argument.standing {
            Standing::Doubtful(doubt) => Some(doubt),
            _ => None,
        });
        of_arguments.chain(self.doubts.iter().copied()).collect()
    }

    /// Takes back what spoke for values that nobody in this session wrote, where a third party named them in
    /// another session of the same people.
    pub(crate) fn recall(&mut self, action: &Action, named: impl Fn(u64) -> bool) {
        let all = leaves(action.arguments.value());
        for (argument, (_, value)) in self.arguments.iter_mut().zip(&all) {
            let recorded = argument.standing == Standing::Clear(Evidence::Recorded);
            if argument.role.selects()
                && argument.origin == Origin::Nobody
                && recorded
                && named(hash(&plain(value)))
            {
                argument.origin = Origin::ThirdParty;
                argument.standing = Standing::Doubtful(Doubt::ThirdParty);
                argument.read_in = Some("another session".into());
            }
        }
        self.summarise();
    }

    /// The words that policies read.
    fn summarise(&mut self) {
        self.doubted = self.all_doubts().into_iter().map(Doubt::as_str).collect();
        let selecting = self.arguments.iter().filter(|a| a.role.selects());
        self.selected = selecting.map(|a| a.origin.as_str()).collect();
    }

    /// What speaks against an argument and what it contains, or `none`.
    #[must_use]
    pub fn doubt_about(&self, pointer: &str) -> &'static str {
        let doubts = self.under(pointer).filter_map(|argument| match argument.standing {
            Standing::Doubtful(doubt) => Some(doubt),
            _ => None,
        });
        doubts.min().map_or("none", Doubt::as_str)
    }

    /// Whether a selector could only have been written by a third party.
    #[must_use]
    pub fn third_party_selects(&self) -> bool {
        self.arguments.iter().any(|a| {
            a.role.selects() && a.origin == Origin::ThirdParty && matches!(a.standing, Standing::Doubtful(_))
        })
    }
}

/// The explanation a person reads: fields and kinds of sources, never values.
impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut say = |f: &mut fmt::Formatter<'_>, text: String| {
            let gap = if std::mem::take(&mut first) { "" } else { "; " };
            write!(f, "{gap}{text}")
        };
        for argument in &self.arguments {
            if let Standing::Doubtful(doubt) = argument.standing {
                let role = argument.role.as_str();
                let read_in = argument.read_in.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
                let pointer = &argument.pointer;
                say(f, format!("the {role} at {pointer} {}{read_in}", doubt.sentence()))?;
            }
        }
        for doubt in &self.doubts {
            say(f, format!("the action {}", doubt.sentence()))?;
        }
        Ok(())
    }
}

/// Weighs an action against everything its session has seen. Same action, same index: same answer.
#[must_use]
pub fn assess(action: &Action, seen: &Seen) -> Origins {
    let unknown = Meaning::default();
    let known = action.contract.meaning.as_deref();
    let meaning = known.unwrap_or(&unknown);
    let all = leaves(action.arguments.value());
    let roles: Vec<Role> = all.iter().map(|(pointer, _)| role(action, meaning, pointer)).collect();
    let folded: Vec<String> = all.iter().map(|(_, value)| plain(value)).collect();
    let selectors: Vec<String> =
        folded.iter().zip(&roles).filter(|(_, r)| r.selects()).map(|(v, _)| v.clone()).collect();
    let effect = action.contract.effect;
    let anchored = |value: &String| seen.places(value).any(|place| seen.is_anchored(place.record));
    let kinds = named_kinds(all.iter().map(|(pointer, _)| pointer.as_str()).zip(&folded));
    let deed = Deed {
        effect,
        meaning,
        selectors: &selectors,
        values: &folded,
        kinds,
        anchored: selectors.iter().any(anchored),
    };
    let licence = licence(seen, &deed);
    let case = Case::new(seen, &deed, licence);
    // Of a tool that nobody knows, no word of the request can speak.
    let licensed = known.and_then(|_| licensed(licence));
    let mut origins = Origins { licensed, ..Origins::default() };
    for (((pointer, raw), folded), role) in all.iter().zip(&folded).zip(&roles) {
        let weighed = case.weigh(*role, pointer, raw, folded);
        if let Some((kind, role)) = weighed.takes {
            origins.takes.push((kind, role, folded.clone()));
            let kind = kind.words().first().cloned().unwrap_or_else(|| "output".into());
            origins.slot.get_or_insert_with(|| format!("{role} from {kind}").into());
        }
        if matches!(role, Role::Party | Role::Payee) {
            origins.parties.push(folded.clone());
        }
        let Weighed { origin, standing, read_in, .. } = weighed;
        origins.arguments.push(Argument {
            pointer: pointer.as_str().into(),
            role: *role,
            origin,
            standing,
            read_in: read_in.map(Arc::from),
        });
    }
    if !effect.only_reads() {
        if licence == Licence::NotAsked {
            origins.doubts.insert(Doubt::NotAsked);
        }
        if matches!(licence, Licence::NoRequest | Licence::Unclear) && case.is_commanded() {
            origins.doubts.insert(Doubt::Pushed);
        }
        if all.len() >= MAX_LEAVES {
            origins.doubts.insert(Doubt::Unknown);
        }
    }
    if effect != Effect::Read {
        origins.flows = flows(&all);
    }
    origins.summarise();
    origins
}

/// What an argument says that the action is about, where one tool is for many kinds of things.
pub(super) fn named_kinds<'a>(values: impl Iterator<Item = (&'a str, &'a String)>) -> Nouns {
    values
        .filter(|(pointer, _)| {
            let last = super::fields::words(pointer.rsplit('/').next().unwrap_or_default());
            matches!(
                last.last().map(String::as_str),
                Some("type" | "kind" | "object" | "entity" | "resource" | "model")
            )
        })
        .filter_map(|(_, value)| crate::contract::words::noun(value))
        .fold(Nouns::NONE, Nouns::and)
}

/// What the arguments carry, as far as their own text tells.
fn flows(all: &[(String, String)]) -> BTreeSet<Arc<str>> {
    let found = inspect_fields(all.iter().map(|(_, value)| value.as_str()));
    let labels = found.labels.into_iter().map(Arc::from);
    // What could not be looked at counts as the most sensitive.
    labels.chain((!found.complete).then(|| Arc::from("RESTRICTED"))).collect()
}

const fn licensed(licence: Licence) -> Option<bool> {
    match licence {
        Licence::Asked | Licence::Delegated => Some(true),
        Licence::NotAsked => Some(false),
        Licence::Unclear | Licence::NoRequest => None,
    }
}

/// The role of an argument; one of a tool whose definition nobody knows could be anything, so it selects.
fn role(action: &Action, meaning: &Meaning, pointer: &str) -> Role {
    let contract = &action.contract;
    let within =
        |pattern: &str| pointer.strip_prefix(pattern).is_some_and(|r| r.is_empty() || r.starts_with('/'));
    if let Some(role) = meaning.role(pointer) {
        return role;
    }
    if contract.selectors.as_ref().is_some_and(|declared| declared.iter().any(|d| within(d))) {
        return Role::Resource;
    }
    match contract.effect {
        _ if contract.meaning.is_some() => Role::Weak,
        Effect::Read => Role::Harmless,
        _ => Role::Resource,
    }
}
