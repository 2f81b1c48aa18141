//! The grammar of command lines: lists, pipelines, compound commands, redirections and here-documents.
//!
//! Every function gives `None` at the first thing that shells read differently, or that no rule here describes.

use super::word::{Word, ends_word, is_name};
use super::{DEEPEST, Found};

/// Words that open or close something where a command could stand.
const RESERVED: [&str; 21] = [
    "!", "[[", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "time", "until", "while", "{", "}",
];

/// What is left to read of a program, and what was found in it.
pub(super) struct Parser<'a, 'f> {
    pub(super) rest: &'a str,
    pub(super) depth: usize,
    pub(super) found: &'f mut Found,
    /// Here-documents whose bodies begin after the next line end.
    pending: Vec<HereDocument>,
}

struct HereDocument {
    end: String,
    tabs: bool,
    expands: bool,
}

/// A command as it is read.
#[derive(Default)]
struct Command {
    words: Vec<Word>,
}

impl<'a, 'f> Parser<'a, 'f> {
    /// A parser at the beginning of a program that stands at that depth in others.
    pub(super) fn new(text: &'a str, depth: usize, found: &'f mut Found) -> Option<Self> {
        let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        (depth <= DEEPEST && !text.contains(odd)).then_some(Self {
            rest: text,
            depth,
            found,
            pending: Vec::new(),
        })
    }

    /// Everything to the end.
    pub(super) fn whole(&mut self) -> Option<()> {
        self.list(&[""])?;
        self.pending.is_empty().then_some(())
    }

    /// Everything to the parenthesis that closes it.
    pub(super) fn until_parenthesis(&mut self) -> Option<()> {
        let outer = std::mem::take(&mut self.pending);
        self.list(&[")"])?;
        let closed = self.pending.is_empty();
        self.pending = outer;
        closed.then_some(())
    }

    /// One level deeper.
    pub(super) fn nested(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        read(self)?;
        self.depth -= 1;
        Some(())
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.take(text.len());
        }
        found
    }

    /// Blanks, comments and continued lines, but no line end.
    fn blanks(&mut self) {
        loop {
            if self.rest.starts_with([' ', '\t']) {
                self.take(1);
            } else if self.rest.starts_with("\\\n") {
                self.take(2);
            } else if self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.take(end);
            } else {
                return;
            }
        }
    }

    /// Blanks and line ends, with the bodies of here-documents.
    fn lines(&mut self) -> Option<()> {
        loop {
            self.blanks();
            if !self.eat("\n") {
                return Some(());
            }
            for document in std::mem::take(&mut self.pending) {
                self.body(&document)?;
            }
        }
    }

    fn body(&mut self, document: &HereDocument) -> Option<()> {
        let mut body = String::new();
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            let line = self.take(end);
            self.eat("\n");
            let line = if document.tabs { line.trim_start_matches('\t') } else { line };
            if line == document.end {
                break;
            }
            // A continued line could hide the end from one shell and not from another.
            if document.expands && line.ends_with('\\') {
                return None;
            }
            body.push_str(line);
            body.push('\n');
        }
        if !document.expands {
            return Some(());
        }
        Parser::new(&body, self.depth + 1, self.found)?.here_document()
    }

    /// The unquoted word here, if it is one of those that a list may end with or a command may begin with.
    fn keyword(&self) -> Option<&'static str> {
        let end = self.rest.find(ends_word).unwrap_or(self.rest.len());
        let word = self.rest.get(..end)?;
        RESERVED.into_iter().find(|reserved| *reserved == word)
    }

    /// Commands up to one of these ends (`""` is the end of the text), which is taken and given back.
    fn list(&mut self, ends: &[&'static str]) -> Option<&'static str> {
        loop {
            self.lines()?;
            if let Some(end) = self.ending(ends) {
                return Some(end);
            }
            self.rest.chars().next()?;
            self.pipeline()?;
            self.blanks();
            // What joins two commands does not matter, only that something does.
            let joined = self.eat("&&")
                || self.eat("||")
                || (!self.rest.starts_with(";;") && self.eat(";"))
                || self.eat("&");
            let ended =
                self.rest.is_empty() || self.rest.starts_with(['\n', ')']) || self.rest.starts_with(";;");
            if !joined && !ended {
                return None;
            }
        }
    }

    fn ending(&mut self, ends: &[&'static str]) -> Option<&'static str> {
        let word = self.keyword();
        let found = ends.iter().copied().find(|end| match *end {
            "" => self.rest.is_empty(),
            ")" => self.rest.starts_with(')'),
            ";;" => self.rest.starts_with(";;"),
            other => word == Some(other),
        })?;
        self.take(found.len());
        Some(found)
    }

    fn pipeline(&mut self) -> Option<()> {
        loop {
            match self.keyword() {
                Some("!") => {
                    self.take(1);
                }
                Some("time") => {
                    self.take(4);
                    self.found.commands.insert("time".to_owned());
                    self.blanks();
                    if self.rest.starts_with("-p ") || self.rest.starts_with("-p\t") {
                        self.take(2);
                        self.blanks();
                    }
                    // Options of the program `time`, where it is no keyword.
                    if self.rest.starts_with('-') {
                        return None;
                    }
                }
                _ => break,
            }
            self.blanks();
        }
        loop {
            self.command()?;
            self.blanks();
            let piped = !self.rest.starts_with("||") && (self.eat("|&") || self.eat("|"));
            if !piped {
                return Some(());
            }
            self.found.pipes = true;
            self.lines()?;
        }
    }

    fn command(&mut self) -> Option<()> {
        // Arithmetic in bash, two subshells elsewhere.
        if self.rest.starts_with("((") {
            return None;
        }
        if self.eat("(") {
            self.nested(Self::until_parenthesis)?;
            return self.redirections();
        }
        let Some(word) = self.keyword() else { return self.simple() };
        self.take(word.len());
        self.nested(|parser| parser.compound(word))?;
        if word == "function" { Some(()) } else { self.redirections() }
    }

    fn compound(&mut self, word: &'static str) -> Option<()> {
        match word {
            "{" => {
                self.list(&["}"])?;
            }
            "if" => {
                self.list(&["then"])?;
                let mut end = self.list(&["elif", "else", "fi"])?;
                while end == "elif" {
                    self.list(&["then"])?;
                    end = self.list(&["elif", "else", "fi"])?;
                }
                if end == "else" {
                    self.list(&["fi"])?;
                }
            }
            "while" | "until" => {
                self.list(&["do"])?;
                self.list(&["done"])?;
            }
            "for" | "select" => self.for_each()?,
            "case" => self.case()?,
            "[[" => self.condition()?,
            "function" => {
                self.blanks();
                self.word()??.text?;
                self.blanks();
                if self.eat("(") {
                    self.blanks();
                    self.eat(")").then_some(())?;
                }
                self.function_body()?;
            }
            _ => return None,
        }
        Some(())
    }

    fn for_each(&mut self) -> Option<()> {
        self.blanks();
        let name = self.word()??.text.filter(|name| is_name(name))?;
        if super::tables::is_trusted_name(&name) {
            self.found.opaque = true;
        }
        self.lines()?;
        if self.keyword() == Some("in") {
            self.take(2);
            self.blanks();
            while self.word()?.is_some() {
                self.blanks();
            }
        }
        self.blanks();
        self.eat(";");
        self.lines()?;
        (self.keyword() == Some("do")).then_some(())?;
        self.take(2);
        self.list(&["done"]).map(|_| ())
    }

    fn case(&mut self) -> Option<()> {
        self.blanks();
        self.word()??;
        self.lines()?;
        (self.keyword() == Some("in")).then_some(())?;
        self.take(2);
        loop {
            self.lines()?;
            if self.keyword() == Some("esac") {
                self.take(4);
                return Some(());
            }
            self.eat("(");
            loop {
                self.blanks();
                self.word()??;
                self.blanks();
                if self.eat(")") {
                    break;
                }
                self.eat("|").then_some(())?;
            }
            if self.list(&[";;", "esac"])? == "esac" {
                return Some(());
            }
            self.eat("&");
        }
    }

    /// `[[ ... ]]`: one test of a text or a file.
    ///
    /// Where it is no keyword, `[[ a || rm b ]]` runs `rm`; and comparisons of numbers run what their operands say.
    fn condition(&mut self) -> Option<()> {
        loop {
            self.blanks();
            let word = self.word()??;
            match (word.quoted, &*word.head) {
                (false, "]]") => return Some(()),
                (false, "=~" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-v") => return None,
                _ => {}
            }
        }
    }

    fn function_body(&mut self) -> Option<()> {
        self.lines()?;
        let opens = self.rest.starts_with('(') || self.keyword().is_some_and(|word| word != "function");
        opens.then_some(())?;
        self.nested(Self::command)
    }

    fn simple(&mut self) -> Option<()> {
        let mut command = Command::default();
        let mut any = false;
        let mut ended = false;
        loop {
            self.blanks();
            // Where `&>` is no operator, `ls &> a rm b` runs two commands.
            ended |= self.rest.starts_with("&>");
            if self.redirection()? {
                any = true;
                continue;
            }
            let before = self.rest;
            let Some(word) = self.word()? else { break };
            if ended {
                return None;
            }
            if self.rest.starts_with(['<', '>'])
                && before.get(..before.len() - self.rest.len())?.bytes().all(|b| b.is_ascii_digit())
            {
                // `2>` names a descriptor.
                self.redirection()?.then_some(())?;
                any = true;
                continue;
            }
            any = true;
            self.blanks();
            if self.rest.starts_with('(') {
                // Only a function's name stands before a parenthesis.
                self.take(1);
                self.blanks();
                let named = command.words.is_empty() && !word.quoted && word.text.is_some();
                (self.eat(")") && named && word.assigns().is_none()).then_some(())?;
                return self.function_body();
            }
            command.words.push(word);
        }
        any.then_some(())?;
        self.execute(&command)
    }

    fn execute(&mut self, command: &Command) -> Option<()> {
        let mut words = command.words.as_slice();
        while let [first, rest @ ..] = words {
            let Some(name) = first.assigns() else { break };
            // It decides what other names mean.
            if super::tables::is_trusted_name(name) {
                self.found.opaque = true;
            }
            words = rest;
        }
        if words.first().is_some_and(|first| !first.quoted && RESERVED.contains(&&*first.head)) {
            return None;
        }
        if !words.is_empty() {
            self.found.run(words, self.depth);
        }
        Some(())
    }

    fn redirections(&mut self) -> Option<()> {
        loop {
            self.blanks();
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            if digits > 0 && self.rest.get(digits..)?.starts_with(['<', '>']) {
                self.take(digits);
            }
            if !self.redirection()? {
                return Some(());
            }
        }
    }

    /// One redirection; `Some(false)` where none begins.
    fn redirection(&mut self) -> Option<bool> {
        if self.rest.starts_with("<(") || self.rest.starts_with(">(") {
            return Some(false);
        }
        let operators = ["&>>", "&>", "<<<", "<<-", "<<", "<>", "<&", "<", ">>", ">|", ">&", ">"];
        let Some(operator) = operators.into_iter().find(|operator| self.rest.starts_with(operator)) else {
            return Some(false);
        };
        self.take(operator.len());
        self.blanks();
        let word = self.word()??;
        let descriptor = word.text.as_deref().is_some_and(|text| {
            text == "-" || text.trim_end_matches('-').bytes().all(|b| b.is_ascii_digit())
        });
        match operator {
            "<<" | "<<-" => {
                self.pending.push(HereDocument {
                    end: word.text?,
                    tabs: operator == "<<-",
                    expands: !word.quoted,
                });
            }
            "<<<" => {}
            "<&" | ">&" if descriptor => {}
            "<&" => return None,
            "<" => self.found.reads_from(&word),
            "<>" => {
                self.found.reads_from(&word);
                self.found.writes_to(&word);
            }
            _ => self.found.writes_to(&word),
        }
        Some(true)
    }
}
