//! `countersign quickstart`.

use std::path::PathBuf;

use serde::Serialize;
use tokio::sync::oneshot;

use super::Context;
use super::up::stop_signal;
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::output::{Output, Page, View};
use crate::quickstart::{Cast, Folder, play, prove};
use crate::wire::Daemon;

/// Shows the whole of it in one command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The working folder; an earlier quickstart's is replaced
    #[arg(long, value_name = "DIR", default_value = "countersign-quickstart")]
    folder: PathBuf,
    /// Keep the gateway running afterwards, for a client of your own
    #[arg(long)]
    serve: bool,
    /// The port to listen on; 0 = any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let output = &context.output;
    let folder = Folder::make(&args.folder, args.port)?;
    let config = Config::load(&folder.configuration())?;
    let daemon = Daemon::start(&config).await?;
    let url = format!("http://{}", daemon.address);
    output.show(&Begun { folder: folder.path().to_path_buf(), url: url.clone() })?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(daemon.serve(async move {
        let _ = stopped.await;
    }));
    let cast = Cast {
        url: url.clone(),
        agent: folder.token("agent")?,
        host: folder.token("host")?,
        approver: folder.token("approver")?,
        operator: folder.token("operator")?,
    };
    let played = play(&cast, output).await;
    let good = match &played {
        Ok((session, _)) => prove(&folder, &config, session, output).await?,
        Err(_) => false,
    };
    if args.serve && played.is_ok() {
        output.show(&Serving { url, folder: folder.path().to_path_buf() })?;
        stop_signal()?.await;
    }
    let _ = stop.send(());
    serving.await.map_err(|error| CommandError::bug("the gateway stopped on a fault").cause(&error))??;
    let (_, scenes) = played?;
    let decided = scenes.iter().all(|scene| scene.decision == scene.expected);
    Ok(end(output, good, decided))
}

fn end(output: &Output, good: bool, decided: bool) -> Exit {
    if !decided {
        output.warn("not every decision was the one this story is about");
    }
    if !good {
        output.warn("not every receipt verified");
    }
    if good && decided { Exit::Ok } else { Exit::No }
}

#[derive(Serialize)]
struct Begun {
    folder: PathBuf,
    url: String,
}

impl View for Begun {
    fn show(&self, page: &mut Page) {
        page.heading("An agent's tool calls go through Countersign to real MCP servers");
        page.pair("gateway", &format!("{}/mcp", self.url));
        page.pair(
            "folder",
            &format!("{} (configuration, policy, keys, tokens, ledger)", self.folder.display()),
        );
        page.blank();
    }
}

#[derive(Serialize)]
struct Serving {
    url: String,
    folder: PathBuf,
}

impl View for Serving {
    fn show(&self, page: &mut Page) {
        let folder = self.folder.display();
        page.blank();
        page.heading("The gateway goes on; stop it with ctrl-c");
        page.line(&format!("Claude Code:  claude mcp add --transport http desk {}/mcp --header \"Authorization: Bearer $(cat {folder}/tokens/agent)\"", self.url));
        page.line("Cursor, VS Code and others: in their MCP settings");
        page.line(&format!(
            "  {{\"mcpServers\": {{\"desk\": {{\"url\": \"{}/mcp\", \"headers\": {{\"Authorization\": \"Bearer <{folder}/tokens/agent>\"}}}}}}}}",
            self.url
        ));
        page.pair(
            "policy",
            &format!("{folder}/policies/desk.yaml (change it: it is read again within a second)"),
        );
        page.pair("approve", &format!("countersign --config {folder}/countersign.yaml approvals list --token-file {folder}/tokens/approver --url {}", self.url));
        page.blank();
        page.warning("Not covered: what does not pass this gateway. An agent's built-in shell, editor and browser act without it; take them away or wrap them.");
    }
}
