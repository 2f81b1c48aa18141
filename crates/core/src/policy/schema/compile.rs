//! From the document to nodes, without recursion: nodes wait in a list until their turn comes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use url::Url;

use super::{Check, Document, Id, SchemaFault};

/// How large a schema may be.
const MOST_VALUES: usize = 50_000;
const MOST_BYTES: usize = 1 << 20;
const DEEPEST: usize = 100;
const MOST_NODES: usize = 10_000;
pub(super) const MOST_PATTERNS: usize = 256;

/// How many nodes at most are held against one value inside each other.
const LONGEST_CHAIN: usize = 32;

/// Compiles a whole document.
pub(super) fn compile(schema: &Value) -> Result<Document, SchemaFault> {
    bounded(schema)?;
    let mut compiler = Compiler::of(schema);
    // What has no name of its own is named under a host that cannot be.
    let base = Url::parse("https://schema.invalid/").map_err(|_| outside(""))?;
    compiler.resources.insert(base.to_string(), String::new());
    compiler.node_at(String::new(), Resource { pointer: String::new(), base })?;
    loop {
        while let Some(waiting) = compiler.waiting.pop() {
            compiler.build(&waiting)?;
        }
        // A reference may lead to a place that nothing else leads to, and more of them from there.
        let references = std::mem::take(&mut compiler.references);
        if references.is_empty() {
            break;
        }
        references.iter().try_for_each(|reference| compiler.follow(reference))?;
    }
    let document = compiler.document;
    no_loops(&document.nodes, &compiler.pointers)?;
    Ok(document)
}

pub(super) struct Compiler<'s> {
    root: &'s Value,
    pub(super) document: Document,
    /// Nodes by where they stand.
    places: BTreeMap<String, Id>,
    pointers: Vec<String>,
    waiting: Vec<Waiting>,
    references: Vec<Reference>,
    /// Names of places: `#name`, under the resource that they belong to.
    anchors: BTreeMap<(String, String), String>,
    /// Resources by their whole address.
    resources: BTreeMap<String, String>,
    /// Names that are resolved where a schema is used, and how many schemas bear each; `` for `$recursiveAnchor`.
    dynamic: BTreeMap<String, usize>,
    /// The document's draft leaves out what stands beside a reference.
    pub(super) lone_references: bool,
    pub(super) patterns: usize,
}

/// What a reference is resolved against: the nearest schema with an `$id`, or the root.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pointer: String,
    base: Url,
}

struct Waiting {
    node: Id,
    pointer: String,
    resource: Resource,
}

struct Reference {
    /// The node that is to be the reference, and which of its checks.
    node: Id,
    check: usize,
    target: String,
    /// `$ref`, or one that is resolved where the schema is used.
    keyword: &'static str,
    pointer: String,
    resource: Resource,
}

/// One node while it is built.
pub(super) struct Place<'p> {
    pub(super) pointer: &'p str,
    pub(super) resource: &'p Resource,
}

impl<'s> Compiler<'s> {
    fn of(root: &'s Value) -> Self {
        let draft = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        let lone_references = ["draft-04", "draft-06", "draft-07"].iter().any(|old| draft.contains(old));
        Self {
            root,
            document: Document::default(),
            places: BTreeMap::new(),
            pointers: Vec::new(),
            waiting: Vec::new(),
            references: Vec::new(),
            anchors: BTreeMap::new(),
            resources: BTreeMap::new(),
            dynamic: BTreeMap::new(),
            lone_references,
            patterns: 0,
        }
    }

    /// The node that stands at a pointer, built later.
    fn node_at(&mut self, pointer: String, resource: Resource) -> Result<Id, SchemaFault> {
        if let Some(known) = self.places.get(&pointer) {
            return Ok(*known);
        }
        let node = self.document.nodes.len();
        if node >= MOST_NODES {
            return Err(too_large(&pointer));
        }
        self.document.nodes.push(Vec::new());
        self.pointers.push(pointer.clone());
        self.places.insert(pointer.clone(), node);
        self.waiting.push(Waiting { node, pointer, resource });
        Ok(node)
    }

    /// A schema under this one.
    pub(super) fn below(&mut self, place: &Place<'_>, steps: &[&str]) -> Result<Id, SchemaFault> {
        self.node_at(join(place.pointer, steps), place.resource.clone())
    }

    /// A reference, resolved when all anchors are known.
    pub(super) fn refer(&mut self, place: &Place<'_>, check: usize, keyword: &'static str, target: &str) {
        let node = self.places.get(place.pointer).copied().unwrap_or_default();
        let (pointer, resource) = (place.pointer.to_owned(), place.resource.clone());
        self.references.push(Reference {
            node,
            check,
            keyword,
            target: target.to_owned(),
            pointer,
            resource,
        });
    }

    fn build(&mut self, waiting: &Waiting) -> Result<(), SchemaFault> {
        let root = self.root;
        let Some(schema) = root.pointer(&waiting.pointer) else {
            return Err(SchemaFault::new(
                &waiting.pointer,
                "nothing stands here",
                "references lead to schemas",
            ));
        };
        let checks = match schema {
            Value::Bool(true) => Vec::new(),
            Value::Bool(false) => vec![Check::Never],
            Value::Object(members) => {
                let resource = self.named(members, waiting)?;
                let place = Place { pointer: &waiting.pointer, resource: &resource };
                self.checks(members, &place)?
            }
            _ => {
                let hint = "a schema is an object, `true` or `false`";
                return Err(SchemaFault::new(&waiting.pointer, "this is not a schema", hint));
            }
        };
        if let Some(node) = self.document.nodes.get_mut(waiting.node) {
            *node = checks;
        }
        Ok(())
    }

    /// Takes up the names of a schema; the resource that its references are resolved against.
    fn named(&mut self, members: &Map<String, Value>, waiting: &Waiting) -> Result<Resource, SchemaFault> {
        let mut resource = waiting.resource.clone();
        let lone = self.lone_references && members.contains_key("$ref");
        let id = members.get("$id").or_else(|| members.get("id")).and_then(Value::as_str).filter(|_| !lone);
        if let Some(id) = id {
            let mut address = resource.base.join(id).map_err(|_| {
                SchemaFault::new(&waiting.pointer, "this `$id` is no address", "write a URI, or leave it out")
            })?;
            let fragment = address.fragment().unwrap_or_default().to_owned();
            address.set_fragment(None);
            if address != resource.base {
                let known = self.resources.insert(address.to_string(), waiting.pointer.clone());
                if known.is_some_and(|known| known != waiting.pointer) {
                    return Err(SchemaFault::new(
                        &waiting.pointer,
                        "another schema has this `$id` too",
                        "ids are unique",
                    ));
                }
                resource = Resource { pointer: waiting.pointer.clone(), base: address };
            }
            // Drafts before 2019 name places like this.
            if !fragment.is_empty() {
                self.anchor(&resource, &fragment, &waiting.pointer)?;
            }
        }
        if let Some(name) = members.get("$dynamicAnchor").and_then(Value::as_str) {
            *self.dynamic.entry(name.to_owned()).or_default() += 1;
        }
        if members.get("$recursiveAnchor") == Some(&Value::Bool(true)) {
            *self.dynamic.entry(String::new()).or_default() += 1;
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = members.get(keyword).and_then(Value::as_str) {
                self.anchor(&resource, name, &waiting.pointer)?;
            }
        }
        Ok(resource)
    }

    fn anchor(&mut self, resource: &Resource, name: &str, pointer: &str) -> Result<(), SchemaFault> {
        let known = self.anchors.insert((resource.pointer.clone(), name.to_owned()), pointer.to_owned());
        if known.is_some_and(|known| known != pointer) {
            return Err(SchemaFault::new(
                pointer,
                "another schema has this anchor too",
                "anchors are unique",
            ));
        }
        Ok(())
    }

    fn follow(&mut self, reference: &Reference) -> Result<(), SchemaFault> {
        let lost = || outside(&reference.pointer);
        let mut address = reference.resource.base.join(&reference.target).map_err(|_| lost())?;
        let fragment = decoded(address.fragment().unwrap_or_default()).ok_or_else(lost)?;
        address.set_fragment(None);
        let resource = if address == reference.resource.base {
            reference.resource.pointer.clone()
        } else {
            self.resources.get(address.as_str()).cloned().ok_or_else(lost)?
        };
        let name = if fragment.starts_with('/') { "" } else { fragment.as_str() };
        if reference.keyword != "$ref" && self.dynamic.get(name).is_some_and(|bearers| *bearers > 1) {
            let hint = "write `$ref`, or let one schema bear the name";
            return Err(SchemaFault::new(
                &reference.pointer,
                "this reference would lead to a different schema at each use",
                hint,
            ));
        }
        let pointer = match name {
            "" => format!("{resource}{fragment}"),
            name => self.anchors.get(&(resource.clone(), name.to_owned())).cloned().ok_or_else(lost)?,
        };
        if self.root.pointer(&pointer).is_none() {
            return Err(lost());
        }
        let target = self.node_at(pointer, Resource { pointer: resource, base: address })?;
        let check =
            self.document.nodes.get_mut(reference.node).and_then(|node| node.get_mut(reference.check));
        if let Some(check) = check {
            *check = Check::Ref(target);
        }
        Ok(())
    }
}

fn outside(pointer: &str) -> SchemaFault {
    let hint = "a schema refers to itself: `#/$defs/NAME`; copy what stands elsewhere";
    SchemaFault::new(pointer, "this reference leads nowhere in the document", hint)
}

/// Refuses what nobody writes by hand and no tool needs.
fn bounded(schema: &Value) -> Result<(), SchemaFault> {
    let (mut values, mut bytes) = (0, 0);
    let mut left = vec![(schema, 0_usize)];
    while let Some((value, depth)) = left.pop() {
        values += 1;
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Array(items) => left.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => {
                bytes += members.keys().map(String::len).sum::<usize>();
                left.extend(members.values().map(|member| (member, depth + 1)));
            }
            _ => {}
        }
        if values > MOST_VALUES || bytes > MOST_BYTES || depth > DEEPEST || left.len() > MOST_VALUES {
            return Err(too_large(""));
        }
    }
    Ok(())
}

fn too_large(pointer: &str) -> SchemaFault {
    let message = format!(
        "the schema is too large: at most {MOST_VALUES} values, {MOST_BYTES} bytes of text, {DEEPEST} levels and {MOST_NODES} schemas"
    );
    SchemaFault::new(pointer, message, "check fewer things, or ask the tool's author for a smaller schema")
}

/// A schema that asks itself about the same value would never answer, and a long chain of schemas costs stack.
fn no_loops(nodes: &[Vec<Check>], pointers: &[String]) -> Result<(), SchemaFault> {
    let mut heights: Vec<Option<usize>> = vec![None; nodes.len()];
    for start in 0..nodes.len() {
        // Depth-first without recursion: a node is finished when all below it are.
        let (mut path, mut open) = (vec![start], BTreeSet::from([start]));
        while let Some(&node) = path.last() {
            let below: Vec<Id> = nodes.get(node).into_iter().flatten().flat_map(Check::in_place).collect();
            let next = below.iter().find(|id| heights.get(**id).is_some_and(Option::is_none));
            if let Some(&next) = next {
                if !open.insert(next) {
                    let pointer = pointers.get(node).cloned().unwrap_or_default();
                    let hint = "a loop has to go through `properties` or `items`";
                    return Err(SchemaFault::new(
                        pointer,
                        "this schema asks itself about the same value",
                        hint,
                    ));
                }
                path.push(next);
                continue;
            }
            let height =
                below.iter().filter_map(|id| heights.get(*id).copied().flatten()).max().map_or(0, |h| h + 1);
            if height > LONGEST_CHAIN {
                let pointer = pointers.get(node).cloned().unwrap_or_default();
                let message = format!("more than {LONGEST_CHAIN} schemas ask each other about one value");
                return Err(SchemaFault::new(pointer, message, "write out what is referred to"));
            }
            if let Some(slot) = heights.get_mut(node) {
                *slot = Some(height);
            }
            open.remove(&node);
            path.pop();
        }
    }
    Ok(())
}

/// Adds parts to a JSON pointer.
pub(super) fn join(pointer: &str, steps: &[&str]) -> String {
    steps.iter().fold(pointer.to_owned(), |pointer, step| {
        format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"))
    })
}

/// A URL's fragment as it is meant.
fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut left = fragment.bytes();
    while let Some(byte) = left.next() {
        if byte == b'%' {
            let mut digit =
                || char::from(left.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit()? * 16 + digit()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
