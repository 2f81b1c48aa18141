//! Which keyword becomes which check.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::compile::{Compiler, MOST_PATTERNS, Place, join};
use super::pattern::ecma;
use super::{Bound, Check, Count, Id, SchemaFault, Type};
use crate::policy::fault::distance;

/// Keywords that are read together with others, or that check nothing.
const NOTES: [&str; 30] = [
    "$schema",
    "$id",
    "id",
    "$anchor",
    "$dynamicAnchor",
    "$recursiveAnchor",
    "$comment",
    "$vocabulary",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "additionalItems",
    "then",
    "else",
    "minContains",
    "maxContains",
    "patternProperties",
    "additionalProperties",
    "nullable",
];

/// Keywords that check something.
const CHECKING: [&str; 34] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "items",
    "prefixItems",
    "contains",
    "required",
    "minProperties",
    "maxProperties",
    "properties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "$ref",
    "$dynamicRef",
    "unevaluatedItems",
    "unevaluatedProperties",
];

type Checks = Result<Vec<Check>, SchemaFault>;

/// How a list of schemas becomes one check.
type Combine = fn(Vec<Id>) -> Check;

impl Compiler<'_> {
    /// The checks of one schema.
    pub(super) fn checks(&mut self, members: &Map<String, Value>, place: &Place<'_>) -> Checks {
        for container in ["$defs", "definitions"] {
            if let Some(Value::Object(schemas)) = members.get(container) {
                for name in schemas.keys() {
                    self.below(place, &[container, name])?;
                }
            }
        }
        let mut checks = Vec::new();
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(target) = members.get(keyword) {
                let target = target.as_str().ok_or_else(|| malformed(place, keyword, "a reference"))?;
                self.refer(place, checks.len(), keyword, target);
                checks.push(Check::Never);
                if self.lone_references {
                    return Ok(checks);
                }
            }
        }
        self.of_values(members, place, &mut checks)?;
        self.of_arrays(members, place, &mut checks)?;
        self.of_objects(members, place, &mut checks)?;
        self.of_schemas(members, place, &mut checks)?;
        // These ask what the others looked at.
        if members.contains_key("unevaluatedItems") {
            checks.push(Check::UnevaluatedItems(self.below(place, &["unevaluatedItems"])?));
            self.document.tracks = true;
        }
        if members.contains_key("unevaluatedProperties") {
            checks.push(Check::UnevaluatedProperties(self.below(place, &["unevaluatedProperties"])?));
            self.document.tracks = true;
        }
        self.remark(members, place);
        Ok(checks)
    }

    fn of_values(
        &mut self,
        members: &Map<String, Value>,
        place: &Place<'_>,
        checks: &mut Vec<Check>,
    ) -> Result<(), SchemaFault> {
        if let Some(written) = members.get("type") {
            checks.push(Check::Types(types(written, place)?));
        }
        if let Some(written) = members.get("enum") {
            let values = written.as_array().ok_or_else(|| malformed(place, "enum", "a list of values"))?;
            checks.push(Check::Enum(values.clone()));
        }
        if let Some(value) = members.get("const") {
            checks.push(Check::Const(value.clone()));
        }
        bounds(members, place, checks)?;
        for count in [
            Count::MinLength,
            Count::MaxLength,
            Count::MinItems,
            Count::MaxItems,
            Count::MinProperties,
            Count::MaxProperties,
        ] {
            if let Some(written) = members.get(count.keyword()) {
                checks.push(Check::Count(count, whole(written, place, count.keyword())?));
            }
        }
        if let Some(written) = members.get("pattern") {
            let pattern = written.as_str().ok_or_else(|| malformed(place, "pattern", "a text"))?;
            checks.push(Check::Pattern(self.pattern(pattern, place, &["pattern"])?));
        }
        Ok(())
    }

    fn of_arrays(
        &mut self,
        members: &Map<String, Value>,
        place: &Place<'_>,
        checks: &mut Vec<Check>,
    ) -> Result<(), SchemaFault> {
        match members.get("uniqueItems") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => checks.push(Check::UniqueItems),
            Some(_) => return Err(malformed(place, "uniqueItems", "`true` or `false`")),
        }
        let listed = |keyword: &str| members.get(keyword).and_then(Value::as_array).map(Vec::len);
        // Until 2020 a list of schemas stood in `items`, and what is for the rest in `additionalItems`.
        let (before, rest) = match (listed("prefixItems"), listed("items")) {
            (None, Some(count)) => (Some(("items", count)), "additionalItems"),
            (prefix, _) => (prefix.map(|count| ("prefixItems", count)), "items"),
        };
        if before.is_none() && members.contains_key("prefixItems") {
            return Err(malformed(place, "prefixItems", "a list of schemas"));
        }
        let mut prefix = Vec::new();
        for number in 0..before.map_or(0, |(_, count)| count) {
            prefix
                .push(self.below(place, &[before.map_or("", |(keyword, _)| keyword), &number.to_string()])?);
        }
        let keyword = if rest == "items" { "items" } else { "additionalItems" };
        let rest = if members.contains_key(rest) { Some(self.below(place, &[rest])?) } else { None };
        if !prefix.is_empty() || rest.is_some() {
            checks.push(Check::Items { prefix, rest, keyword });
        }
        if members.contains_key("contains") {
            let count =
                |keyword| members.get(keyword).map(|written| whole(written, place, keyword)).transpose();
            let (least, most) = (count("minContains")?.unwrap_or(1), count("maxContains")?);
            let node = self.below(place, &["contains"])?;
            checks.push(Check::Contains { node, least, most });
        }
        Ok(())
    }

    fn of_objects(
        &mut self,
        members: &Map<String, Value>,
        place: &Place<'_>,
        checks: &mut Vec<Check>,
    ) -> Result<(), SchemaFault> {
        if let Some(written) = members.get("required") {
            checks.push(Check::Required(names(written, place, "required")?));
        }
        let named = self.named_schemas(members, place, "properties")?;
        let mut patterns = Vec::new();
        if let Some(written) = members.get("patternProperties") {
            let written = written
                .as_object()
                .ok_or_else(|| malformed(place, "patternProperties", "schemas by pattern"))?;
            for pattern in written.keys() {
                let steps = ["patternProperties", pattern.as_str()];
                patterns.push((self.pattern(pattern, place, &steps)?, self.below(place, &steps)?));
            }
        }
        let rest = members.contains_key("additionalProperties");
        let rest = if rest { Some(self.below(place, &["additionalProperties"])?) } else { None };
        if !named.is_empty() || !patterns.is_empty() || rest.is_some() {
            checks.push(Check::Properties { named, patterns, rest });
        }
        if members.contains_key("propertyNames") {
            checks.push(Check::PropertyNames(self.below(place, &["propertyNames"])?));
        }
        self.dependent(members, place, checks)
    }

    fn dependent(
        &mut self,
        members: &Map<String, Value>,
        place: &Place<'_>,
        checks: &mut Vec<Check>,
    ) -> Result<(), SchemaFault> {
        let mut needed = BTreeMap::new();
        let mut schemas = self.named_schemas(members, place, "dependentSchemas")?;
        for keyword in ["dependentRequired", "dependencies"] {
            let Some(written) = members.get(keyword) else { continue };
            let written = written.as_object().ok_or_else(|| malformed(place, keyword, "an object"))?;
            for (name, value) in written {
                if value.is_array() || keyword == "dependentRequired" {
                    needed.insert(name.clone(), names(value, place, keyword)?);
                } else {
                    schemas.insert(name.clone(), self.below(place, &[keyword, name])?);
                }
            }
        }
        if !needed.is_empty() {
            checks.push(Check::DependentRequired(needed));
        }
        if !schemas.is_empty() {
            checks.push(Check::DependentSchemas(schemas));
        }
        Ok(())
    }

    fn of_schemas(
        &mut self,
        members: &Map<String, Value>,
        place: &Place<'_>,
        checks: &mut Vec<Check>,
    ) -> Result<(), SchemaFault> {
        let combined: [(&str, Combine); 3] =
            [("allOf", Check::AllOf), ("anyOf", Check::AnyOf), ("oneOf", Check::OneOf)];
        for (keyword, check) in combined {
            let Some(written) = members.get(keyword) else { continue };
            let count = written.as_array().map(Vec::len).filter(|count| *count > 0);
            let count = count.ok_or_else(|| malformed(place, keyword, "a list of schemas"))?;
            let nodes: Result<Vec<Id>, SchemaFault> =
                (0..count).map(|number| self.below(place, &[keyword, &number.to_string()])).collect();
            checks.push(check(nodes?));
        }
        if members.contains_key("not") {
            checks.push(Check::Not(self.below(place, &["not"])?));
        }
        // Something may refer to the branches without a condition.
        let mut branch = |keyword: &str| {
            if members.contains_key(keyword) { self.below(place, &[keyword]).map(Some) } else { Ok(None) }
        };
        if let (Some(condition), yes, no) = (branch("if")?, branch("then")?, branch("else")?) {
            checks.push(Check::If { condition, yes, no });
        }
        Ok(())
    }

    fn named_schemas(
        &mut self,
        members: &Map<String, Value>,
        place: &Place<'_>,
        keyword: &str,
    ) -> Result<BTreeMap<String, Id>, SchemaFault> {
        let Some(written) = members.get(keyword) else { return Ok(BTreeMap::new()) };
        let written = written.as_object().ok_or_else(|| malformed(place, keyword, "schemas by name"))?;
        written.keys().map(|name| Ok((name.clone(), self.below(place, &[keyword, name])?))).collect()
    }

    fn pattern(
        &mut self,
        pattern: &str,
        place: &Place<'_>,
        steps: &[&str],
    ) -> Result<regex::Regex, SchemaFault> {
        self.patterns += 1;
        if self.patterns > MOST_PATTERNS {
            let message = format!("the schema has more than {MOST_PATTERNS} patterns");
            return Err(SchemaFault::new(
                join(place.pointer, steps),
                message,
                "check fewer texts by pattern",
            ));
        }
        ecma(pattern).map_err(|why| {
            let hint = "patterns are searched in linear time: no look-around, no back-references, bounded repetition";
            SchemaFault::new(join(place.pointer, steps), format!("this pattern cannot be used: {why}"), hint)
        })
    }

    fn remark(&mut self, members: &Map<String, Value>, place: &Place<'_>) {
        let known = |word: &str| {
            NOTES.contains(&word)
                || CHECKING.contains(&word)
                || word == "$recursiveRef"
                || word.starts_with("x-")
        };
        for word in members.keys().filter(|word| !known(word)) {
            let near = CHECKING.iter().chain(&NOTES).find(|known| distance(word, known) <= 2);
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "notes of your own begin with `x-`".into(),
            };
            let message = format!("no draft of JSON Schema knows `{word}`, so it checks nothing");
            self.document.remarks.push(SchemaFault::new(join(place.pointer, &[word]), message, hint));
        }
    }
}

fn malformed(place: &Place<'_>, keyword: &str, wanted: &str) -> SchemaFault {
    SchemaFault::new(
        join(place.pointer, &[keyword]),
        format!("`{keyword}` is not {wanted}"),
        format!("write {wanted}"),
    )
}

fn types(written: &Value, place: &Place<'_>) -> Result<Vec<Type>, SchemaFault> {
    let listed = match written {
        Value::Array(words) => words.as_slice(),
        one => std::slice::from_ref(one),
    };
    let types: Option<Vec<Type>> = listed.iter().map(|word| Type::named(word.as_str()?)).collect();
    let words = Type::ALL.map(Type::word).join(", ");
    types
        .filter(|types| !types.is_empty())
        .ok_or_else(|| malformed(place, "type", &format!("one or some of {words}")))
}

/// Bounds of numbers; in draft 4 `exclusiveMinimum: true` makes `minimum` exclusive.
fn bounds(
    members: &Map<String, Value>,
    place: &Place<'_>,
    checks: &mut Vec<Check>,
) -> Result<(), SchemaFault> {
    let number = |keyword: &str| -> Result<Option<Number>, SchemaFault> {
        let Some(written) = members.get(keyword) else { return Ok(None) };
        written.as_number().cloned().map(Some).ok_or_else(|| malformed(place, keyword, "a number"))
    };
    let sides = [(Bound::Minimum, Bound::ExclusiveMinimum), (Bound::Maximum, Bound::ExclusiveMaximum)];
    for (plain, exclusive) in sides {
        let flag = members.get(exclusive.keyword()).and_then(Value::as_bool);
        if let Some(bound) = number(plain.keyword())? {
            checks.push(Check::Bound(if flag == Some(true) { exclusive } else { plain }, bound));
        }
        if flag.is_none()
            && let Some(bound) = number(exclusive.keyword())?
        {
            checks.push(Check::Bound(exclusive, bound));
        }
    }
    if let Some(divisor) = number("multipleOf")? {
        if divisor.as_f64().is_none_or(|divisor| divisor <= 0.0) {
            return Err(malformed(place, "multipleOf", "a number above zero"));
        }
        checks.push(Check::MultipleOf(divisor));
    }
    Ok(())
}

/// A count; `5.0` is one too.
fn whole(written: &Value, place: &Place<'_>, keyword: &str) -> Result<u64, SchemaFault> {
    let whole = written.as_u64().or_else(|| {
        let double = written
            .as_f64()
            .filter(|double| (0.0..4_294_967_296.0).contains(double) && double.fract() == 0.0)?;
        format!("{double:.0}").parse().ok()
    });
    whole.ok_or_else(|| malformed(place, keyword, "a whole number at or above zero"))
}

fn names(written: &Value, place: &Place<'_>, keyword: &str) -> Result<Vec<String>, SchemaFault> {
    let names = written
        .as_array()
        .and_then(|list| list.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    names.ok_or_else(|| malformed(place, keyword, "a list of names"))
}
