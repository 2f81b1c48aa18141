//! The one module that speaks: results on standard output, everything else on standard error.
//!
//! A command hands over a [`View`]: one value that is JSON for programs and a page for people. So no command can forget
//! `--json`. What came from outside (agents' words, names in receipts) passes [`clean`], so that it cannot steer the
//! terminal; colour is put on by this module alone.

mod page;

use std::io::{self, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::json;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::error::CommandError;
pub(crate) use page::{Page, clean};

/// The variable that says how much is logged.
const LOG: &str = "COUNTERSIGN_LOG";

/// A result, for programs and for people.
pub(crate) trait View: Serialize {
    /// Writes it for people.
    fn show(&self, page: &mut Page);
}

/// Where and how a command speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    color: ColorChoice,
}

impl Output {
    /// Speaks JSON or to people, in colour or not.
    pub(crate) const fn new(json: bool, color: ColorChoice) -> Self {
        Self { json, color }
    }

    /// Whether programs are spoken to.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Gives a result.
    ///
    /// # Errors
    /// Standard output cannot be written. A reader that went away is no error.
    pub(crate) fn show(&self, view: &impl View) -> Result<(), CommandError> {
        if self.json {
            let text = serde_json::to_string_pretty(view)
                .map_err(|error| CommandError::bug("the result cannot be written as JSON").cause(&error))?;
            return self.raw(format!("{text}\n").as_bytes());
        }
        let mut page = Page::new(width());
        view.show(&mut page);
        let mut out = AutoStream::new(io::stdout().lock(), self.color);
        written(out.write_all(page.text().as_bytes()).and_then(|()| out.flush()))
    }

    /// Gives bytes as they are: receipts, completion scripts.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), CommandError> {
        let mut out = io::stdout().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Tells people something beside the result; says nothing to programs.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            self.say(&format!("{}\n", clean(text)));
        }
    }

    /// Warns people beside the result; says nothing to programs.
    pub(crate) fn warn(&self, text: &str) {
        if !self.json {
            let style = Style::new().fg_color(Some(AnsiColor::Yellow.into())).bold();
            self.say(&format!("{style}warning:{style:#} {}\n", clean(text)));
        }
    }

    /// Tells why a command failed.
    pub(crate) fn error(&self, error: &CommandError) {
        if self.json {
            self.say(&format!("{}\n", error_json(error)));
        } else {
            self.say(&error_text(error));
        }
    }

    fn say(&self, text: &str) {
        let mut err = AutoStream::new(io::stderr().lock(), self.color);
        // There is nobody left to tell that telling failed.
        let _ = err.write_all(text.as_bytes());
    }

    /// Begins to log to standard error: text, or with `--json` one JSON object a line. `COUNTERSIGN_LOG` says how much
    /// (`info` where it says nothing). Libraries are never asked for more than warnings: below that they show what
    /// passes through them.
    pub(crate) fn start_log(&self) {
        let filter = EnvFilter::builder()
            .with_default_directive(LevelFilter::INFO.into())
            .with_env_var(LOG)
            .from_env_lossy();
        let ours =
            Targets::new().with_target("countersign", LevelFilter::TRACE).with_default(LevelFilter::WARN);
        let ours = FilterExt::and(filter, ours);
        let ansi = match self.color {
            ColorChoice::Never => false,
            ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
            ColorChoice::Auto => io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(ansi);
        let registry = tracing_subscriber::registry();
        // Only the first subscriber of a process counts; a second start changes nothing.
        let _ = if self.json {
            tracing::subscriber::set_global_default(registry.with(lines.json().with_filter(ours)))
        } else {
            tracing::subscriber::set_global_default(registry.with(lines.with_target(false).with_filter(ours)))
        };
    }
}

fn written(result: io::Result<()>) -> Result<(), CommandError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::usage("standard output cannot be written").cause(&error))
        }
        _ => Ok(()),
    }
}

/// How many columns the terminal has; none when there is no terminal.
fn width() -> Option<u16> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(out).ok().map(|size| size.ws_col).filter(|columns| *columns >= 40)
}

fn error_text(error: &CommandError) -> String {
    let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    let cyan = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
    let mut text = format!("{red}error:{red:#} {}\n", clean(&error.message));
    for cause in &error.causes {
        text += &format!("  because: {}\n", clean(cause));
    }
    for fault in &error.faults {
        let place = match fault.line {
            0 => fault.file.to_string(),
            line => format!("{}:{line}:{}", fault.file, fault.column),
        };
        text += &format!("  {}: {}\n", clean(&place), clean(&fault.message));
        if let Some(hint) = &fault.hint {
            text += &format!("      {cyan}hint:{cyan:#} {}\n", clean(hint));
        }
    }
    for hint in &error.hints {
        text += &format!("{cyan}hint:{cyan:#} {}\n", clean(hint));
    }
    text
}

fn error_json(error: &CommandError) -> serde_json::Value {
    json!({
        "error": {
            "kind": error.exit.word(),
            "exit": error.exit as u8,
            "message": error.message,
            "causes": error.causes,
            "faults": error.faults.iter().map(fault_json).collect::<Vec<_>>(),
            "hints": error.hints,
        }
    })
}

/// A fault as JSON; a place of 0 is of the whole file.
pub(crate) fn fault_json(fault: &countersign_core::policy::Fault) -> serde_json::Value {
    json!({
        "file": &*fault.file,
        "line": fault.line,
        "column": fault.column,
        "message": fault.message,
        "hint": fault.hint,
    })
}
