//! Whether every database divides a text into the same tokens.
//!
//! What one takes for a string or a comment another may run. Such texts are not parsed at all:
//!
//! - a quote after an odd number of backslashes within quotes (MySQL escapes it, PostgreSQL and SQLite do not);
//! - a string that begins with a doubled quote (three quotes open a longer string in BigQuery);
//! - `#` and `//` outside quotes (comments in MySQL and Snowflake), a backslash outside quotes (psql, mysql);
//! - `--` that no blank follows (two minus signs in MySQL), comments within comments, `/*!` and `/*M!`;
//! - dollar quotes, Oracle's `q'…'`, names in backticks or brackets that hold more than a name;
//! - control characters, a carriage return alone, blanks that only some databases take for blanks;
//! - words that SQL Server runs without a semicolon before them and others take for an alias.
//!
//! The texts that are left have one division, and their length in chained operators is bounded, because the
//! parser makes each of a chain the parent of what stands before it.

/// Words and operators, beside names, numbers and commas, at most.
const LONGEST_CHAIN: usize = 400;

/// Brackets within brackets at most.
const DEEPEST: usize = 16;

/// Statements of SQL Server that are one word or begin with one that others read as an alias.
const RUN_WITHOUT_SEMICOLON: [&str; 14] = [
    "backup",
    "bulk",
    "checkpoint",
    "dbcc",
    "delimiter",
    "deny",
    "go",
    "kill",
    "openquery",
    "openrowset",
    "opendatasource",
    "reconfigure",
    "restore",
    "shutdown",
];

/// Words that join what stands before them to what follows.
const CHAINING: [&str; 22] = [
    "and",
    "or",
    "not",
    "is",
    "in",
    "like",
    "ilike",
    "rlike",
    "regexp",
    "similar",
    "between",
    "collate",
    "at",
    "union",
    "except",
    "intersect",
    "minus",
    "div",
    "mod",
    "xor",
    "overlaps",
    "escape",
];

/// Whether the text has one division into tokens, and not too deep a tree.
pub(super) fn is_plain(text: &str) -> bool {
    !text.chars().any(is_odd_control) && Scan { rest: text, before: ' ', depth: 0, chain: 0 }.run().is_some()
}

fn is_odd_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

struct Scan<'a> {
    rest: &'a str,
    before: char,
    depth: usize,
    chain: usize,
}

impl<'a> Scan<'a> {
    fn run(&mut self) -> Option<()> {
        while let Some(c) = self.rest.chars().next() {
            self.step(c)?;
            if self.depth > DEEPEST || self.chain > LONGEST_CHAIN {
                return None;
            }
        }
        Some(())
    }

    /// `None` at the first thing that databases read differently.
    fn step(&mut self, c: char) -> Option<()> {
        match c {
            '\'' | '"' => self.quoted(c)?,
            '`' => self.name('`')?,
            '[' => self.name(']')?,
            '-' if self.rest.starts_with("--") => self.line_comment()?,
            '/' if self.rest.starts_with("/*") => self.block_comment()?,
            '/' if self.rest.starts_with("//") => return None,
            '#' | '\\' | '{' | '}' => return None,
            '\r' if !self.rest.starts_with("\r\n") => return None,
            '$' => self.dollar()?,
            '(' => {
                self.depth = self.depth.saturating_add(1);
                self.take(1);
            }
            ')' => {
                self.depth = self.depth.saturating_sub(1);
                self.take(1);
            }
            _ if is_name(c) => self.word()?,
            _ if !c.is_ascii() => return None,
            _ => {
                if "+-*/%<>=!|&^~:".contains(c) && !"+-*/%<>=!|&^~:".contains(self.before) {
                    self.chain = self.chain.saturating_add(1);
                }
                self.take(c.len_utf8());
            }
        }
        Some(())
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.before = taken.chars().next_back().unwrap_or(' ');
        self.rest = rest;
        taken
    }

    fn quoted(&mut self, quote: char) -> Option<()> {
        let mut inner = self.rest.get(1..)?;
        let mut doubled = [0; 8];
        if inner.starts_with(&*[quote, quote].map(|c| c.encode_utf8(&mut doubled).to_owned()).concat()) {
            return None;
        }
        let mut backslashes = 0_usize;
        let mut length = 1_usize;
        loop {
            let c = inner.chars().next()?;
            inner = inner.get(c.len_utf8()..)?;
            length += c.len_utf8();
            match c {
                '\\' => backslashes += 1,
                _ if c == quote && backslashes % 2 == 1 => return None,
                _ if c == quote && inner.starts_with(quote) => {
                    inner = inner.get(1..)?;
                    length += 1;
                    backslashes = 0;
                }
                _ if c == quote => break,
                _ => backslashes = 0,
            }
        }
        self.take(length);
        Some(())
    }

    /// A name in backticks or brackets; an index in brackets looks the same.
    fn name(&mut self, close: char) -> Option<()> {
        let inner = self.rest.get(1..)?;
        let end = inner.find(close)?;
        let name = inner.get(..end)?;
        let harmless = |c: char| is_name(c) || matches!(c, ' ' | '.' | ',' | ':' | '$');
        if !name.chars().all(harmless) || inner.get(end + 1..)?.starts_with(close) {
            return None;
        }
        self.chain = self.chain.saturating_add(usize::from(close == ']'));
        self.take(end + 2);
        Some(())
    }

    fn line_comment(&mut self) -> Option<()> {
        let after = self.rest.get(2..)?;
        if !(after.is_empty() || after.starts_with([' ', '\t', '\n']) || after.starts_with("\r\n")) {
            return None;
        }
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let comment = self.take(end);
        let comment = comment.strip_suffix('\r').unwrap_or(comment);
        // Some end the line at these, some do not.
        (!comment.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}'])).then_some(())
    }

    fn block_comment(&mut self) -> Option<()> {
        let inner = self.rest.get(2..)?;
        let end = inner.find("*/")?;
        let comment = inner.get(..end)?;
        let executed = comment.starts_with('!') || comment.starts_with("M!");
        if executed || comment.contains("/*") || comment.ends_with('/') {
            return None;
        }
        self.take(end + 4);
        Some(())
    }

    /// `$1` is a parameter; `$$` and `$tag$` open strings.
    fn dollar(&mut self) -> Option<()> {
        let inner = self.rest.get(1..)?;
        let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
        let next = inner.get(digits..)?.chars().next();
        if digits == 0 || next.is_some_and(|c| is_name(c) || c == '$') {
            return None;
        }
        self.take(digits + 1);
        Some(())
    }

    fn word(&mut self) -> Option<()> {
        let end = self.rest.find(|c: char| !is_name(c) && c != '$').unwrap_or(self.rest.len());
        let member = self.before == '.';
        let word = self.take(end);
        if word.contains('$') && word.contains("$$") || word.ends_with('$') {
            return None;
        }
        let lower = word.to_lowercase();
        let oracle_quote = matches!(&*lower, "q" | "nq") && self.rest.starts_with('\'');
        // PostgreSQL's names by code point: `U&"\0075sers"`.
        let by_code_point = lower == "u" && self.rest.starts_with('&');
        if oracle_quote || by_code_point || !member && RUN_WITHOUT_SEMICOLON.contains(&&*lower) {
            return None;
        }
        self.chain = self.chain.saturating_add(usize::from(CHAINING.contains(&&*lower)));
        Some(())
    }
}

/// Letters of any script; blanks and marks that are not ASCII are none.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '@'
}
