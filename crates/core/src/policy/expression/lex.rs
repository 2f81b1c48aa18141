//! The words of an expression, each with its place in the text.

use std::ops::Range;

use super::ExpressionFault;

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    /// A whole number, as written without its suffix.
    Whole(u64),
    /// A number with a fraction or an exponent.
    Decimal(f64),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Signs of one and two letters, the longer ones first.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "+", "-", "*", "/",
    "%", "<", ">", "!", "=",
];

/// Cuts the whole text into words, the last being [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, ExpressionFault> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let token = lexer.next()?;
        let end = token == Token::End;
        found.push((token, start..lexer.at));
        if end {
            return Ok(found);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.take();
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| c != '\n' && c != '\r');
        }
    }

    fn fault(&self, start: usize, message: &str, hint: &str) -> ExpressionFault {
        ExpressionFault::new(start..self.at.max(start), message, hint)
    }

    fn next(&mut self) -> Result<Token, ExpressionFault> {
        let start = self.at;
        let Some(letter) = self.peek() else { return Ok(Token::End) };
        if letter.is_ascii_digit()
            || (letter == '.' && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            return self.number();
        }
        if let Some((raw, prefix)) = self.opens_text() {
            if self.rest()[..prefix].contains(['b', 'B']) {
                self.at += prefix;
                return Err(self.fault(start, "bytes are not compared in policies", "write a text: \"...\""));
            }
            self.at += prefix;
            return self.quoted(start, raw);
        }
        if letter == '_' || letter.is_ascii_alphabetic() {
            return Ok(Token::Name(self.take_while(|c| c == '_' || c.is_ascii_alphanumeric()).to_owned()));
        }
        let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(*sign));
        match sign {
            Some("=") => {
                self.at += 1;
                Err(self.fault(start, "one `=` compares nothing", "write `==`"))
            }
            Some(sign) => {
                self.at += sign.len();
                Ok(Token::Sign(sign))
            }
            None => {
                self.take();
                let hint = match letter {
                    '&' => "write `&&`",
                    '|' => "write `||`",
                    _ => "texts stand in quotes",
                };
                Err(self.fault(start, &format!("`{letter}` has no meaning here"), hint))
            }
        }
    }

    /// Whether a text begins here: raw or not, and the length of what stands before its quotes.
    fn opens_text(&self) -> Option<(bool, usize)> {
        let rest = self.rest();
        let prefix = rest.bytes().take(3).position(|byte| matches!(byte, b'"' | b'\''))?;
        match rest.get(..prefix)?.to_ascii_lowercase().as_str() {
            "" | "b" => Some((false, prefix)),
            "r" | "rb" | "br" => Some((true, prefix)),
            _ => None,
        }
    }

    fn quoted(&mut self, start: usize, raw: bool) -> Result<Token, ExpressionFault> {
        let close = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| self.rest().starts_with(*quotes));
        let close = close.unwrap_or("\"");
        self.at += close.len();
        let mut text = String::new();
        loop {
            if self.rest().starts_with(close) {
                self.at += close.len();
                return Ok(Token::Text(text));
            }
            match self.take() {
                Some('\\') if !raw => text.push(self.escaped()?),
                Some('\n' | '\r') if close.len() == 1 => {
                    return Err(self.fault(
                        start,
                        "a text ends on its line",
                        "close it, or write \"\"\" around it",
                    ));
                }
                Some(letter) => text.push(letter),
                None => {
                    return Err(self.fault(start, "this text never ends", &format!("close it with {close}")));
                }
            }
        }
    }

    /// The letter that an escape stands for; the backslash is taken already.
    fn escaped(&mut self) -> Result<char, ExpressionFault> {
        let start = self.at - 1;
        let simple = match self.take() {
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(same @ ('\\' | '?' | '"' | '\'' | '`')) => same,
            Some('x' | 'X') => return self.code(start, 2, 16),
            Some('u') => return self.code(start, 4, 16),
            Some('U') => return self.code(start, 8, 16),
            Some('0'..='3') => {
                self.at -= 1;
                return self.code(start, 3, 8);
            }
            _ => {
                let hint = "write `\\\\` for a backslash, or r\"...\" around a pattern";
                return Err(self.fault(start, "this escape has no meaning", hint));
            }
        };
        Ok(simple)
    }

    fn code(&mut self, start: usize, digits: usize, radix: u32) -> Result<char, ExpressionFault> {
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = self.peek().and_then(|letter| letter.to_digit(radix));
            let Some(digit) = digit else {
                return Err(self.fault(start, "this escape is too short", "give it all its digits"));
            };
            self.take();
            code = code.saturating_mul(radix).saturating_add(digit);
        }
        let letter = char::from_u32(code);
        letter.ok_or_else(|| self.fault(start, "no letter has this code", "halves of a pair are not letters"))
    }

    fn number(&mut self) -> Result<Token, ExpressionFault> {
        let start = self.at;
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            let digits = self.take_while(|c| c.is_ascii_hexdigit()).to_owned();
            return self.whole(start, u64::from_str_radix(&digits, 16).ok());
        }
        self.take_while(|c| c.is_ascii_digit());
        let mut decimal = false;
        if self.rest().starts_with('.') && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) {
            decimal = true;
            self.take();
            self.take_while(|c| c.is_ascii_digit());
        }
        if self.rest().starts_with(['e', 'E']) {
            decimal = true;
            self.take();
            if self.rest().starts_with(['+', '-']) {
                self.take();
            }
            self.take_while(|c| c.is_ascii_digit());
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        if decimal {
            let number = written.parse().ok();
            return self.ended(start, number).map(Token::Decimal);
        }
        let number = written.parse().ok();
        self.whole(start, number)
    }

    fn whole(&mut self, start: usize, number: Option<u64>) -> Result<Token, ExpressionFault> {
        if self.rest().starts_with(['u', 'U']) {
            self.take();
        }
        self.ended(start, number).map(Token::Whole)
    }

    /// The number, where nothing else hangs on it.
    fn ended<T>(&mut self, start: usize, number: Option<T>) -> Result<T, ExpressionFault> {
        let more = self.take_while(|c| c == '_' || c.is_ascii_alphanumeric()).len();
        number.filter(|_| more == 0).ok_or_else(|| {
            self.fault(
                start,
                "this is not a number that can be compared exactly",
                "numbers have at most 64 bits",
            )
        })
    }
}
