//! Every argument a schema admits, nested ones too, within bounds.

use serde_json::{Map, Value};

use super::text;

/// Objects and lists are followed this deep.
const MAX_DEPTH: usize = 8;
/// Schemas looked at, references included.
const MAX_STEPS: usize = 4096;
/// Arguments kept.
const MAX_ARGUMENTS: usize = 512;
/// References followed from one place.
const MAX_REFERENCES: usize = 8;

/// One argument that a call may have.
#[derive(Clone, Debug, Default)]
pub(super) struct Argument {
    /// A JSON pointer in which `*` stands for any element or member.
    pub(super) pattern: String,
    /// Words of its name, those of what it lies in before them.
    pub(super) tokens: Vec<String>,
    /// How many of the words are its own name's.
    pub(super) own: usize,
    /// Its description in lower case, cut to a bound.
    pub(super) remark: String,
    pub(super) kinds: Kinds,
    pub(super) format: String,
    /// Whether its values are listed.
    pub(super) listed: bool,
}

/// Types that a schema admits; none where it does not say.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one flag for each type of JSON")]
pub(super) struct Kinds {
    pub(super) text: bool,
    pub(super) number: bool,
    pub(super) boolean: bool,
    pub(super) container: bool,
}

impl Kinds {
    pub(super) const fn only_boolean(self) -> bool {
        self.boolean && !self.text && !self.number && !self.container
    }

    /// A list or map and nothing else.
    pub(super) const fn structure(self) -> bool {
        self.container && !self.text && !self.number
    }

    pub(super) const fn only_number(self) -> bool {
        self.number && !self.text && !self.container
    }
}

/// The arguments of a tool, in the order of the schema, and whether that was all of them.
pub(super) fn arguments(schema: Option<&Value>) -> (Vec<Argument>, bool) {
    let Some(root) = schema else { return (Vec::new(), true) };
    let mut walk = Walk { root, steps: 0, cut: false, found: Vec::new() };
    walk.members(root, &Place::default());
    (walk.found, !walk.cut)
}

#[derive(Clone, Debug, Default)]
struct Place {
    pattern: String,
    tokens: Vec<String>,
    own: usize,
    remark: String,
    depth: usize,
}

struct Walk<'a> {
    root: &'a Value,
    steps: usize,
    cut: bool,
    found: Vec<Argument>,
}

impl<'a> Walk<'a> {
    /// The members that an object's schema names, through references and alternatives.
    fn members(&mut self, schema: &'a Value, at: &Place) -> bool {
        let mut any = false;
        for schema in self.alternatives(schema) {
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, inner) in properties.into_iter().flatten() {
                any = true;
                self.member(name, inner, at);
            }
            for open in ["additionalProperties", "patternProperties"] {
                let Some(inner) = schema.get(open).and_then(Value::as_object).filter(|o| !o.is_empty())
                else {
                    continue;
                };
                any = true;
                if open == "patternProperties" {
                    inner.values().for_each(|inner| self.any_member(inner, at));
                } else if let Some(inner) = schema.get(open) {
                    self.any_member(inner, at);
                }
            }
        }
        any
    }

    fn member(&mut self, name: &str, schema: &'a Value, at: &Place) {
        let own = text::tokens(name);
        let mut place = Place {
            pattern: format!("{}/{}", at.pattern, name.replace('~', "~0").replace('/', "~1")),
            own: own.len(),
            tokens: at.tokens.clone(),
            remark: String::new(),
            depth: at.depth + 1,
        };
        place.tokens.extend(own);
        self.value(schema, &place);
    }

    /// Members of any name are called after what they lie in.
    fn any_member(&mut self, schema: &'a Value, at: &Place) {
        let place = Place { pattern: format!("{}/*", at.pattern), depth: at.depth + 1, ..at.clone() };
        self.value(schema, &place);
    }

    fn value(&mut self, schema: &'a Value, at: &Place) {
        if at.depth > MAX_DEPTH || self.steps >= MAX_STEPS || self.found.len() >= MAX_ARGUMENTS {
            self.cut = true;
            return;
        }
        let mut at = at.clone();
        if let Some(remark) = remark(schema) {
            at.remark = remark;
        }
        let alternatives = self.alternatives(schema);
        let mut leaf = Argument {
            pattern: at.pattern.clone(),
            tokens: at.tokens.clone(),
            own: at.own,
            remark: at.remark.clone(),
            ..Argument::default()
        };
        let (mut lists, mut objects, mut leaves) = (Vec::new(), Vec::new(), false);
        for schema in alternatives {
            if leaf.remark.is_empty() {
                leaf.remark = remark(schema).unwrap_or_default();
            }
            let kinds = kinds(schema);
            leaf.listed |= schema.get("enum").is_some_and(Value::is_array)
                || schema.get("const").is_some_and(Value::is_string);
            leaf.format =
                schema.get("format").and_then(Value::as_str).map_or(leaf.format, |f| text::lower(f, 32));
            let (list, object) = (is_list(schema), is_object(schema));
            if list {
                lists.push(schema);
            }
            if object {
                objects.push(schema);
            }
            leaf.kinds.text |= kinds.text;
            leaf.kinds.number |= kinds.number;
            leaf.kinds.boolean |= kinds.boolean;
            leaves |= kinds.text || kinds.number || kinds.boolean || !(list || object || is_wrapper(schema));
        }
        at.remark.clone_from(&leaf.remark);
        let free_list = lists.iter().fold(false, |free, schema| !self.elements(schema, &at) | free);
        let free_object = objects.iter().fold(false, |free, schema| !self.object(schema, &at) | free);
        if leaves || free_list || free_object {
            leaf.kinds.container = free_list || free_object;
            self.keep(leaf);
        }
    }

    /// Whether the elements' schema said what they are.
    fn elements(&mut self, schema: &'a Value, at: &Place) -> bool {
        let at = Place { pattern: format!("{}/*", at.pattern), depth: at.depth + 1, ..at.clone() };
        let mut any = false;
        for key in ["items", "prefixItems", "contains"] {
            match schema.get(key) {
                Some(Value::Array(several)) => {
                    any |= !several.is_empty();
                    several.iter().for_each(|one| self.value(one, &at));
                }
                Some(one @ Value::Object(_)) => {
                    any = true;
                    self.value(one, &at);
                }
                _ => {}
            }
        }
        if !any {
            let kinds = Kinds { container: true, ..Kinds::default() };
            self.keep(Argument {
                pattern: at.pattern,
                tokens: at.tokens,
                own: at.own,
                remark: at.remark,
                kinds,
                ..Argument::default()
            });
        }
        true
    }

    /// Whether the object's schema said what its members are; where not, its description may name some.
    fn object(&mut self, schema: &'a Value, at: &Place) -> bool {
        if self.members(schema, at) {
            return true;
        }
        let quoted: Vec<String> = quoted_names(&at.remark).map(str::to_owned).collect();
        for name in quoted {
            let mut tokens = at.tokens.clone();
            let own = text::tokens(&name);
            let count = own.len();
            tokens.extend(own);
            self.keep(Argument {
                pattern: format!("{}/{name}", at.pattern),
                tokens,
                own: count,
                ..Argument::default()
            });
        }
        false
    }

    fn keep(&mut self, argument: Argument) {
        if argument.pattern.is_empty() {
            return;
        }
        if self.found.len() >= MAX_ARGUMENTS {
            self.cut = true;
            return;
        }
        self.found.push(argument);
    }

    /// A schema with everything that it refers to or is made of, each once.
    fn alternatives(&mut self, schema: &'a Value) -> Vec<&'a Value> {
        let mut open = vec![(schema, 0)];
        let mut all: Vec<&Value> = Vec::new();
        while let Some((schema, references)) = open.pop() {
            self.steps += 1;
            if self.steps > MAX_STEPS || all.len() > 64 {
                self.cut = true;
                break;
            }
            all.push(schema);
            if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
                match to.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                    Some(_) if references >= MAX_REFERENCES => self.cut = true,
                    Some(target) if !all.iter().any(|known| std::ptr::eq(*known, target)) => {
                        open.push((target, references + 1));
                    }
                    Some(_) => {}
                    None => self.cut = true,
                }
            }
            for key in ["anyOf", "oneOf", "allOf"] {
                let several = schema.get(key).and_then(Value::as_array);
                open.extend(several.into_iter().flatten().rev().map(|one| (one, references)));
            }
            for key in ["then", "else"] {
                open.extend(schema.get(key).filter(|s| s.is_object()).map(|one| (one, references)));
            }
        }
        all
    }
}

fn remark(schema: &Value) -> Option<String> {
    let text = schema.get("description").and_then(Value::as_str)?;
    Some(text::lower(text, text::MAX_REMARK))
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let types = schema.get("type");
    let one = types.and_then(Value::as_str);
    let several = types.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(several)
}

fn kinds(schema: &Value) -> Kinds {
    let mut kinds = Kinds::default();
    for kind in types(schema) {
        match kind {
            "string" => kinds.text = true,
            "integer" | "number" => kinds.number = true,
            "boolean" => kinds.boolean = true,
            _ => {}
        }
    }
    kinds
}

fn has(schema: &Value, keys: &[&str]) -> bool {
    schema
        .as_object()
        .is_some_and(|object: &Map<String, Value>| keys.iter().any(|key| object.contains_key(*key)))
}

fn is_list(schema: &Value) -> bool {
    types(schema).any(|kind| kind == "array") || has(schema, &["items", "prefixItems"])
}

fn is_object(schema: &Value) -> bool {
    types(schema).any(|kind| kind == "object") || has(schema, &["properties", "patternProperties"])
}

/// Schemas that say nothing of their own: nothing, `null`, or only what they are made of.
fn is_wrapper(schema: &Value) -> bool {
    has(schema, &["$ref", "anyOf", "oneOf", "allOf", "then", "else"])
        || types(schema).any(|kind| kind == "null")
}

/// Words in a description that stand in quotes and look like members' names.
fn quoted_names(remark: &str) -> impl Iterator<Item = &str> {
    let named = |part: &&str| {
        part.len() <= 40
            && part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !matches!(*part, "null" | "true" | "false" | "none")
    };
    let mut seen: Vec<&str> = Vec::new();
    for mark in ['"', '`', '\''] {
        for part in remark.split(mark).skip(1).step_by(2).filter(named) {
            if !seen.contains(&part) && seen.len() < 24 {
                seen.push(part);
            }
        }
    }
    seen.into_iter()
}
