//! Patterns as JSON Schema writes them (ECMAScript), for the linear-time engine.
//!
//! Where both read a pattern and mean different things, it is rewritten: `\d`, `\w` and `\b` are about ASCII, brackets and
//! doubled signs inside a class are letters. What only backtracking can search is refused by the engine.

use regex::Regex;

use crate::policy::predicate::compile;

/// Compiles a pattern.
///
/// # Errors
/// Why the engine does not take it, in a sentence.
pub(super) fn ecma(pattern: &str) -> Result<Regex, String> {
    let written = translate(pattern);
    compile(&written).map_err(|e| {
        let why = e.to_string();
        why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut letters = pattern.chars().peekable();
    let mut class = false;
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        match (class, letter) {
            (_, '\\') => {
                escape(&mut letters, class, &mut out);
                before = ' ';
                continue;
            }
            (false, '[') => {
                class = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // An empty class is nothing, and its complement anything.
                if letters.next_if_eq(&']').is_some() {
                    class = false;
                    let all = out.ends_with('^');
                    out.truncate(out.len() - usize::from(all) - 1);
                    out.push_str(if all { "[\\s\\S]" } else { "[^\\s\\S]" });
                }
                before = ' ';
                continue;
            }
            (true, ']') => {
                class = false;
                out.push(']');
            }
            (true, '[' | '&' | '~') => {
                out.push('\\');
                out.push(letter);
            }
            (true, '-') if before == '-' => out.push_str("\\-"),
            _ => out.push(letter),
        }
        before = letter;
    }
    out
}

/// What stands after a backslash.
fn escape(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, class: bool, out: &mut String) {
    let Some(letter) = letters.next() else {
        out.push('\\');
        return;
    };
    match (letter, class) {
        ('d', true) => out.push_str("0-9"),
        ('d', false) => out.push_str("[0-9]"),
        ('D', _) => out.push_str("[^0-9]"),
        ('w', true) => out.push_str("A-Za-z0-9_"),
        ('w', false) => out.push_str("[A-Za-z0-9_]"),
        ('W', _) => out.push_str("[^A-Za-z0-9_]"),
        ('s', true) => out.push_str(SPACES),
        ('s', false) => {
            out.push('[');
            out.push_str(SPACES);
            out.push(']');
        }
        ('S', _) => {
            out.push_str("[^");
            out.push_str(SPACES);
            out.push(']');
        }
        ('b', true) => out.push_str("\\x08"),
        ('b', false) => out.push_str("(?-u:\\b)"),
        ('B', false) => out.push_str("(?-u:\\B)"),
        ('0', _) if !letters.peek().is_some_and(char::is_ascii_digit) => out.push_str("\\x00"),
        ('c', _) => match letters.next_if(char::is_ascii_alphabetic) {
            Some(control) => {
                out.push_str(&format!("\\x{:02X}", u32::from(control.to_ascii_uppercase()) % 32))
            }
            None => out.push_str("\\\\c"),
        },
        _ => {
            out.push('\\');
            out.push(letter);
        }
    }
}

/// What ECMAScript calls white space, as the inside of a class.
const SPACES: &str = "\\t\\n\\x0B\\x0C\\r \\u{A0}\\u{1680}\\u{2000}-\\u{200A}\\u{2028}\\u{2029}\\u{202F}\\u{205F}\\u{3000}\\u{FEFF}";

#[cfg(test)]
mod tests {
    use super::ecma;

    #[test]
    fn patterns_mean_what_ecmascript_means() {
        for (pattern, yes, no) in [
            (r"^\d+$", "123", "١٢٣"),
            (r"^\w+$", "a_1", "ä"),
            (r"^[\w.-]+$", "a.b-c", "a b"),
            (r"^[^\d]$", "x", "5"),
            (r"^[\D]$", "x", "5"),
            (r"^\S+$", "ab", "a\u{FEFF}b"),
            (r"^[[]a]$", "[a]", "a"),
            (r"^[a&&b]+$", "&ab", "c"),
            (r"^[+--]$", ",", "."),
            (r"^[^]$", "\n", ""),
            (r"^a\/b$", "a/b", "ab"),
            (r"^\u0041$", "A", "B"),
            (r"\bcat\b", "the cat", "concat"),
            (r"^[\b]$", "\u{8}", "b"),
            (r"^\cJ$", "\n", "J"),
            (r"^\p{L}+$", "äö", "1"),
            (r"^(?<y>[0-9]{4})$", "2024", "24"),
            ("^a$", "a", "a\n"),
        ] {
            let expression = ecma(pattern).unwrap();
            assert!(expression.is_match(yes), "{pattern} and {yes:?}");
            assert!(!expression.is_match(no), "{pattern} and {no:?}");
        }
        assert!(!ecma("[]").unwrap().is_match("a"));
    }

    #[test]
    fn what_needs_backtracking_or_blows_up_is_refused() {
        for pattern in [
            r"(?=a)b",
            r"(?!a)b",
            r"(?<=a)b",
            r"(a)\1",
            r"(a",
            "(a{1000}){1000}",
            "[z-a]",
            "\\",
            &"(".repeat(5000),
        ] {
            assert!(ecma(pattern).is_err(), "{pattern}");
        }
    }
}
