//! `countersign up`.

use std::path::PathBuf;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use super::policy::unasked;
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies;
use crate::wire::Daemon;

/// Runs the gateway.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) async fn run(_: Args, context: &Context) -> Result<Exit, CommandError> {
    let config = context.config()?;
    context.output.start_log();
    let daemon = Daemon::start(&config).await?;
    let shutdown = stop_signal()?;
    context.output.show(&Started::of(&daemon, &config))?;
    daemon.serve(shutdown).await?;
    context.output.note("Stopped.");
    Ok(Exit::Ok)
}

/// Resolves when the process is told to stop.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, CommandError> {
    let listen =
        |kind| signal(kind).map_err(|error| CommandError::bug("signals cannot be listened to").cause(&error));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new call is taken in");
    })
}

/// What a started daemon says of itself.
#[derive(Serialize)]
struct Started {
    version: &'static str,
    url: String,
    mcp: String,
    socket: Option<PathBuf>,
    key_id: String,
    policy: Policy,
    recovered: Recovered,
    halts: usize,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Policy {
    id: String,
    version: String,
    digest: String,
    rules: usize,
}

/// Actions that the last stop left open.
#[derive(Serialize)]
struct Recovered {
    unknown: usize,
    waiting: usize,
}

impl Started {
    fn of(daemon: &Daemon, config: &Config) -> Self {
        let governing = daemon.engine.governing();
        let reference = governing.policy.reference();
        let url = format!("http://{}", daemon.address);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            mcp: format!("{url}/mcp"),
            url,
            socket: config.socket.clone(),
            key_id: daemon.key_id.clone(),
            policy: Policy {
                id: reference.id.to_string(),
                version: reference.version.to_string(),
                digest: reference.digest.to_string(),
                rules: governing.policy.rules().len(),
            },
            recovered: Recovered { unknown: daemon.recovered.unknown, waiting: daemon.recovered.waiting },
            halts: governing.environment.halts.len(),
            warnings: warnings(config, &governing.policy),
        }
    }
}

fn warnings(config: &Config, policy: &countersign_core::policy::PolicySet) -> Vec<String> {
    let same_user = config.same_user().map(same_user);
    let odd = config.oddities.iter().map(ToString::to_string);
    let groups = policies::unknown_groups(policy, config.groups()).into_iter().map(unasked);
    same_user.chain(odd).chain(groups).collect()
}

/// In words, that an agent could forge its own evidence.
pub(super) fn same_user(local: &countersign_gateway::settings::LocalIdentity) -> String {
    format!(
        "the agent {} runs as this daemon's own user ({}): it could read the keys and forge its own evidence. Its receipts \
         say `enforcement: same-user`. Run the daemon as a user of its own.",
        local.agent.id, local.uid
    )
}

impl View for Started {
    fn show(&self, page: &mut Page) {
        page.heading(&format!("countersign {} is up", self.version));
        page.pair("MCP", &format!("{} (all upstreams), {}/NAME (one)", self.mcp, self.mcp));
        page.pair("API", &format!("{}/v1, health at {}/readyz", self.url, self.url));
        if let Some(socket) = &self.socket {
            page.pair("socket", &socket.display().to_string());
        }
        let Policy { id, version, digest, rules } = &self.policy;
        page.pair("policy", &format!("{id} version {version}, {rules} rules, {digest}"));
        page.pair("signing key", &self.key_id);
        let Recovered { unknown, waiting } = self.recovered;
        if unknown + waiting > 0 {
            page.pair(
                "recovered",
                &format!(
                    "{waiting} actions go on waiting; the outcome of {unknown} is unknown, and recorded so"
                ),
            );
        }
        if self.halts > 0 {
            page.warning(&format!(
                "{} halts are in force; `countersign halt --resume` takes one back.",
                self.halts
            ));
        }
        for warning in &self.warnings {
            page.warning(&format!("warning: {warning}"));
        }
    }
}
