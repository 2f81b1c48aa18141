//! A contract from a tool's definition, by general rules.
//!
//! | module | says |
//! |---|---|
//! | `text` | words of names and descriptions |
//! | `schema` | every argument a schema admits, nested ones too, within bounds |
//! | `verb` | what the tool's verb is: from its name, else from its description |
//! | `sort` | what an argument is by its name, description and type alone |
//! | `effect` | what the tool does |
//! | `role` | what an argument is for, given what the tool does |
//! | `output` | what comes back, and whose it is |
//!
//! The rules know English and nothing else. They raise where a description says more than a name, and never
//! lower; where nothing tells, they take the more dangerous reading and say so in [`Meaning::doubts`].

mod effect;
mod output;
mod role;
mod schema;
mod sort;
mod text;
mod verb;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::words::{self, Families, Nouns};
use super::{Contract, Effect, Meaning, Role};
use schema::Argument;

/// A tool's definition, as its server lists it.
#[derive(Clone, Copy, Debug)]
pub struct Definition<'a> {
    /// Its name, without the upstream's.
    pub name: &'a str,
    /// Its description; empty where it has none.
    pub description: &'a str,
    /// The JSON Schema of its arguments.
    pub input_schema: Option<&'a Value>,
    /// MCP annotations: hints of the server, which may raise the effect and never lower it.
    pub annotations: Option<&'a Value>,
}

impl<'a> Definition<'a> {
    /// A tool as `tools/list` describes it, under the name that it has there.
    #[must_use]
    pub fn listed(name: &'a str, tool: &'a Map<String, Value>) -> Self {
        Self {
            name,
            description: tool.get("description").and_then(Value::as_str).unwrap_or_default(),
            input_schema: tool.get("inputSchema"),
            annotations: tool.get("annotations"),
        }
    }
}

/// Derives a contract. Same definition, same contract.
///
/// Families are those that the effect can carry: a tool that only reads has [`Families::READ`] alone, one that
/// moves no money has no [`Families::PAY`]. Roles stand at patterns; [`Meaning::role`] looks one up.
#[must_use]
pub fn derive(definition: &Definition<'_>) -> Contract {
    let mut tool = Tool::read(definition);
    let effect = effect::of(&mut tool, definition.annotations);
    finish(definition, tool, effect)
}

/// Derives the rest of a contract whose effect somebody has said: roles and families follow the effect.
#[must_use]
pub fn derive_as(definition: &Definition<'_>, effect: Effect) -> Contract {
    finish(definition, Tool::read(definition), effect)
}

fn finish(definition: &Definition<'_>, mut tool: Tool, effect: Effect) -> Contract {
    let roles = roles(&mut tool, effect);
    let output = output::of(&tool, effect);
    let selectors = selectors(&roles);
    let meaning = Meaning {
        families: effect::families(&tool, effect),
        nouns: tool.nouns(),
        verb: tool.verb.word.clone(),
        words: tool.objects(),
        roles,
        output,
        doubts: tool.doubts,
    };
    Contract {
        effect,
        selectors,
        input_schema: definition.input_schema.map(|schema| Arc::new(schema.clone())),
        meaning: Some(Arc::new(meaning)),
        ..Contract::default()
    }
}

impl Meaning {
    /// The role of the argument at a JSON pointer: the pattern that fits with the fewest `*`, else that of the
    /// nearest container; `None` where no pattern covers it.
    #[must_use]
    pub fn role(&self, pointer: &str) -> Option<Role> {
        let mut at = pointer;
        loop {
            let fits = self.roles.iter().filter(|(pattern, _)| covers(pattern, at));
            if let Some((_, role)) =
                fits.min_by_key(|(pattern, _)| pattern.split('/').filter(|p| *p == "*").count())
            {
                return Some(*role);
            }
            at = at.rfind('/').filter(|cut| *cut > 0).and_then(|cut| at.get(..cut))?;
        }
    }
}

/// Whether a pattern stands for this very pointer.
fn covers(pattern: &str, pointer: &str) -> bool {
    let mut parts = pointer.split('/');
    pattern.split('/').all(|p| parts.next().is_some_and(|part| p == part || p == "*"))
        && parts.next().is_none()
}

/// The pointers that [`Contract::selectors`] holds: an element of a list is named by its list. `None` where
/// nothing selects, since such a tool may act on anything.
pub(super) fn selectors(roles: &BTreeMap<String, Role>) -> Option<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for (pattern, _) in roles.iter().filter(|(_, role)| role.selects()) {
        let pointer =
            pattern.find("/*").map_or(pattern.as_str(), |cut| pattern.get(..cut).unwrap_or_default());
        if !pointer.is_empty() && !found.iter().any(|known| known == pointer) {
            found.push(pointer.to_owned());
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The role that allows less.
pub(super) fn stricter(a: Role, b: Role) -> Role {
    let rank = |role: Role| match role {
        Role::Credential => 0,
        Role::Code => 1,
        Role::Payee => 2,
        Role::Url => 3,
        Role::Party => 4,
        Role::Resource => 5,
        Role::Amount => 6,
        Role::Privilege => 7,
        Role::Weak => 8,
        Role::Label => 9,
        Role::Payload => 10,
        Role::Time => 11,
        Role::Harmless => 12,
    };
    if rank(a) <= rank(b) { a } else { b }
}

/// A definition as the rules see it.
struct Tool {
    /// Words of the name.
    tokens: Vec<String>,
    verb: verb::Verb,
    /// What the name speaks of, its verb left out.
    name_nouns: Nouns,
    /// What the description's verb can mean.
    described: Families,
    /// The description in lower case, cut to a bound.
    description: String,
    arguments: Vec<Argument>,
    doubts: Vec<String>,
}

impl Tool {
    fn read(definition: &Definition<'_>) -> Self {
        let tokens = text::tokens(definition.name);
        let description = text::lower(definition.description, text::MAX_DESCRIPTION);
        let mut doubts = Vec::new();
        // `leave.approve`: what stands behind the last dot is what is done.
        let part = definition.name.rsplit(['.', '/', ':']).next().map_or(0, |part| text::tokens(part).len());
        let from = tokens.len().saturating_sub(part);
        let mut verb = verb::of(&tokens, from, &description, &mut doubts);
        let described =
            verb::described(&description).and_then(|word| words::base_verb(&word)).unwrap_or(Families::NONE);
        let (arguments, whole) = schema::arguments(definition.input_schema);
        if !whole {
            doubts.push("its schema is too large or too deep to be read whole".into());
        }
        // `search_contacts_by_email` is about contacts.
        let object = tokens.iter().skip(1).position(|token| token == "by").map_or(tokens.len(), |at| at + 1);
        let name_nouns = (tokens.iter().take(object).enumerate())
            .filter(|(at, _)| verb.place != Some(*at))
            .filter_map(|(_, token)| words::noun(token))
            .fold(Nouns::NONE, Nouns::and);
        // A file is opened to be read; an issue, an account or a gate is not.
        let read = Nouns::FILE.and(Nouns::PAGE).and(Nouns::MAIL).and(Nouns::MESSAGE).and(Nouns::DATA);
        if verb.word == "open" && !name_nouns.meets(read) {
            verb.home = Families::CREATE;
        }
        Self { tokens, verb, name_nouns, described, description, arguments, doubts }
    }

    /// What it speaks of: by its name, else its arguments, else the first sentence of its description.
    fn nouns(&self) -> Nouns {
        let joined = |found: &mut dyn Iterator<Item = Nouns>| found.fold(Nouns::NONE, Nouns::and);
        if !self.name_nouns.is_empty() {
            return self.name_nouns;
        }
        let by_arguments =
            joined(&mut self.arguments.iter().flat_map(|a| &a.tokens).filter_map(|t| words::noun(t)));
        if !by_arguments.is_empty() {
            return by_arguments;
        }
        // *List vendors*: what lists is no list.
        let told = text::words(text::first_sentence(&self.description));
        joined(&mut told.filter(|word| *word != self.verb.word).filter_map(words::noun))
    }

    /// The words of its name that are not its verb.
    fn objects(&self) -> Vec<String> {
        let objects = self.tokens.iter().enumerate().filter(|(at, _)| self.verb.place != Some(*at));
        objects.map(|(_, token)| words::singular(token).unwrap_or_else(|| token.clone())).collect()
    }

    /// Whether one of these words stands in the name.
    fn named(&self, any: &str) -> bool {
        self.tokens.iter().any(|token| text::is_some(token, any))
    }

    /// Whether its queries are programs and not search texts.
    fn queries_data(&self) -> bool {
        const DATABASES: &str = "sql|db|database|postgres|sqlite|mysql|bigquery|snowflake|graphql|cypher|sparql|\
        redshift|clickhouse|duckdb|mongo|mongodb|neo4j";
        let told = text::says(&self.description, "sql|cypher|graphql|sparql|select query|ddl");
        let changes = self.home() != Families::READ && text::says(&self.description, "database");
        self.named(DATABASES) || told || changes
    }

    /// GitHub and its like: the owner of a repository is half of the repository's name.
    fn is_repository_owner(&self, argument: &Argument) -> bool {
        let has = |a: &Argument, any: &str| a.tokens.iter().any(|token| text::is(token, any));
        has(argument, "owner|org|workspace|user|username")
            && self.arguments.iter().any(|a| has(a, "repo|repository"))
    }

    /// The verb's home family; none for a verb that is not known.
    const fn home(&self) -> Families {
        self.verb.home
    }
}

fn roles(tool: &mut Tool, effect: Effect) -> BTreeMap<String, Role> {
    let mut roles = BTreeMap::new();
    let mut doubts = Vec::new();
    for argument in &tool.arguments {
        let role = role::of(argument, tool, effect, &mut doubts);
        // Two readings of one place: the one that carries authority stands.
        roles
            .entry(argument.pattern.clone())
            .and_modify(|known| *known = stricter(role, *known))
            .or_insert(role);
    }
    tool.doubts.append(&mut doubts);
    roles
}
