//! What people see: lines, pairs and tables, and the colour of a few words.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Color, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

/// A page being written.
pub(crate) struct Page {
    text: String,
    width: Option<u16>,
}

impl Page {
    /// An empty page of so many columns; `None` = as wide as it gets.
    pub(crate) const fn new(width: Option<u16>) -> Self {
        Self { text: String::new(), width }
    }

    /// What was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A line.
    pub(crate) fn line(&mut self, text: &str) {
        self.push(Style::new(), text);
    }

    /// A line that heads what follows.
    pub(crate) fn heading(&mut self, text: &str) {
        self.push(Style::new().bold(), text);
    }

    /// A line beside the matter.
    pub(crate) fn faint(&mut self, text: &str) {
        self.push(Style::new().dimmed(), text);
    }

    /// A line that says all is well.
    pub(crate) fn good(&mut self, text: &str) {
        self.push(colored(AnsiColor::Green), text);
    }

    /// A line to look at.
    pub(crate) fn warning(&mut self, text: &str) {
        self.push(colored(AnsiColor::Yellow), text);
    }

    /// A line that says something is wrong.
    pub(crate) fn bad(&mut self, text: &str) {
        self.push(colored(AnsiColor::Red).bold(), text);
    }

    /// An empty line.
    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A name and what belongs to it, with the names of neighbouring lines aligned.
    pub(crate) fn pair(&mut self, name: &str, value: &str) {
        let style = Style::new().dimmed();
        let value = clean(value);
        let mut lines = value.lines();
        let first = paint(lines.next().unwrap_or_default());
        let _ = writeln!(self.text, "  {style}{:<14}{style:#} {first}", clean(name));
        for line in lines {
            let _ = writeln!(self.text, "  {:<14} {}", "", paint(line));
        }
    }

    /// A table; nothing when there are no rows.
    pub(crate) fn table<const N: usize>(
        &mut self,
        header: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = self.width {
            table.set_width(width);
        }
        table.set_header(header);
        let mut prose = [false; N];
        for row in rows {
            for (prose, cell) in prose.iter_mut().zip(&row) {
                *prose |= cell.contains(' ');
            }
            table.add_row(row.map(|cell| clean(&cell).into_owned()));
        }
        if table.is_empty() {
            return;
        }
        for (column, prose) in table.column_iter_mut().zip(prose) {
            column.set_padding((0, 2));
            // An id that is broken over two lines cannot be copied.
            if !prose {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        for (index, line) in table.lines().enumerate() {
            let line = line.trim_end().to_owned();
            let style = if index == 0 { Style::new().bold() } else { Style::new() };
            let _ = writeln!(self.text, "{style}{}{style:#}", paint(&line));
        }
    }

    fn push(&mut self, style: Style, text: &str) {
        let text = clean(text);
        let text = if style == Style::new() { paint(&text) } else { text };
        for line in text.lines() {
            let _ = writeln!(self.text, "{style}{line}{style:#}");
        }
    }
}

const fn colored(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// Colours the words of verdicts wherever they stand by themselves.
fn paint(line: &str) -> Cow<'_, str> {
    const WORDS: &[(&str, AnsiColor)] = &[
        ("ALLOW", AnsiColor::Green),
        ("DENY", AnsiColor::Red),
        ("MODIFY", AnsiColor::Cyan),
        ("STEP_UP", AnsiColor::Yellow),
        ("DEFER", AnsiColor::Magenta),
    ];
    if !WORDS.iter().any(|(word, _)| line.contains(word)) {
        return Cow::Borrowed(line);
    }
    let painted = line.split_inclusive(' ').map(|part| {
        let bare = part.trim_end_matches([' ', ',', '.', ';', ':']);
        match WORDS.iter().find(|(word, _)| *word == bare) {
            Some((word, color)) => {
                let style = colored(*color);
                format!("{style}{word}{style:#}{}", part.get(word.len()..).unwrap_or_default())
            }
            None => part.to_owned(),
        }
    });
    Cow::Owned(painted.collect())
}

/// Shows control characters, and those that turn the direction of writing, as `\u{…}`, so that no text from outside can
/// move the cursor, hide itself or set colours. Line ends stay.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' => cleaned.push(' '),
            c if steers(c) => cleaned.extend(c.escape_unicode()),
            c => cleaned.push(c),
        }
    }
    Cow::Owned(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_outside_cannot_steer_the_terminal() {
        assert_eq!(clean("\u{1b}[2Jgone\r\u{202e}x\tend\n"), "\\u{1b}[2Jgone\\u{d}\\u{202e}x end\n");
        assert!(matches!(clean("Grüße, 世界\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn verdicts_are_coloured_as_whole_words_only() {
        assert_eq!(paint("DENY x"), "\u{1b}[31mDENY\u{1b}[0m x");
        assert_eq!(paint("DENYING x"), "DENYING x");
    }

    #[test]
    fn in_a_narrow_terminal_prose_is_broken_and_ids_are_not() {
        let mut page = Page::new(Some(40));
        let id = "rcp_0123456789abcdef01234567";
        page.table(["id", "what"], [[id.to_owned(), "a sentence of several words".to_owned()]]);
        let plain = anstream::adapter::strip_str(page.text()).to_string();
        assert!(plain.contains(id) && plain.lines().count() > 2, "{plain}");
    }

    #[test]
    fn a_table_has_a_header_and_aligned_columns() {
        let mut page = Page::new(None);
        page.table(["id", "what"], [["1".to_owned(), "one".to_owned()], ["22".to_owned(), "two".to_owned()]]);
        let plain = anstream::adapter::strip_str(page.text()).to_string();
        assert_eq!(plain, "id  what\n1   one\n22  two\n");
    }
}
