//! The command line, as `--help` shows it.

use std::path::PathBuf;

use clap::{ColorChoice, Parser, Subcommand};

use crate::{commands, sample};

/// No action without a countersignature: decides on every tool call of AI agents before it happens, and proves it.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true, after_help = EXITS)]
pub(crate) struct Cli {
    /// The configuration file; paths in it are relative to its folder
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "COUNTERSIGN_CONFIG",
        default_value = "countersign.yaml"
    )]
    pub(crate) config: PathBuf,
    /// Answer in JSON: results on standard output, errors and logs on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done: one file each in `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until it is told to stop
    Up(commands::up::Args),
    /// Stand in front of a stdio server and let the running daemon judge every frame
    Wrap(commands::wrap::Args),
    /// See it all in one command: a gateway, real tool servers, an agent, five decisions, verified receipts
    Quickstart(commands::quickstart::Args),
    /// Turn the MCP servers of Claude, Cursor or VS Code into upstreams
    Import(commands::import::Args),
    /// Make and list the keys that sign receipts
    #[command(subcommand)]
    Keys(commands::keys::Args),
    /// Check, test, explain and format policies
    #[command(subcommand)]
    Policy(commands::policy::Args),
    /// See and review what tools do
    #[command(subcommand)]
    Contract(commands::contract::Args),
    /// Replay recorded sessions under a policy, and write what it rules on each call
    Simulate(commands::simulate::Args),
    /// See and answer what waits for approval
    #[command(subcommand)]
    Approvals(commands::approvals::Args),
    /// Say why an action was refused or waits, and what to do next
    Explain(commands::explain::Args),
    /// Stop (or resume) what agents do
    Halt(commands::halt::Args),
    /// Ask every recorded ruling again: under the policy it was made under, or under another
    Replay(commands::replay::Args),
    /// Read, verify and export receipts
    #[command(subcommand)]
    Receipt(commands::receipt::Args),
    /// Install and show the embedding model
    #[command(subcommand)]
    Model(commands::model::Args),
    /// Fit the thresholds of drift to recorded sessions
    #[command(subcommand)]
    Drift(commands::drift::Args),
    /// Find out what is wrong with this installation
    Doctor(commands::doctor::Args),
    /// Print a completion script for a shell
    Completions(commands::completions::Args),
    /// Serve sample tools over MCP on standard input and output
    #[command(hide = true)]
    SampleServer(sample::Args),
}

const EXITS: &str = "\
Exit codes: 0 done, or yes · 1 the answer is no · 2 command line · 3 configuration or policy · 4 daemon away · \
5 ledger or keys · 70 bug";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
