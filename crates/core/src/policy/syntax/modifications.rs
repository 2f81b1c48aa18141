//! What a MODIFY rule changes, in the spellings of the specification's pages.
//!
//! | written | edit |
//! |---|---|
//! | `parameters: {limit: 100}`, `parameters.limit: 100` | set |
//! | `{max: N}` | cap |
//! | `{redact: true}`, `{redact: EXPRESSION}`, `redact: [parameters.body]` | redact all of it, or what matches |
//! | `{remove: true}`, `remove: [parameters.cc]` | remove |
//! | `{restrict: {under: [PREFIX]}}`, `{restrict: [VALUE]}` | let only these through |
//! | `{append: VALUE}` | append to a list |
//! | `add_filter: {NAME: VALUE}` | set; a tool without such an argument cannot carry it out |

use super::fields::{Field, Fields};
use super::operators::{expression, folders};
use crate::edits::{Edit, Edits, Place};
use crate::policy::fault::{Faults, shown};
use crate::policy::yaml::{Kind, Node};

/// Blocks of arguments and values.
pub(super) const SETTING: [&str; 4] = ["parameters", "params", "arguments", "add_filter"];
/// Lists of arguments.
pub(super) const LISTS: [&str; 2] = ["redact", "remove"];

/// Reads `modifications`.
pub(super) fn edits(field: Field<'_>, faults: &mut Faults) -> Option<Edits> {
    let before = faults.count();
    let mut edits = Edits::default();
    match &field.node.kind {
        Kind::List(items) => {
            for item in items {
                take(Field { key: field.key, node: item }, &mut edits, faults);
            }
        }
        _ => take(field, &mut edits, faults),
    }
    if edits.is_empty() && faults.count() == before {
        faults.add_with_hint(field.at(), "nothing is modified", "write `parameters: {NAME: VALUE}`");
    }
    Some(edits)
}

fn take(block: Field<'_>, edits: &mut Edits, faults: &mut Faults) {
    for (key, node) in block.map(faults).unwrap_or_default() {
        let field = Field { key, node };
        let dotted = SETTING.iter().find_map(|space| key.text.strip_prefix(space)?.strip_prefix('.'));
        match (key.text.as_str(), dotted) {
            (space, _) if SETTING.contains(&space) => {
                let entries = field.map(faults).unwrap_or_default();
                if entries.is_empty() {
                    faults.add(field.at(), "nothing is modified");
                }
                for (key, node) in entries {
                    let field = Field { key, node };
                    let edit = edit(field, faults);
                    add(edits, &key.text, edit, field, faults);
                }
            }
            (list, _) if LISTS.contains(&list) => {
                for (name, _) in field.texts(faults).unwrap_or_default() {
                    let edit = if list == "redact" { Edit::Redact(None) } else { Edit::Remove };
                    add(edits, name, Some(edit), field, faults);
                }
            }
            (_, Some(name)) => {
                let edit = edit(field, faults);
                add(edits, name, edit, field, faults);
            }
            (other, None) => {
                let known: Vec<&str> = SETTING.into_iter().chain(LISTS).collect();
                let message = format!("unknown key {} in `modifications`", shown(other));
                faults.add_with_hint(key.at, message, crate::policy::fault::suggest(other, &known));
            }
        }
    }
}

/// Adds an edit of an argument. What is no argument (`result.text`) cannot be edited before the call, which is said
/// when it is tried: the action is refused.
fn add(edits: &mut Edits, name: &str, edit: Option<Edit>, field: Field<'_>, faults: &mut Faults) {
    let Some(mut edit) = edit else { return };
    let argument =
        SETTING.iter().find_map(|space| name.strip_prefix(space)?.strip_prefix('.')).unwrap_or(name);
    if ["result.", "output.", "trace."].iter().any(|space| name.starts_with(space)) {
        edit = Edit::Foreign;
    }
    let Some(place) = Place::parse(argument) else {
        faults.add(field.at(), format!("{} has an empty part", shown(name)));
        return;
    };
    if let Err(conflict) = edits.add(place, edit) {
        faults.add(
            field.key.at,
            format!("{} lies inside or around {}", shown(argument), shown(&conflict.place)),
        );
    }
}

fn edit(field: Field<'_>, faults: &mut Faults) -> Option<Edit> {
    let Kind::Map(entries) = &field.node.kind else { return Some(Edit::Set(field.node.to_json())) };
    let [(key, node)] = entries.as_slice() else { return Some(Edit::Set(field.node.to_json())) };
    let inner = Field { key, node };
    match (key.text.as_str(), &node.kind) {
        ("max", Kind::Number(n)) => Some(Edit::Cap(n.clone())),
        ("max", _) => inner.expected("a number", faults),
        ("set", _) => Some(Edit::Set(node.to_json())),
        ("redact", Kind::Bool(true)) => Some(Edit::Redact(None)),
        ("redact", Kind::Text(text)) => {
            expression(inner, faults)?;
            Some(Edit::Redact(Some(text.clone())))
        }
        ("redact", _) => inner.expected("true or an expression", faults),
        ("remove", Kind::Bool(true)) => Some(Edit::Remove),
        ("remove", _) => inner.expected("true", faults),
        ("append", _) => Some(Edit::Append(node.to_json())),
        ("restrict", Kind::Map(_)) => {
            let fields = Fields::open(node, "`restrict`", &["under"], faults)?;
            Some(Edit::RestrictUnder(folders(fields.get("under")?, faults)?))
        }
        ("restrict", Kind::List(items)) => Some(Edit::RestrictTo(items.iter().map(Node::to_json).collect())),
        ("restrict", _) => inner.expected("`{under: [PREFIX]}` or a list of values", faults),
        _ => Some(Edit::Set(field.node.to_json())),
    }
}
