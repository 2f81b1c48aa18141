//! The sample tool server: a small, real MCP server over stdio for the quickstart, the examples and the tests.
//!
//! It serves mail, files and a customer database whose state is plain files in one folder, so that every effect can be
//! seen on disk, by people and by other processes. It knows nothing of Countersign: it does whatever it is told.
//!
//! - `mail`, `files`, `customers`, `credentials`: the tools, one file each; what a tool says of itself stands there.
//! - `call`: how a call is carried out: wait, lock, log, effect, answer.
//! - `state`: the folder, its lock, and durable reads and writes.
//! - `tree`: paths that stay inside a folder.
//! - `seed`: the made-up data that a new folder starts with.

mod call;
mod credentials;
mod customers;
mod files;
mod mail;
mod seed;
mod state;
mod tree;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, ServiceExt, tool_handler};

use call::CallLog;
use state::Root;

/// What the sample server is started with.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder that holds the state; made, and filled with sample data, where it is absent
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,
    /// Serve one part only
    #[arg(long, value_enum, value_name = "PART")]
    pub(crate) only: Option<Part>,
    /// Append one JSON line per executed call to FILE, on disk before the call has any effect
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

/// A group of tools that can be served by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// `send_mail`, `list_mail`, `read_mail`.
    Mail,
    /// `read_file`, `write_file`, `list_files`, `delete_file`.
    Files,
    /// `query_customers`, `get_customer`, `delete_customer`, `rotate_credential`, `list_credentials`.
    Database,
}

/// Why the sample server did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SampleError {
    /// The state folder cannot be made, locked or filled.
    #[error("sample-server: cannot prepare the folder `{}` given by --root", folder.display())]
    Root {
        /// The folder as given.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The call log cannot be opened for appending.
    #[error("sample-server: cannot append to `{}` given by --log", file.display())]
    Log {
        /// The file as given.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The client's first messages were not a start of MCP, or it left during them.
    #[error("sample-server: the client on standard input did not complete the MCP handshake")]
    Handshake(#[source] Box<rmcp::service::ServerInitializeError>),
    /// The task that serves the connection was lost.
    #[error("sample-server: serving ended unexpectedly")]
    Serving(#[from] tokio::task::JoinError),
}

/// Serves MCP on standard input and output until the client closes them.
pub(crate) async fn run(args: Args) -> Result<(), SampleError> {
    let server = Server::new(args)?;
    let connection = server
        .serve(rmcp::transport::stdio())
        .await
        .map_err(|error| SampleError::Handshake(Box::new(error)))?;
    connection.waiting().await?;
    Ok(())
}

/// One server process: which tools it serves, over which folder, logging where.
#[derive(Clone)]
struct Server {
    root: Arc<Root>,
    log: Option<Arc<CallLog>>,
    tools: ToolRouter<Self>,
}

impl Server {
    fn new(args: Args) -> Result<Self, SampleError> {
        let Args { root: folder, only, log } = args;
        let serves = |part| only.is_none_or(|one| one == part);

        let root = Root::open(&folder)
            .and_then(|root| root.prepare(|change| seed::fill(change, serves)).map(|()| root))
            .map_err(|source| SampleError::Root { folder, source })?;
        let log = log
            .map(|file| CallLog::open(&file).map_err(|source| SampleError::Log { file, source }))
            .transpose()?;

        let mut tools = ToolRouter::new();
        if serves(Part::Mail) {
            tools += Self::mail_tools();
        }
        if serves(Part::Files) {
            tools += Self::file_tools();
        }
        if serves(Part::Database) {
            tools += Self::customer_tools() + Self::credential_tools();
        }
        Ok(Self { root: Arc::new(root), log: log.map(Arc::new), tools })
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("countersign-sample", env!("CARGO_PKG_VERSION")))
            .with_instructions(
                "A sample office: a mailbox, a folder of text files and a customer database, all made up. \
                 Effects are real inside the server's folder and reach nobody outside.",
            )
    }
}
