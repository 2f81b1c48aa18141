//! What must hold for a rule: names of tools, tests of facts, constraints.

use super::fields::{Field, Fields};
use super::flow;
use super::operators::tests;
use crate::contract::Effect;
use crate::facts::{self, Block, Fact, NoSuchFact};
use crate::policy::condition::{Actions, Condition, Constraint};
use crate::policy::fault::{Faults, Place, shown, suggest};
use crate::policy::predicate::{Predicate, Test};
use crate::policy::rule::ToolPattern;
use crate::policy::yaml::Kind;
use crate::session::CounterDefinition;

/// What the blocks of one rule say about when it holds.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) tools: Vec<ToolPattern>,
    pub(super) operations: Vec<String>,
    pub(super) predicates: Vec<Predicate>,
    pub(super) constraints: Vec<Constraint>,
    pub(super) sequence: Option<Condition>,
    pub(super) when: Option<Condition>,
    /// What tools do, where the rule speaks of them by that.
    effects: Vec<Effect>,
    /// Where each name of a tool or operation is written.
    pub(super) names: Vec<(String, Place)>,
    /// The place of a test of a sink: then the rule is not about actions.
    pub(super) sink: Option<Place>,
}

pub(super) const BLOCKS: [(&str, Block); 5] = [
    ("parameters", Block::Parameters),
    ("params", Block::Parameters),
    ("arguments", Block::Parameters),
    ("identity", Block::Identity),
    ("context", Block::Context),
];
pub(super) const KEYS: [&str; 8] = [
    "tool",
    "operation",
    "category",
    "parameters",
    "identity",
    "context",
    "risk_signals",
    "original_request",
];
/// What stands under `context` and may be written without it.
pub(super) const OF_CONTEXT: [&str; 2] = ["risk_signals", "original_request"];

/// The specification's categories of tools, by what contracts say they do; each effect is a category too.
pub(super) const CATEGORIES: [(&str, &[Effect]); 8] = [
    ("external_communication", &[Effect::WriteOutbound, Effect::EgressRead, Effect::Unknown]),
    ("communication", &[Effect::WriteOutbound, Effect::EgressRead, Effect::Unknown]),
    ("destructive", &[Effect::Destructive, Effect::Unknown]),
    ("financial", &[Effect::Payment, Effect::Unknown]),
    ("code_execution", &[Effect::Execute, Effect::Unknown]),
    ("credentials", &[Effect::Credential, Effect::Unknown]),
    ("data_access", &[Effect::Read, Effect::EgressRead]),
    (
        "data_modification",
        &[Effect::WriteInternal, Effect::WriteOutbound, Effect::Destructive, Effect::Unknown],
    ),
];

impl Conditions {
    /// Takes the content of `match` or `condition` in.
    pub(super) fn take_match(&mut self, block: Field<'_>, faults: &mut Faults) {
        for (key, node) in block.map(faults).unwrap_or_default() {
            let field = Field { key, node };
            match (key.text.as_str(), BLOCKS.iter().find(|(name, _)| *name == key.text)) {
                ("tool", _) => self.take_tools(field, faults),
                ("operation", _) => self.operations = self.take_names(field, faults),
                ("category", _) => self.take_category(field, faults),
                (_, Some((_, block))) => self.take_block(*block, field, faults),
                (dotted, None) => self.take_dotted(dotted, field, faults),
            }
        }
    }

    /// Takes a map of facts and tests in.
    pub(super) fn take_block(&mut self, block: Block, facts: Field<'_>, faults: &mut Faults) {
        for (key, node) in facts.map(faults).unwrap_or_default() {
            self.take_fact(block, &key.text, Field { key, node }, faults);
        }
    }

    /// Takes `trigger` in: facts of the context by their names, or blocks as in `match`.
    pub(super) fn take_trigger(&mut self, block: Field<'_>, faults: &mut Faults) {
        for (key, node) in block.map(faults).unwrap_or_default() {
            let field = Field { key, node };
            let known = |block: &&(&str, Block)| {
                key.text.strip_prefix(block.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            match BLOCKS.iter().find(known) {
                Some((name, block)) if key.text == *name => self.take_block(*block, field, faults),
                Some(_) => self.take_dotted(&key.text, field, faults),
                None => self.take_fact(Block::Context, &key.text, field, faults),
            }
        }
    }

    /// Takes `constraints` in: facts by their full names, and what a call has to keep to.
    pub(super) fn take_constraints(
        &mut self,
        block: Field<'_>,
        counters: &[CounterDefinition],
        faults: &mut Faults,
    ) {
        let mut own = Self::default();
        let entries = block.map(faults).unwrap_or_default();
        if entries.is_empty() {
            faults.add(block.at(), "nothing is constrained");
        }
        for (key, node) in entries {
            let field = Field { key, node };
            match (key.text.as_str(), BLOCKS.iter().find(|(name, _)| *name == key.text)) {
                ("rate", _) => {
                    let rate = flow::rate(field, self.actions(), faults);
                    self.constraints.extend(rate.map(Constraint::Rate));
                }
                ("budget", _) => {
                    let budget = flow::budget(field, counters, faults);
                    self.constraints.extend(budget.map(Constraint::Budget));
                }
                (_, Some((_, block))) => own.take_block(*block, field, faults),
                (dotted, None) => own.take_dotted(dotted, field, faults),
            }
        }
        self.constraints.extend(own.predicates.into_iter().map(Constraint::Test));
    }

    /// The actions that the rule itself speaks of, by what is known of them afterwards.
    fn actions(&self) -> Actions {
        let (tools, operations) = (self.tools.clone(), self.operations.clone());
        Actions { tools, operations, effects: self.effects.clone() }
    }

    fn take_tools(&mut self, field: Field<'_>, faults: &mut Faults) {
        if !matches!(field.node.kind, Kind::Map(_)) {
            let names = self.take_names(field, faults);
            self.tools.extend(names.into_iter().map(ToolPattern));
            return;
        }
        let Some(fields) = Fields::open(field.node, "`tool`", &["name", "category"], faults) else { return };
        if fields.is_empty() {
            faults.add_with_hint(
                field.at(),
                "no tool is named",
                "write `tool: NAME` or `tool: {category: NAME}`",
            );
        }
        if let Some(name) = fields.get("name") {
            self.take_tools(name, faults);
        }
        if let Some(category) = fields.get("category") {
            self.take_category(category, faults);
        }
    }

    /// What kind of thing the tool does, as its contract says.
    fn take_category(&mut self, field: Field<'_>, faults: &mut Faults) {
        let effects = effects_of(field, faults);
        if let (Ok(fact), false) = (Fact::parse(Block::Context, "effect"), effects.is_empty()) {
            let words = effects.iter().map(|effect| effect.as_str().into()).collect();
            self.predicates.push(Predicate { fact, test: Test::In(words) });
        }
        self.effects.extend(effects);
    }

    fn take_names(&mut self, field: Field<'_>, faults: &mut Faults) -> Vec<String> {
        let names = field.texts(faults).unwrap_or_default();
        self.names.extend(names.iter().map(|(name, at)| ((*name).to_owned(), *at)));
        names.into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    /// A fact's full name directly in `match`.
    fn take_dotted(&mut self, dotted: &str, field: Field<'_>, faults: &mut Faults) {
        let in_block = BLOCKS.iter().find_map(|(name, block)| {
            let rest = dotted.strip_prefix(name)?.strip_prefix('.')?;
            Some((*block, rest))
        });
        let (head, nested) = dotted.split_once('.').map_or((dotted, false), |(head, _)| (head, true));
        let of_context =
            (facts::is_counter(dotted) || OF_CONTEXT.contains(&head)).then_some((Block::Context, dotted));
        match in_block.or(of_context) {
            _ if head == "sink" => self.sink = Some(field.key.at),
            None if head == "tool" && nested => self.take_tool_part(dotted, field, faults),
            // `risk_signals: {injection_score: {gt: 0.8}}`
            Some((block, space)) if OF_CONTEXT.contains(&space) && self.is_space(field) => {
                for (key, node) in field.map(faults).unwrap_or_default() {
                    self.take_fact(block, &format!("{space}.{}", key.text), Field { key, node }, faults);
                }
            }
            Some((block, rest)) => self.take_fact(block, rest, field, faults),
            None => {
                let message = format!("unknown key {} in `match`", shown(dotted));
                faults.add_with_hint(field.key.at, message, suggest(dotted, &KEYS));
            }
        }
    }

    fn take_tool_part(&mut self, dotted: &str, field: Field<'_>, faults: &mut Faults) {
        match dotted {
            "tool.category" => self.take_category(field, faults),
            "tool.name" => self.take_tools(field, faults),
            _ => {
                let message = format!("unknown key {} in `match`", shown(dotted));
                faults.add_with_hint(field.key.at, message, suggest(dotted, &["tool.category", "tool.name"]));
            }
        }
    }

    /// Whether a map names facts and not operators.
    fn is_space(&self, field: Field<'_>) -> bool {
        let Kind::Map(entries) = &field.node.kind else { return false };
        !entries.iter().any(|(key, _)| super::operators::is_operator(&key.text))
    }

    fn take_fact(&mut self, block: Block, dotted: &str, field: Field<'_>, faults: &mut Faults) {
        if block == Block::Context
            && facts::COUNTERS.contains(&dotted)
            && matches!(field.node.kind, Kind::Map(_))
        {
            for (tool, node) in field.map(faults).unwrap_or_default() {
                let name = format!("{dotted}.{}", tool.text);
                self.take_fact(block, &name, Field { key: tool, node }, faults);
            }
            return;
        }
        if block == Block::Context && OF_CONTEXT.contains(&dotted) && self.is_space(field) {
            return self.take_dotted(dotted, field, faults);
        }
        match Fact::parse(block, dotted) {
            Err(NoSuchFact { message, hint }) => faults.add_with_hint(field.key.at, message, hint),
            Ok(fact) => {
                let tests = tests(&fact, field, faults);
                self.predicates.extend(tests.into_iter().map(|test| Predicate { fact: fact.clone(), test }));
            }
        }
    }

    /// The conditions beside the tests, for a rule that restricts or lets through.
    pub(super) fn conditions(&mut self, lets_through: bool) -> Vec<Condition> {
        let constraints = std::mem::take(&mut self.constraints);
        let kept = match (constraints.is_empty(), lets_through) {
            (true, _) => None,
            (false, true) => Some(Condition::Kept(constraints)),
            (false, false) => Some(Condition::Broken(constraints)),
        };
        [kept, self.sequence.take(), self.when.take()].into_iter().flatten().collect()
    }
}

/// What tools of these categories do.
pub(super) fn effects_of(field: Field<'_>, faults: &mut Faults) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (name, at) in field.texts(faults).unwrap_or_default() {
        let of_category = CATEGORIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        match (of_category, Effect::named(&name.to_ascii_lowercase())) {
            (Some((_, list)), _) => effects.extend(*list),
            (None, Some(effect)) => effects.push(effect),
            (None, None) => {
                let known: Vec<&str> = CATEGORIES.iter().map(|(known, _)| *known).collect();
                faults.add_with_hint(
                    at,
                    format!("no category is called {}", shown(name)),
                    suggest(name, &known),
                );
            }
        }
    }
    effects
}
