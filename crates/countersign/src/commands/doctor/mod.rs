//! `countersign doctor`: everything that the daemon needs, looked at one by one.

mod checks;

use serde::Serialize;

use super::Context;
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// Looks at the installation; changes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) async fn run(_: Args, context: &Context) -> Result<Exit, CommandError> {
    let mut found = Findings::default();
    match context.config() {
        Ok(config) => {
            found.ok("configuration", format!("{} is sound", config.file.display()));
            for oddity in &config.oddities {
                let todo = oddity.hint.clone().unwrap_or_default();
                found.warn(
                    "configuration",
                    format!("{}:{}: {}", oddity.line, oddity.column, oddity.message),
                    todo,
                );
            }
            look(&config, &mut found).await;
        }
        Err(error) => found.failed("configuration", &error),
    }
    let exit = if found.0.iter().any(|finding| finding.status == Status::Fail) { Exit::No } else { Exit::Ok };
    context.output.show(&Report { ok: exit == Exit::Ok, findings: found.0 })?;
    Ok(exit)
}

async fn look(config: &Config, found: &mut Findings) {
    let keys = checks::keys(config, found);
    checks::tokens(config, found);
    checks::policies(config, found);
    let newest = match keys {
        Some(keys) => checks::store(config, &keys, found).await,
        None => None,
    };
    checks::clock(newest, found);
    checks::disk(config, found);
    checks::model(config, found);
    checks::programs(config, found);
    checks::same_user(config, found);
    checks::daemon(config, found).await;
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    status: Status,
    /// What was looked at.
    what: &'static str,
    /// What was seen.
    says: String,
    /// What to do; empty when there is nothing to do.
    todo: String,
}

/// Everything that was looked at, in order.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, what: &'static str, says: impl Into<String>) {
        self.0.push(Finding { status: Status::Ok, what, says: says.into(), todo: String::new() });
    }

    fn warn(&mut self, what: &'static str, says: impl Into<String>, todo: impl Into<String>) {
        self.0.push(Finding { status: Status::Warn, what, says: says.into(), todo: todo.into() });
    }

    fn fail(&mut self, what: &'static str, says: impl Into<String>, todo: impl Into<String>) {
        self.0.push(Finding { status: Status::Fail, what, says: says.into(), todo: todo.into() });
    }

    /// A command's error, each fault a finding of its own.
    fn failed(&mut self, what: &'static str, error: &CommandError) {
        let todo = error.hints.join("; ");
        if error.faults.is_empty() {
            let mut says = error.message.clone();
            for cause in &error.causes {
                says = format!("{says}: {cause}");
            }
            return self.fail(what, says, todo);
        }
        for fault in &error.faults {
            let place =
                if fault.line > 0 { format!(":{}:{}", fault.line, fault.column) } else { String::new() };
            let says = format!("{}{place}: {}", fault.file, fault.message);
            self.fail(what, says, fault.hint.clone().unwrap_or_else(|| todo.clone()));
        }
    }
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
}

impl View for Report {
    fn show(&self, page: &mut Page) {
        for finding in &self.findings {
            let text = format!("{}: {}", finding.what, finding.says);
            match finding.status {
                Status::Ok => page.good(&format!("ok    {text}")),
                Status::Warn => page.warning(&format!("warn  {text}")),
                Status::Fail => page.bad(&format!("FAIL  {text}")),
            }
            if !finding.todo.is_empty() {
                page.line(&format!("      -> {}", finding.todo));
            }
        }
    }
}
