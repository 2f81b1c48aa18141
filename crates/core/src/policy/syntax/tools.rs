//! The block `tools` of a policy file.

use super::fields::{Field, Fields};
use crate::policy::arguments::{Against, ArgumentCheck};
use crate::policy::fault::Faults;
use crate::policy::rule::ToolPattern;
use crate::policy::schema::ArgumentSchema;
use crate::policy::yaml::Kind;

/// Reads the block.
pub(super) fn read(block: Field<'_>, faults: &mut Faults) -> Vec<ArgumentCheck> {
    let entries = block.map(faults).unwrap_or_default();
    entries.iter().filter_map(|(key, node)| check(Field { key, node }, faults)).collect()
}

fn check(field: Field<'_>, faults: &mut Faults) -> Option<ArgumentCheck> {
    let fields = Fields::open(field.node, "a tool", &["arguments"], faults)?;
    let Some(arguments) = fields.get("arguments") else {
        faults.add_with_hint(
            field.at(),
            "nothing is said of the tool",
            "write `arguments: declared` or a JSON Schema",
        );
        return None;
    };
    let schema = match &arguments.node.kind {
        Kind::Text(text) if text == "declared" => Against::Declared,
        Kind::Map(_) => match ArgumentSchema::compile(&arguments.node.to_json()) {
            Ok(schema) => {
                for remark in schema.remarks() {
                    faults.warn(arguments.at(), remark.to_string());
                }
                Against::Written(schema)
            }
            Err(fault) => {
                faults.add(arguments.at(), format!("not a schema that we take: {fault}"));
                return None;
            }
        },
        _ => return arguments.expected("`declared` or a JSON Schema", faults),
    };
    Some(ArgumentCheck { tools: ToolPattern(field.name().to_owned()), schema })
}
