//! Words, sentences and the things in a text that could name somebody or something.

/// A word of a text, folded for comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// As written.
    pub(crate) raw: &'a str,
    /// In lower case.
    pub(crate) folded: String,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// Whether only blanks stand between it and the word before.
    pub(crate) joined: bool,
}

/// A text as it is compared with what somebody typed: lower case, one blank between words. Nothing is
/// decoded and no look-alike is mapped, so that only what a person really typed is taken as typed.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

/// The words of a text: letters, digits and what ties them together (`'`, `-`).
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut start = None;
    let mut end_before = 0;
    let mut push = |from: usize, to: usize| {
        let raw = text.get(from..to).unwrap_or_default();
        let trimmed = raw.trim_matches(|c| c == '\'' || c == '-' || c == '’');
        if !trimmed.is_empty() {
            let between = text.get(end_before..from).unwrap_or_default();
            let joined = between.chars().all(char::is_whitespace);
            found.push(Token { raw: trimmed, folded: trimmed.to_lowercase(), at: from, joined });
        }
        end_before = to;
    };
    for (at, c) in text.char_indices() {
        let inside = c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                push(from, at);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        push(from, text.len());
    }
    found
}

/// Cuts a text into sentences: at full stops, question and exclamation marks, line ends and semicolons that
/// end something, never inside a name, a number or an address.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let numbered = c == '.' && before.is_ascii_digit() && ends_a_number_at_start(text.get(from..at));
        let ends = match c {
            '\n' | ';' => true,
            '.' | '?' | '!' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                !numbered && (ends_here(rest) || before.is_lowercase() && begins_unspaced(rest))
            }
            _ => false,
        };
        if ends {
            let to = at + c.len_utf8();
            found.push(text.get(from..to).unwrap_or_default().trim());
            from = to;
        }
        before = c;
    }
    found.push(text.get(from..).unwrap_or_default().trim());
    found.retain(|sentence| !sentence.is_empty());
    found
}

/// What comes after a full stop: blanks and something that may begin a sentence, closing quotes left aside.
fn ends_here(rest: &str) -> bool {
    let rest = rest.trim_start_matches(['"', '\'', ')', '”', '’', '`']);
    let begins = rest.trim_start().chars().next();
    (rest.is_empty() || rest.starts_with(char::is_whitespace)) && !begins.is_some_and(char::is_lowercase)
}

/// People forget the blank: `…example.com.They sent`.
fn begins_unspaced(rest: &str) -> bool {
    let mut chars = rest.chars();
    let (first, second) = (chars.next(), chars.next());
    let word = rest.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    first.is_some_and(char::is_uppercase)
        && second.is_some_and(char::is_lowercase)
        && rest.get(word.len()..).is_some_and(|after| after.starts_with(' '))
}

/// `1.` and `12.` at the beginning of an item number it, they do not end it.
fn ends_a_number_at_start(so_far: Option<&str>) -> bool {
    so_far.is_some_and(|text| {
        let text = text.trim();
        !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit())
    })
}

/// What a literal is, by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// `somebody@example.com`
    Mail,
    /// `https://…`, `www.…`, `example.com/…`
    Url,
    /// Something long of letters and digits that names an account, a wallet or an id.
    Account,
    /// `name.ext`, `folder/name`
    File,
    /// `#channel`, `@name`
    Handle,
    /// A number.
    Number,
}

/// Something in a text that could name somebody or something all by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) form: Form,
    /// Folded as [`plain`].
    pub(crate) text: String,
}

/// The literals of a text.
pub(crate) fn literals(text: &str) -> Vec<Literal> {
    text.split(|c: char| c.is_whitespace() || "<>()[]{}\"`“”,;|".contains(c))
        .filter_map(|word| {
            let word = word
                .trim_start_matches(['\'', '‘', '*', '='])
                .trim_end_matches(['\'', '’', '.', '?', '!', ':', '*']);
            let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
            form(word).map(|form| Literal { form, text: word.to_lowercase() })
        })
        .collect()
}

/// The form of one word; `None` for an ordinary one.
pub(crate) fn form(word: &str) -> Option<Form> {
    if word.is_empty() {
        return None;
    }
    if let Some((local, host)) = word.split_once('@')
        && !local.is_empty()
        && host.contains('.')
    {
        return Some(Form::Mail);
    }
    if word.starts_with(['#', '@']) && word.len() > 1 {
        return Some(Form::Handle);
    }
    if word.starts_with("www.") || word.contains("://") {
        return Some(Form::Url);
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits > 0 && is_number(word) {
        return Some(Form::Number);
    }
    if digits >= 4 && is_account(word) {
        return Some(Form::Account);
    }
    dotted(word)
}

/// A number as people write amounts, with an optional sign of currency.
pub(crate) fn number(word: &str) -> Option<f64> {
    let bare: String = word.trim_matches(['$', '€', '£', '%', '¥']).chars().filter(|c| *c != ',').collect();
    if !bare.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+' || c == '.') {
        return None;
    }
    bare.parse::<f64>().ok().filter(|n| n.is_finite())
}

fn is_number(word: &str) -> bool {
    number(word).is_some() && word.len() <= 15
}

/// Ten letters and digits or more, dashes left aside; who asks has counted four digits among them.
fn is_account(word: &str) -> bool {
    let bare = || word.bytes().filter(|b| *b != b'-');
    bare().count() >= 10 && bare().all(|b| b.is_ascii_alphanumeric())
}

/// A file has an extension, a site a host or a path.
fn dotted(word: &str) -> Option<Form> {
    const SITES: [&str; 14] =
        ["com", "org", "net", "io", "edu", "gov", "co", "dev", "app", "info", "ai", "de", "uk", "eu"];
    let (stem, end) = word.rsplit_once('.')?;
    let plain = |s: &str| !s.is_empty() && !s.contains("..") && s.chars().any(char::is_alphabetic);
    let path = end.split_once('/');
    let top = path.map_or(end, |(top, _)| top);
    if plain(stem) && SITES.contains(&top.to_ascii_lowercase().as_str()) {
        return Some(Form::Url);
    }
    let extension = (1..=5).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric());
    (extension && plain(stem) && end.chars().any(char::is_alphabetic) && stem.len() > 1).then_some(Form::File)
}

/// FNV-1a over a word: good enough to say where it may be; what must be sure is compared in full.
pub(crate) fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{Form, literals, plain, sentences, tokens};

    #[test]
    fn sentences_end_where_people_end_them() {
        let text = "1. Pay 12.50 to a.b@c.com. 2. Is it there? Then, send 'x.txt' now";
        assert_eq!(
            sentences(text),
            ["1. Pay 12.50 to a.b@c.com.", "2. Is it there?", "Then, send 'x.txt' now"]
        );
    }

    #[test]
    fn literals_are_found_by_their_form() {
        let found = literals(
            "mail 'Bob@X.com', see www.x.com/a?b=1 and GB29NWBK60161331926819: notes.txt #ops 12.50.",
        );
        let forms: Vec<Form> = found.iter().map(|l| l.form).collect();
        assert_eq!(forms, [Form::Mail, Form::Url, Form::Account, Form::File, Form::Handle, Form::Number]);
        assert_eq!(found.first().map(|l| l.text.as_str()), Some("bob@x.com"));
    }

    #[test]
    fn words_keep_what_ties_them() {
        let words: Vec<String> = tokens("Don't re-open 'it'").into_iter().map(|t| t.folded).collect();
        assert_eq!(words, ["don't", "re-open", "it"]);
        assert_eq!(plain("  A  b\nC "), "a b c");
    }
}
