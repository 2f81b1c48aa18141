//! What rules say about more than one action: `constraints.rate`, `constraints.budget`, `sequence`; and the counters
//! of a file.

use std::sync::Arc;

use super::conditions::effects_of;
use super::fields::{Field, Fields};
use super::rules::seconds;
use crate::policy::condition::{Actions, Budget, Rate, Sequence};
use crate::policy::fault::{Faults, shown, suggest};
use crate::policy::rule::ToolPattern;
use crate::policy::yaml::Kind;
use crate::session::{Add, CounterDefinition, Decimal, Measured, Per, Shared};

pub(super) const PER: [(&str, Per); 3] =
    [("session", Per::Session), ("agent", Per::Agent), ("human", Per::Human)];

/// `rate: {max: 100, window: 3600, per: agent}`; counts the rule's own actions where it names no others.
pub(super) fn rate(field: Field<'_>, own: Actions, faults: &mut Faults) -> Option<Rate> {
    let keys = ["max", "window", "per", "tool", "operation", "category"];
    let fields = Fields::open(field.node, "`rate`", &keys, faults)?;
    let Some(max) = fields.get("max") else {
        faults.add_with_hint(field.at(), "`rate` has no `max`", "write `rate: {max: 100, window: 3600}`");
        return None;
    };
    let max = positive(max, faults)?;
    let window = fields.get("window").and_then(|field| seconds(field, faults));
    let per = fields.get("per");
    let of = actions(fields, faults).unwrap_or(own);
    let whose = per.map_or(Some(Per::Session), |field| field.word(&PER, faults))?;
    if let Some(field) = per.filter(|_| whose != Per::Session && !of.effects.is_empty()) {
        let hint = "name the tools, or count `per: session`";
        faults.add_with_hint(field.at(), "what tools do is counted within a session only", hint);
    }
    Some(Rate { max, window, per: whose, of })
}

/// `budget: {counter: money_moved, max: 10000, per: human, window: 1d}`.
pub(super) fn budget(
    field: Field<'_>,
    counters: &[CounterDefinition],
    faults: &mut Faults,
) -> Option<Budget> {
    let fields = Fields::open(field.node, "`budget`", &["counter", "max", "window", "per"], faults)?;
    let (Some(counter), Some(max)) = (fields.get("counter"), fields.get("max")) else {
        let hint = "write `budget: {counter: NAME, max: 1000, per: human, window: 1d}`";
        faults.add_with_hint(field.at(), "a budget has a `counter` and a `max`", hint);
        return None;
    };
    let name = counter.text(faults)?;
    let known = counters.iter().find(|known| &*known.name == name);
    if known.is_none() {
        let names: Vec<&str> = counters.iter().map(|known| &*known.name).collect();
        let message = format!("this file defines no counter {}", shown(name));
        faults.add_with_hint(counter.at(), message, suggest(name, &names));
    }
    let Kind::Number(max) = &max.node.kind else { return max.expected("a number", faults) };
    let window = fields.get("window").and_then(|field| seconds(field, faults));
    let per = fields.get("per").map_or(Some(Per::Session), |field| field.word(&PER, faults))?;
    Some(Budget { counter: known?.clone(), max: max.clone(), window, per })
}

/// `sequence: {after: {tool: db.query}, within: 10_actions, shares: [account]}`.
pub(super) fn sequence(field: Field<'_>, faults: &mut Faults) -> Option<Sequence> {
    let fields = Fields::open(field.node, "`sequence`", &["after", "within", "shares"], faults)?;
    let Some(after) = fields.get("after") else {
        faults.add_with_hint(field.at(), "`sequence` has no `after`", "write `after: {tool: NAME}`");
        return None;
    };
    let after = match &after.node.kind {
        Kind::Map(_) => {
            let named = Fields::open(after.node, "`after`", &["tool", "operation", "category"], faults)?;
            match actions(named, faults) {
                Some(actions) => actions,
                None => {
                    faults.add_with_hint(
                        after.at(),
                        "no earlier action is named",
                        "write `after: {tool: NAME}`",
                    );
                    return None;
                }
            }
        }
        _ => Actions { tools: patterns(after, faults), ..Actions::default() },
    };
    let (within_actions, within) =
        fields.get("within").map(|field| bounds(field, faults)).unwrap_or_default();
    let shares = fields.get("shares").map(|field| shares(field, faults)).unwrap_or_default();
    Some(Sequence { after, within_actions, within, shares })
}

/// `10_actions`, seconds, or `{actions: 10, seconds: 600}`.
fn bounds(field: Field<'_>, faults: &mut Faults) -> (Option<u64>, Option<crate::time::Span>) {
    match &field.node.kind {
        Kind::Text(text) if text.ends_with("actions") => {
            let number = text.trim_end_matches("actions").trim_end_matches(['_', ' ']).parse().ok();
            if number.is_none_or(|number: u64| number == 0) {
                faults.add_with_hint(field.at(), "`within` takes a number of actions", "write `10_actions`");
            }
            (number, None)
        }
        Kind::Map(_) => {
            let Some(fields) = Fields::open(field.node, "`within`", &["actions", "seconds"], faults) else {
                return (None, None);
            };
            let actions = fields.get("actions").and_then(|field| positive(field, faults));
            (actions, fields.get("seconds").and_then(|field| seconds(field, faults)))
        }
        _ => (None, seconds(field, faults)),
    }
}

/// Arguments that both actions have: a name, or one of each.
fn shares(field: Field<'_>, faults: &mut Faults) -> Vec<Shared> {
    let place = |text: &str| text.strip_prefix("parameters.").unwrap_or(text).to_owned();
    let Kind::List(items) = &field.node.kind else {
        field.expected::<()>("a list of arguments", faults);
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        let one = Field { key: field.key, node: item };
        let pair = match &item.kind {
            Kind::Map(_) => {
                let Some(fields) = Fields::open(item, "a shared value", &["before", "now"], faults) else {
                    continue;
                };
                let mut name = |key: &str| fields.get(key).and_then(|field| field.text(faults)).map(place);
                name("before").zip(name("now"))
            }
            _ => one.text(faults).map(|name| (place(name), place(name))),
        };
        match pair.and_then(|(before, now)| Shared::new(&before, &now)) {
            Some(shared) => found.push(shared),
            None => faults.add_with_hint(
                item.at,
                "a shared value is an argument of both actions, or one of each",
                "write `account` or `{before: account, now: to}`",
            ),
        }
    }
    found
}

fn actions(fields: Fields<'_>, faults: &mut Faults) -> Option<Actions> {
    if ["tool", "operation", "category"].iter().all(|key| fields.get(key).is_none()) {
        return None;
    }
    let tools = fields.get("tool").map(|field| patterns(field, faults)).unwrap_or_default();
    let operations = fields.get("operation").and_then(|field| field.texts(faults)).unwrap_or_default();
    let operations = operations.into_iter().map(|(name, _)| name.to_owned()).collect();
    let effects = fields.get("category").map(|field| effects_of(field, faults)).unwrap_or_default();
    Some(Actions { tools, operations, effects })
}

fn patterns(field: Field<'_>, faults: &mut Faults) -> Vec<ToolPattern> {
    let names = field.texts(faults).unwrap_or_default();
    names.into_iter().map(|(name, _)| ToolPattern(name.to_owned())).collect()
}

fn positive(field: Field<'_>, faults: &mut Faults) -> Option<u64> {
    let number = u64::try_from(field.integer(faults)?).ok().filter(|number| *number > 0);
    if number.is_none() {
        faults.add(field.at(), format!("{} takes a whole number, 1 or more", shown(field.name())));
    }
    number
}

/// `counters: {money_moved: {tool: [payment.transfer], add: parameters.amount}}`.
pub(super) fn counters(field: Field<'_>, faults: &mut Faults) -> Vec<CounterDefinition> {
    let entries = field.map(faults).unwrap_or_default();
    entries.iter().filter_map(|(key, node)| counter(Field { key, node }, faults)).collect()
}

fn counter(field: Field<'_>, faults: &mut Faults) -> Option<CounterDefinition> {
    const HINT: &str =
        "write 1, `parameters.NAME`, `size: parameters.NAME`, `result.bytes` or `result.items`";
    let name = field.name();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        faults.add_with_hint(
            field.key.at,
            format!("no counter can be called {}", shown(name)),
            "use letters, digits and `_`",
        );
        return None;
    }
    let fields = Fields::open(field.node, "a counter", &["tool", "add", "at_most", "description"], faults)?;
    let tools = fields.get("tool").and_then(|field| field.texts(faults)).unwrap_or_default();
    let tools = tools.into_iter().map(|(name, _)| Arc::from(name)).collect();
    let Some(add) = fields.get("add") else {
        faults.add_with_hint(field.at(), "the counter has no `add`", HINT);
        return None;
    };
    let at_most = fields.get("at_most");
    let bound = at_most.and_then(|field| match &field.node.kind {
        Kind::Number(n) => Decimal::of_number(n).ok(),
        _ => field.expected("a number", faults),
    });
    let path = |text: &str| {
        let place = text.strip_prefix("parameters.")?;
        place.split('.').map(|part| (!part.is_empty()).then(|| part.to_owned())).collect::<Option<Vec<_>>>()
    };
    let written = match &add.node.kind {
        Kind::Number(n) => Decimal::of_number(n).ok().map(Add::Fixed),
        Kind::Text(text) => match text.as_str() {
            "result.bytes" => Some(Add::Result(Measured::Bytes, bound)),
            "result.items" => Some(Add::Result(Measured::Items, bound)),
            text => match text.strip_prefix("size:") {
                Some(place) => path(place.trim()).map(Add::Size),
                None => path(text).map(Add::Parameter),
            },
        },
        Kind::Map(entries) => match entries.as_slice() {
            [(key, node)] if key.text == "size" => match &node.kind {
                Kind::Text(place) => path(place).map(Add::Size),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    if written.is_none() {
        faults.add_with_hint(add.at(), "nothing can be added like this", HINT);
    }
    if let Some(field) = at_most.filter(|_| !matches!(written, Some(Add::Result(..)) | None)) {
        faults.add(field.key.at, "`at_most` bounds what only the result tells");
    }
    Some(CounterDefinition { name: Arc::from(name), tools, add: written? })
}
