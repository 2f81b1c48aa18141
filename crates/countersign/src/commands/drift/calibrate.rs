//! `countersign drift calibrate`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_connect::embed::{self, OpenError, files::FilesError};
use countersign_core::drift::{ProfileName, Thresholds};
use countersign_engine::ports::{Embedder, Query};
use countersign_store::DisclosureKey;
use serde::Serialize;

use super::rates::{Measure, Rate, Wanted};
use super::sessions::{Measured, Sessions};
use crate::commands::{Context, keys, model, receipt};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// Fewer sessions than this say little about one in a hundred.
const FEW: usize = 100;

/// What to calibrate.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind of agent whose starting thresholds are shown beside
    #[arg(long, value_name = "NAME", default_value = "support", value_parser = profile)]
    profile: ProfileName,
    /// The ledger, instead of the one in the configuration
    #[arg(long, value_name = "FILE", requires = "keys")]
    ledger: Option<PathBuf>,
    /// The key folder that opens it, instead of the one in the configuration
    #[arg(long, value_name = "DIR", requires = "ledger")]
    keys: Option<PathBuf>,
    /// The embedding model's folder, instead of what `drift.model` names, or `model` beside the ledger
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Alert of at most so many honest sessions, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    alert: u32,
    /// Step up in at most so many honest sessions, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    step_up: u32,
}

/// Where everything is.
struct Places {
    ledger: PathBuf,
    keys: PathBuf,
    model: PathBuf,
}

impl Args {
    fn places(&self, context: &Context) -> Result<Places, CommandError> {
        let (ledger, keys) = match (&self.ledger, &self.keys) {
            (Some(ledger), Some(keys)) => (ledger.clone(), keys.clone()),
            _ => {
                let config = context.config()?;
                let model = self.model.clone().unwrap_or_else(|| model::place(&config));
                return Ok(Places { ledger: config.store, keys: config.keys, model });
            }
        };
        let model = self.model.clone().unwrap_or_else(|| model::beside(&ledger));
        Ok(Places { ledger, keys, model })
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let places = args.places(context)?;
    let key = DisclosureKey::open(&places.keys).map_err(|error| keys::unusable(&error))?;
    let ledger = receipt::open_at(&places.ledger, Some(&key))?;
    let (embedder, missing) = match embedder(&places.model, args.model.is_some())? {
        Ok(embedder) => (Some(embedder), None),
        Err(why) => (None, Some(why.to_string())),
    };
    let model = embedder.as_ref().map(|embedder| embedder.model_hash().to_owned());
    let mut sessions = Sessions::new(embedder);
    receipt::each(&ledger, Query::default(), |stored| sessions.take(stored)).await?;
    let measured = sessions.measured();
    if measured.is_empty() {
        let said = format!(
            "the ledger has no session with the user's request and an action that was let through ({} sessions without a request)",
            sessions.without_request
        );
        return Err(CommandError::no(said).hint("hosts give requests: POST /v1/sessions, `original_request`"));
    }
    let (lexical, embedded) = (lexical(&measured, &args), embedded(&measured, &args, model));
    let cusum = cusum(&measured, &args);
    let calibrated = Calibrated {
        configuration: configuration(
            args.profile,
            &places.model,
            [&lexical, &embedded].map(Option::as_ref),
            cusum.as_ref(),
        ),
        profile: args.profile,
        sessions: measured.len(),
        without_request: sessions.without_request,
        without_arguments: sessions.without_arguments,
        missing,
        lexical,
        embedded,
        cusum,
    };
    context.output.show(&calibrated)?;
    Ok(Exit::Ok)
}

/// The model, or why there is none. One that was named has to be there.
fn embedder(folder: &Path, named: bool) -> Result<Result<Arc<dyn Embedder>, OpenError>, CommandError> {
    match embed::open(folder) {
        Ok(embedder) => Ok(Ok(embedder)),
        Err(error @ (OpenError::NotBuilt | OpenError::Files(FilesError::Missing(_)))) if !named => {
            Ok(Err(error))
        }
        Err(error) => Err(CommandError::usage("the embedding model cannot be used")
            .cause(&error)
            .hint("`countersign model show` says what is there, `countersign model install` puts it there")),
    }
}

fn lexical(sessions: &[Measured], args: &Args) -> Option<Fit> {
    let starting = args.profile.lexical();
    let each = sessions.iter().map(|session| {
        session
            .distances
            .iter()
            .filter(|distance| distance.effectful)
            .map(|distance| distance.lexical)
            .collect()
    });
    Fit::of("lexical", &each.collect::<Vec<_>>(), args, starting, None)
}

fn embedded(sessions: &[Measured], args: &Args, model: Option<String>) -> Option<Fit> {
    let starting = args.profile.embedded();
    let each = sessions.iter().map(|session| session.distances.iter().filter_map(|d| d.embedded).collect());
    Fit::of("embedded", &each.collect::<Vec<_>>(), args, starting, Some(model?))
}

fn cusum(sessions: &[Measured], args: &Args) -> Option<Measure> {
    let each: Vec<_> = sessions.iter().map(|session| vec![session.cusum]).collect();
    Measure::of("cumulative sum", &each, args.wanted(), &[args.profile.cusum()])
}

impl Args {
    const fn wanted(&self) -> Wanted {
        Wanted { alert: self.alert * 100, step_up: self.step_up * 100 }
    }
}

fn profile(written: &str) -> Result<ProfileName, String> {
    let names = ProfileName::ALL.map(ProfileName::as_str).join(", ");
    ProfileName::parse(written).ok_or_else(|| format!("it is one of {names}"))
}

/// One kind of distance, with the thresholds that it starts from and those that fit.
#[derive(Serialize)]
struct Fit {
    measure: Measure,
    starting: Thresholds,
    /// As configuration takes them; `None` where no threshold keeps to the rates that were asked for.
    fitted: Option<Thresholds>,
}

impl Fit {
    fn of(
        name: &'static str,
        sessions: &[Vec<u32>],
        args: &Args,
        starting: Thresholds,
        model: Option<String>,
    ) -> Option<Self> {
        // Sessions that have none of these distances raise no alarm and say nothing about how many would.
        let sessions: Vec<_> = sessions.iter().filter(|session| !session.is_empty()).cloned().collect();
        let measure = Measure::of(name, &sessions, args.wanted(), &[starting.alert, starting.step_up])?;
        let (alert, step_up) = (measure.fitted.alert, measure.fitted.step_up);
        let fitted = (step_up <= 10_000).then_some(Thresholds { alert, step_up, model });
        Some(Self { measure, starting, fitted })
    }
}

#[derive(Serialize)]
struct Calibrated {
    profile: ProfileName,
    sessions: usize,
    without_request: usize,
    without_arguments: usize,
    /// Why there are no embedded distances.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
    lexical: Option<Fit>,
    embedded: Option<Fit>,
    cusum: Option<Measure>,
    /// The block `drift` of the configuration, with what fits; what does not is left out and starts where the profile does.
    configuration: String,
}

fn configuration(
    profile: ProfileName,
    model: &Path,
    [lexical, embedded]: [Option<&Fit>; 2],
    cusum: Option<&Measure>,
) -> String {
    let mut lines = vec!["drift:".to_owned(), format!("  profile: {}", profile.as_str())];
    // A path in JSON's quotes is the same in YAML, whatever is in it.
    let path = serde_json::Value::from(model.display().to_string());
    lines.extend(embedded.map(|_| format!("  model: {path}")));
    let block = |name: &str, fit: Option<&Fit>| {
        let fitted = fit?.fitted.as_ref()?;
        let (alert, step_up) = (fitted.alert.min(fitted.step_up), fitted.step_up);
        let model = fitted.model.as_ref().map_or_else(String::new, |model| format!(", model: \"{model}\""));
        Some(format!("  {name}: {{ alert: {alert}, step_up: {step_up}{model} }}"))
    };
    lines.extend(block("lexical", lexical));
    lines.extend(block("embedded", embedded));
    let alert = cusum.map(|cusum| cusum.fitted.alert).filter(|alert| *alert <= 10_000);
    lines.extend(alert.map(|alert| format!("  cumulative: {{ alert: {alert} }}")));
    lines.join("\n")
}

impl View for Calibrated {
    fn show(&self, page: &mut Page) {
        page.heading(&format!("{} sessions with a request and actions that were let through", self.sessions));
        page.faint("They are taken as honest: every alarm counted here is taken as a false one.");
        if self.without_request > 0 {
            page.line(&format!("Left out: {} sessions without a request.", self.without_request));
        }
        if self.without_arguments > 0 {
            page.line(&format!("Left out: {} actions whose arguments are closed.", self.without_arguments));
        }
        if self.sessions < FEW {
            page.warning(&format!(
                "Fewer than {FEW} sessions: read the column AT MOST, and calibrate again when there are more."
            ));
        }
        for fit in [&self.lexical, &self.embedded].into_iter().flatten() {
            page.blank();
            measure(&fit.measure, "effectful actions", page);
            page.pair("starting", &words(&fit.starting));
            let none = "none: even the farthest distance is too common; do not step up on this one";
            page.pair("fitted", &fit.fitted.as_ref().map_or_else(|| none.to_owned(), words));
        }
        if let Some(why) = &self.missing {
            page.blank();
            page.line(&format!("No embedded distances: {why}."));
        }
        if let Some(cusum) = &self.cusum {
            page.blank();
            measure(cusum, "sessions (the highest it stood)", page);
            page.pair("starting", &format!("alert at {}", self.profile.cusum()));
            page.pair("fitted", &format!("alert at {}", cusum.fitted.alert));
        }
        page.blank();
        page.heading("For countersign.yaml");
        self.configuration.lines().for_each(|line| page.line(line));
    }
}

fn words(thresholds: &Thresholds) -> String {
    let model = thresholds.model.as_ref().map_or_else(String::new, |model| format!(", of model {model}"));
    format!("alert at {}, step up or defer at {}{model}", thresholds.alert, thresholds.step_up)
}

fn measure(measure: &Measure, of: &str, page: &mut Page) {
    page.heading(&format!("{}, {} {of}", measure.name, measure.count));
    let quantile = |(hundredths, distance): &(usize, u32)| format!("{hundredths} %: {distance}");
    page.pair("quantiles", &measure.quantiles.iter().map(quantile).collect::<Vec<_>>().join("  "));
    let row = |rate: &Rate| {
        let [actions, sessions, most] =
            [rate.of_actions, rate.of_sessions, rate.of_sessions_at_most].map(percent);
        [rate.threshold.to_string(), actions, sessions, most]
    };
    page.table(["THRESHOLD", "OF ALL", "OF SESSIONS", "AT MOST"], measure.rates.iter().map(row));
}

fn percent(points: u32) -> String {
    format!("{}.{}%", points / 100, points % 100 / 10)
}
