//! Outputs for people's eyes that have structure all the same: columns, and blocks of `name: value`.
//!
//! Only what fits throughout is read so; one line that does not, and the text stays a text. Each row keeps its
//! line, so that what is said across its cells is not lost.

use serde_json::{Map, Value};

/// A name of a column or of a member is at most this long.
const MAX_KEY: usize = 40;
/// A line that begins with an id and says what goes by it is at most this long.
const MAX_LINE: usize = 120;
/// Lines that are looked at before it is settled that there is a table.
const MAX_ROWS: usize = 4096;

/// The rows of a table or the blocks of a text; `None` where it is neither.
pub(super) fn read(text: &str) -> Option<Value> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    if lines.len() < 2 || lines.len() > MAX_ROWS {
        return None;
    }
    let filled: Vec<&str> = lines.iter().copied().filter(|line| !line.trim().is_empty()).collect();
    columns(&filled, barred)
        .or_else(|| columns(&filled, spaced))
        .or_else(|| columns(&filled, |line| tabbed(line, '\t')))
        .or_else(|| columns(&filled, |line| tabbed(line, ',')))
        .or_else(|| blocks(&lines))
}

/// A heading and rows of as many cells each. Rules between them and a count behind them are left aside.
fn columns(lines: &[&str], cells: impl Fn(&str) -> Vec<String>) -> Option<Value> {
    let (heading, rows) = lines.split_first()?;
    let names = cells(heading);
    let named = names.len() >= 2 && names.iter().all(|name| is_key(name));
    if !named {
        return None;
    }
    let mut found = Vec::new();
    for line in rows {
        let rule = line.chars().all(|c| "-+|=: ".contains(c));
        let count = line.starts_with('(') && line.ends_with(')') && line.contains("row");
        if rule || count {
            continue;
        }
        let values = cells(line);
        if values.len() != names.len() {
            return None;
        }
        let mut row: Map<String, Value> =
            names.iter().zip(values).map(|(name, value)| (key(name), Value::from(value))).collect();
        row.insert("line".into(), Value::from(line.trim()));
        found.push(Value::Object(row));
    }
    (!found.is_empty()).then_some(Value::Array(found))
}

/// `| a | b |`
fn barred(line: &str) -> Vec<String> {
    if !line.contains('|') {
        return Vec::new();
    }
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Columns with two blanks or more between them.
fn spaced(line: &str) -> Vec<String> {
    line.trim().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

fn tabbed(line: &str, by: char) -> Vec<String> {
    line.split(by).map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
}

/// One block of three members or more, or several of `name: value`, parted by a blank line, a rule, or the name that they begin with.
fn blocks(lines: &[&str]) -> Option<Value> {
    let mut found: Vec<Map<String, Value>> = Vec::new();
    let mut open: Map<String, Value> = Map::new();
    let mut first: Option<String> = None;
    for line in lines {
        let bare = line.trim().trim_start_matches(['-', '*', '•']).trim_start();
        if bare.is_empty() {
            found.extend((!open.is_empty()).then(|| std::mem::take(&mut open)));
            continue;
        }
        let (name, value) = bare.split_once(':')?;
        if !is_key(name) || !(value.is_empty() || value.starts_with(' ')) {
            return None;
        }
        let name = key(name);
        if first.as_ref() == Some(&name) && !open.is_empty() {
            found.push(std::mem::take(&mut open));
        }
        first.get_or_insert_with(|| name.clone());
        // The same name twice in one block is no block that a service wrote.
        if open.insert(name, Value::from(value.trim())).is_some() {
            return None;
        }
    }
    found.extend((!open.is_empty()).then_some(open));
    let several = found.len() >= 2 || found.first().is_some_and(|one| one.len() >= 3);
    several.then(|| Value::Array(found.into_iter().map(Value::Object).collect()))
}

/// What Python shows of objects, written as maps: `[Event(id='e1', title='Jazz')]`.
pub(super) fn objects(text: &str) -> Option<String> {
    if !text.ends_with([')', ']']) || !text.contains('(') {
        return None;
    }
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let mut opened = 0_usize;
    for c in text.chars() {
        if let Some(open) = quote {
            // In double quotes every escape means the same to both; a single quote inside would end it.
            let closes = c == open && !escaped;
            escaped = c == '\\' && !escaped;
            match c {
                _ if closes => {
                    quote = None;
                    out.push('"');
                }
                '"' if open == '\'' => out.push_str("\\\""),
                '\'' if out.ends_with('\\') => {
                    out.pop();
                    out.push('\'');
                }
                _ => out.push(c),
            }
            continue;
        }
        match c {
            '\'' | '"' => {
                out.push_str(&std::mem::take(&mut word));
                quote = Some(c);
                out.push('"');
            }
            '(' if word.starts_with(char::is_alphabetic) => {
                word.clear();
                opened += 1;
                out.push('{');
            }
            ')' if opened > 0 => {
                out.push_str(&std::mem::take(&mut word));
                opened -= 1;
                out.push('}');
            }
            '=' if !word.is_empty() => {
                out.push_str(&format!("\"{}\": ", std::mem::take(&mut word)));
            }
            _ if c.is_alphanumeric() || "_.-+:".contains(c) => word.push(c),
            '[' | ']' | '{' | '}' | ',' | ' ' | '\n' => {
                out.push_str(&std::mem::take(&mut word));
                out.push(c);
            }
            _ => return None,
        }
    }
    (opened == 0 && quote.is_none() && word.is_empty()).then_some(out)
}

/// `Hotels in Ghent: Leie, Patershol, The Loft`: names on one line under a heading.
pub(super) fn inline(text: &str) -> Option<Vec<String>> {
    if text.contains('\n') || text.len() > 2000 {
        return None;
    }
    let headed = text.len() <= MAX_LINE && super::records::headed(text).is_some();
    if headed || text.contains(" | ") && !text.contains(". ") {
        return Some(vec![text.to_owned()]);
    }
    let (heading, items) = text.split_once(": ")?;
    let items: Vec<&str> = items.trim_end_matches('.').split(',').map(str::trim).collect();
    let name = |item: &&str| {
        item.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit())
            && item.split_whitespace().count() <= 5
            && !item.contains([':', '.', '!', '?'])
    };
    let heading = heading.split_whitespace().count() <= 6 && !heading.contains(['.', '!', '?', ',']);
    (heading && items.len() >= 2 && items.iter().all(name))
        .then(|| items.into_iter().map(str::to_owned).collect())
}

/// What may head a column: a few words, no sentence and no value.
fn is_key(name: &str) -> bool {
    let name = name.trim();
    !name.is_empty()
        && name.chars().count() <= MAX_KEY
        && name.split_whitespace().count() <= 3
        && name.starts_with(char::is_alphabetic)
        && name.chars().all(|c| c.is_alphanumeric() || " _-/().#%".contains(c))
}

/// As fields are called: `STATUS` and `Status` are `status`, `SlotId` is `slotId`.
fn key(name: &str) -> String {
    let name = name.trim();
    if !name.chars().any(char::is_lowercase) {
        return name.to_lowercase();
    }
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn columns_are_rows_with_names() {
        let pods =
            "NAME      READY   STATUS\ncart-1    1/1     Running\nshop-2    0/1     CrashLoopBackOff\n";
        let row = json!({"name": "shop-2", "ready": "0/1", "status": "CrashLoopBackOff", "line": "shop-2    0/1     CrashLoopBackOff"});
        assert_eq!(read(pods).unwrap().get(1), Some(&row));
        let psql = "id | email\n---+------\n7  | a@b.com\n(1 row)";
        assert_eq!(read(psql), Some(json!([{"id": "7", "email": "a@b.com", "line": "7  | a@b.com"}])));
        assert_eq!(read("a,b\n1,2,3"), None);
        assert_eq!(read("NAME  STATUS\ncart\nNote: delete  the  other one"), None);
    }

    #[test]
    fn blocks_are_things() {
        let found = read("id: r-1\nname: Lucca\n---\nid: r-2\nname: Vento: the best").unwrap_or_default();
        assert_eq!(found, json!([{"id": "r-1", "name": "Lucca"}, {"id": "r-2", "name": "Vento: the best"}]));
        let listed =
            read("AppointmentId: A-1\n  Note: late\nAppointmentId: A-2\n  Note: first").unwrap_or_default();
        assert_eq!(listed.get(1), Some(&json!({"appointmentId": "A-2", "note": "first"})));
        assert_eq!(read("Dear Bo: hello.\n\nIt is late and I go: bye"), None);
    }
}
