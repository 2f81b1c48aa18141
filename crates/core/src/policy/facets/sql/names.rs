//! How tables and functions are called: lower-case, unquoted, with their schema and without it.

use std::collections::BTreeSet;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

/// The names by which a rule may mean it: as written (`shop.public.users`), and without each part that stands before
/// the last (`public.users`, `users`).
///
/// `None` where databases fold names differently: a part that is not ASCII, is empty or holds a dot.
pub(super) fn names(name: &ObjectName) -> Option<BTreeSet<String>> {
    let parts: Vec<String> = name.0.iter().map(part).collect::<Option<_>>()?;
    Some((0..parts.len()).filter_map(|from| Some(parts.get(from..)?.join("."))).collect())
}

/// The one part of a name that has no schema.
pub(super) fn bare(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(one)] => Some(one),
        _ => None,
    }
}

/// Whether every database takes the two for one name: letter by letter, both quoted or neither.
pub(super) fn is_same(one: &Ident, other: &Ident) -> bool {
    one.value == other.value && one.quote_style.is_some() == other.quote_style.is_some()
}

/// Whether some database takes the two for one name.
pub(super) fn may_be_same(one: &Ident, other: &Ident) -> bool {
    one.value.to_lowercase() == other.value.to_lowercase()
}

fn part(part: &ObjectNamePart) -> Option<String> {
    let ObjectNamePart::Identifier(ident) = part else { return None };
    let plain = !ident.value.is_empty()
        && ident.value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'-' | b' '));
    plain.then(|| ident.value.to_ascii_lowercase())
}
