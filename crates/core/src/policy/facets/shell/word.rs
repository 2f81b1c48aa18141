//! One word of a command line: what stands in it after quotes are gone, and the commands within it.

use super::grammar::Parser;

/// A word as far as it is known before it runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    /// The text, when nothing in it depends on the moment: no variable, pattern or substitution.
    pub(super) text: Option<String>,
    /// What was written before the first quote, expansion or pattern.
    pub(super) head: String,
    /// Whether anything in it is quoted.
    pub(super) quoted: bool,
}

impl Word {
    /// A word that no shell expands.
    pub(super) fn literal(text: &str) -> Self {
        Self { text: Some(text.to_owned()), head: String::new(), quoted: true }
    }

    /// A word that is known only when it runs.
    pub(super) fn unknown() -> Self {
        Self::default()
    }

    /// The name in `NAME=value` or `NAME+=value`.
    pub(super) fn assigns(&self) -> Option<&str> {
        let (name, _) = self.head.split_once('=')?;
        let name = name.strip_suffix('+').unwrap_or(name);
        is_name(name).then_some(name)
    }
}

/// Whether this is a name that a variable can have.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Characters that end a word.
pub(super) const fn ends_word(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

/// A word while it is read.
#[derive(Default)]
struct Growing {
    text: String,
    head: String,
    quoted: bool,
    unknown: bool,
    headed: bool,
}

impl Growing {
    fn plain(&mut self, c: char) {
        self.text.push(c);
        if !self.headed {
            self.head.push(c);
        }
    }

    const fn expands(&mut self) {
        self.unknown = true;
        self.headed = true;
    }
}

impl Parser<'_, '_> {
    /// The next word; `Some(None)` where none begins.
    pub(super) fn word(&mut self) -> Option<Option<Word>> {
        let mut word = Growing::default();
        let start = self.rest;
        while let Some(c) = self.peek() {
            let process = self.rest.starts_with("<(") || self.rest.starts_with(">(");
            match c {
                '<' | '>' if process => {
                    self.take(2);
                    self.substitution()?;
                    word.expands();
                }
                _ if ends_word(c) => break,
                '\'' | '"' | '\\' => self.quotation(c, &mut word)?,
                '$' if self.rest.starts_with("$'") => {
                    word.quoted = true;
                    word.expands();
                    self.escaped_string()?;
                }
                '$' | '`' => {
                    if self.expansion(false)? {
                        word.expands();
                    } else {
                        self.take(1);
                        word.plain('$');
                    }
                }
                _ => {
                    self.take(c.len_utf8());
                    word.plain(c);
                    if matches!(c, '*' | '?' | '[' | '{') {
                        word.headed = true;
                        word.unknown = true;
                    }
                }
            }
        }
        if self.rest.len() == start.len() {
            return Some(None);
        }
        // Alone, these are what they are.
        let raw = start.get(..start.len() - self.rest.len())?;
        let known = !word.unknown || matches!(raw, "[" | "[[" | "{}" | "{" | "}");
        let head = if known && word.unknown { raw.to_owned() } else { word.head };
        Some(Some(Word { text: known.then_some(word.text), head, quoted: word.quoted }))
    }

    fn quotation(&mut self, quote: char, word: &mut Growing) -> Option<()> {
        word.quoted = true;
        word.headed = true;
        self.take(1);
        match quote {
            '\'' => {
                let end = self.rest.find('\'')?;
                word.text.push_str(self.take(end));
                self.take(1);
            }
            '"' => self.double_quotes(word)?,
            _ => {
                let c = self.peek()?;
                // `r\<newline>m` is one word to a shell: nobody writes that in good faith.
                if c == '\n' {
                    return None;
                }
                self.take(c.len_utf8());
                word.text.push(c);
            }
        }
        Some(())
    }

    fn double_quotes(&mut self, word: &mut Growing) -> Option<()> {
        loop {
            let c = self.peek()?;
            match c {
                '"' => {
                    self.take(1);
                    return Some(());
                }
                '\\' => {
                    self.take(1);
                    let next = self.peek()?;
                    self.take(next.len_utf8());
                    match next {
                        '\n' => {}
                        '$' | '`' | '"' | '\\' => word.text.push(next),
                        other => word.text.extend(['\\', other]),
                    }
                }
                '$' | '`' => {
                    if self.expansion(true)? {
                        word.unknown = true;
                    } else {
                        self.take(1);
                        word.text.push('$');
                    }
                }
                _ => {
                    self.take(c.len_utf8());
                    word.text.push(c);
                }
            }
        }
    }

    /// The expansions in the body of a here-document whose end is not quoted.
    pub(super) fn here_document(&mut self) -> Option<()> {
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.take(1);
                    if let Some(next) = self.peek() {
                        self.take(next.len_utf8());
                    }
                }
                '$' | '`' => {
                    if !self.expansion(true)? {
                        self.take(1);
                    }
                }
                _ => {
                    self.take(c.len_utf8());
                }
            }
        }
        Some(())
    }

    /// `$name`, `${...}`, `$(...)` or backticks; `Some(false)` for a dollar sign that is only one.
    fn expansion(&mut self, quoted: bool) -> Option<bool> {
        if self.rest.starts_with('`') {
            self.backticks(quoted)?;
            return Some(true);
        }
        match self.rest.get(1..)?.chars().next() {
            Some('(') => {
                if self.rest.starts_with("$((") {
                    self.take(3);
                    self.arithmetic()?;
                } else {
                    self.take(2);
                    self.substitution()?;
                }
            }
            Some('{') => {
                self.take(2);
                self.parameter(quoted)?;
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                self.take(1);
                let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                self.take(end.unwrap_or(self.rest.len()));
            }
            Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => {
                self.take(2);
            }
            // Old arithmetic, and strings that only bash translates.
            Some('[') => return None,
            Some('"') if !quoted => return None,
            _ => return Some(false),
        }
        Some(true)
    }

    /// The rest of `$(`, `<(` or `>(`.
    fn substitution(&mut self) -> Option<()> {
        self.found.substitutes = true;
        self.nested(|parser| parser.until_parenthesis())
    }

    /// The rest of `((` or `$((`: numbers alone, because names can hold expressions that run commands.
    pub(super) fn arithmetic(&mut self) -> Option<()> {
        let end = self.rest.find("))")?;
        let plain = |c: char| c.is_ascii_digit() || " +-*/%<>=!&|^~?:,()".contains(c);
        let expression = self.take(end);
        let balanced = expression.matches('(').count() == expression.matches(')').count();
        self.take(2);
        (balanced && !expression.contains('=') && expression.chars().all(plain)).then_some(())
    }

    /// The rest of `${`.
    fn parameter(&mut self, quoted: bool) -> Option<()> {
        if self.rest.starts_with(['!', '#']) && !self.rest.starts_with("#}") {
            self.take(1);
        }
        let special = self.peek().is_some_and(|c| "@*#?$!-".contains(c));
        let end =
            if special { 1 } else { self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))? };
        if end == 0 {
            return None;
        }
        self.take(end);
        let operators = [
            "##", "#", "%%", "%", ":-", ":=", ":+", ":?", "-", "=", "+", "?", "^^", "^", ",,", ",", "//", "/",
        ];
        if let Some(operator) = operators.into_iter().find(|operator| self.rest.starts_with(operator)) {
            self.take(operator.len());
        } else if !self.rest.starts_with('}') {
            // Subscripts and offsets are arithmetic, `@P` runs what a value says.
            return None;
        }
        self.nested(|parser| parser.parameter_word(quoted))
    }

    fn parameter_word(&mut self, quoted: bool) -> Option<()> {
        let mut word = Growing::default();
        loop {
            let c = self.peek()?;
            match c {
                '}' => {
                    self.take(1);
                    return Some(());
                }
                // Within double quotes shells disagree whether these quote.
                '\'' if quoted => return None,
                '\'' | '"' | '\\' => self.quotation(c, &mut word)?,
                '$' if self.rest.starts_with("$'") => return None,
                '$' | '`' => {
                    if !self.expansion(quoted)? {
                        self.take(1);
                    }
                }
                '<' | '>' if self.rest.get(1..)?.starts_with('(') => return None,
                _ => {
                    self.take(c.len_utf8());
                }
            }
        }
    }

    /// Backticks: their text with one layer of backslashes gone is a program.
    fn backticks(&mut self, quoted: bool) -> Option<()> {
        self.found.substitutes = true;
        self.take(1);
        let mut program = String::new();
        loop {
            let c = self.peek()?;
            self.take(c.len_utf8());
            match c {
                '`' => break,
                '\\' => {
                    let next = self.peek()?;
                    self.take(next.len_utf8());
                    // Whether `\"` loses its backslash here differs.
                    if next == '"' && quoted {
                        return None;
                    }
                    if !matches!(next, '$' | '`' | '\\') {
                        program.push('\\');
                    }
                    program.push(next);
                }
                other => program.push(other),
            }
        }
        let depth = self.depth + 1;
        self.found.program(&program, depth)
    }

    /// `$'...'`: text with escapes in bash, a dollar sign and a string elsewhere; both end at the same quote.
    fn escaped_string(&mut self) -> Option<()> {
        self.take(2);
        let end = self.rest.find('\'')?;
        let inner = self.take(end);
        self.take(1);
        // `\'` goes on in bash and ends elsewhere.
        (!inner.ends_with('\\')).then_some(())
    }
}
