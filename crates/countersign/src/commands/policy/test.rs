//! `countersign policy test [PATH...]`: the cases beside the policies, run through the real engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use countersign_core::decide::explain::Explanation;
use countersign_core::names::RuleId;
use countersign_core::policy::PolicySet;
use serde::Serialize;

use super::cases::{Bench, Differences, Suite, find};
use crate::commands::Context;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// Which cases to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of cases, or folders in which `NAME.test.yaml` are looked for; without any, the configured policies, else
    /// this folder
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only cases whose names have this in them
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The answer is no where fewer of the rules held in some case, in percent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Show arguments, the request and given facts in explanations; secrets stay blanked
    #[arg(long)]
    values: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let paths = match args.paths.is_empty() {
        false => args.paths,
        true if context.config.exists() => context.config()?.policies,
        true => vec![PathBuf::from(".")],
    };
    let files = find(&paths)?;
    if files.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(CommandError::usage(format!("there are no cases in {}", places.join(", ")))
            .hint("write them into NAME.test.yaml beside the policy; docs/src/policy-tools.md shows how"));
    }
    let mut bench = Bench::new(args.values)?;
    let (mut tested, mut touched) = (Vec::new(), Touched::default());
    for file in &files {
        let suite = Suite::read(file)?;
        let policy = bench.policy(&suite)?;
        touched.knows(&policy);
        for case in &suite.cases {
            if args.only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
                continue;
            }
            let played = bench.play(case, &policy, file).await?;
            touched.held(&policy, &played.held);
            let passed = played.differences.is_empty();
            tested.push(Tested {
                file: file.display().to_string(),
                line: case.line,
                name: case.name.clone(),
                passed,
                differences: played.differences,
                explanation: (!passed).then_some(played.explanation),
            });
        }
    }
    let report = Report::of(tested, touched, args.min_coverage);
    context.output.show(&report)?;
    Ok(if report.ok { Exit::Ok } else { Exit::No })
}

/// Which rules held in some case; a rule is known by its policy's name and its own.
#[derive(Default)]
struct Touched(BTreeMap<(String, RuleId), bool>);

impl Touched {
    fn knows(&mut self, policy: &PolicySet) {
        for rule in policy.rules() {
            self.0.entry((rule.policy.id.to_string(), rule.id.clone())).or_insert(false);
        }
    }

    fn held(&mut self, policy: &PolicySet, held: &BTreeSet<RuleId>) {
        for rule in held.iter().filter_map(|id| policy.rule(id)) {
            self.0.insert((rule.policy.id.to_string(), rule.id.clone()), true);
        }
    }
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    passed: usize,
    failed: usize,
    coverage: Coverage,
    cases: Vec<Tested>,
}

#[derive(Serialize)]
struct Coverage {
    rules: usize,
    held: usize,
    percent: usize,
    /// What is asked for.
    least: Option<u8>,
    /// Rules that held in no case, as `policy/rule`.
    never: Vec<String>,
}

#[derive(Serialize)]
struct Tested {
    file: String,
    line: usize,
    name: String,
    passed: bool,
    differences: Differences,
    explanation: Option<Explanation>,
}

impl Report {
    fn of(cases: Vec<Tested>, touched: Touched, least: Option<u8>) -> Self {
        let passed = cases.iter().filter(|case| case.passed).count();
        let (rules, held) = (touched.0.len(), touched.0.values().filter(|held| **held).count());
        // A set without rules has nothing that could be missed.
        let percent = (held * 100).checked_div(rules).unwrap_or(100);
        let never = touched.0.into_iter().filter(|(_, held)| !held);
        let never = never.map(|((policy, rule), _)| format!("{policy}/{rule}")).collect();
        let failed = cases.len() - passed;
        let enough = least.is_none_or(|least| percent >= usize::from(least));
        let coverage = Coverage { rules, held, percent, least, never };
        Self { ok: failed == 0 && enough, passed, failed, coverage, cases }
    }
}

impl View for Report {
    fn show(&self, page: &mut Page) {
        for case in &self.cases {
            case.show(page);
        }
        let Coverage { rules, held, percent, least, never } = &self.coverage;
        page.line(&format!("Rules that held in some case: {held} of {rules} ({percent} %)."));
        if !never.is_empty() {
            page.warning(&format!("In none: {}.", never.join(", ")));
        }
        if let Some(least) = least.filter(|least| *percent < usize::from(*least)) {
            page.bad(&format!("That is less than {least} %."));
        }
        let count =
            if self.cases.len() == 1 { "1 case".to_owned() } else { format!("{} cases", self.cases.len()) };
        let sum = format!("{count}: {} passed, {} failed.", self.passed, self.failed);
        if self.failed == 0 { page.good(&sum) } else { page.bad(&sum) }
    }
}

impl Tested {
    fn show(&self, page: &mut Page) {
        let Self { file, line, name, .. } = self;
        let Some(explanation) = &self.explanation else {
            page.line(&format!("ok    {file}:{line}  {name}"));
            return;
        };
        page.bad(&format!("FAIL  {file}:{line}  {name}"));
        for one in &self.differences {
            page.line(&format!("      {}: expected {}", one.what, one.expected));
            page.line(&format!("      {:>w$}  found    {}", "", one.found, w = one.what.chars().count()));
        }
        for line in explanation.to_string().lines() {
            page.faint(&format!("      {line}"));
        }
    }
}
