//! `countersign wrap`: a shim in front of any stdio server.
//!
//! It starts the server itself, under its own user, and relays every frame both ways to the running daemon,
//! which judges. It has no store, key or policy of its own, and refuses when the daemon is away.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use countersign_gateway::mcp::server::socket::{Greeting, Side, Welcome};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};

use super::Context;
use crate::error::{CommandError, Exit};

/// How long the daemon may take to answer a greeting.
const GREETING: Duration = Duration::from_secs(10);
/// How long a server may take to end when its input has ended.
const LEAVE: Duration = Duration::from_secs(2);

/// What to wrap.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The upstream, as the configuration declares it with `wrapped: true`
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The daemon's socket, instead of the configuration's `socket`
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The server and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let path = match &args.socket {
        Some(path) => path.clone(),
        None => context.config()?.socket.ok_or_else(|| {
            CommandError::configuration("the configuration has no `socket`")
                .hint("add `socket: ./countersign.sock`, or name one with --socket")
        })?,
    };
    let pair = uuid::Uuid::new_v4().simple().to_string();
    let (client_read, client_write) = greet(&path, &args.name, Side::Client, &pair).await?;
    let (server_read, server_write) = greet(&path, &args.name, Side::Server, &pair).await?;
    let mut child = start(&args.command)?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(CommandError::bug("the server was started without pipes"));
    };
    let relays = [
        tokio::spawn(copy(tokio::io::stdin(), client_write)),
        tokio::spawn(copy(client_read, tokio::io::stdout())),
        tokio::spawn(copy(output, server_write)),
        tokio::spawn(copy(server_read, input)),
    ];
    // When any of the four ways ends, the whole has ended.
    let [a, b, c, d] = relays;
    tokio::select! { _ = a => {}, _ = b => {}, _ = c => {}, _ = d => {}, _ = child.wait() => {} }
    end(&mut child).await;
    // Standard input is read on a thread of its own, which nothing can wake: the process ends with it.
    std::process::exit(i32::from(Exit::Ok as u8));
}

async fn greet(
    path: &Path,
    name: &str,
    side: Side,
    pair: &str,
) -> Result<(OwnedReadHalf, OwnedWriteHalf), CommandError> {
    let away = |error: &dyn std::error::Error| {
        CommandError::away(format!("the daemon does not answer at {}", path.display()))
            .cause(error)
            .hint("start it with `countersign up`; without it nothing is let through")
    };
    let stream = UnixStream::connect(path).await.map_err(|error| away(&error))?;
    let (mut read, mut write) = stream.into_split();
    let greeting = Greeting { name: name.to_owned(), side, pair: pair.to_owned() };
    let mut line = serde_json::to_vec(&greeting).map_err(|error| away(&error))?;
    line.push(b'\n');
    write.write_all(&line).await.map_err(|error| away(&error))?;
    let answer = tokio::time::timeout(GREETING, line_of(&mut read)).await;
    let answer = answer.map_err(|error| away(&error))?.map_err(|error| away(&error))?;
    match serde_json::from_slice(&answer) {
        Ok(Welcome::Welcome) => Ok((read, write)),
        Ok(Welcome::Refused(reason)) => {
            Err(CommandError::configuration(format!("the daemon refuses: {reason}")))
        }
        Err(error) => Err(away(&error)),
    }
}

/// One line, and not a byte more: what follows belongs to the frames.
async fn line_of(read: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        match read.read_u8().await? {
            b'\n' => return Ok(line),
            byte if line.len() < 4096 => line.push(byte),
            _ => return Err(std::io::ErrorKind::InvalidData.into()),
        }
    }
}

/// In a process group of its own, so that it can be ended as a whole; the user's own environment is kept.
fn start(command: &[String]) -> Result<Child, CommandError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(CommandError::usage("there is no command to wrap"));
    };
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| CommandError::usage(format!("{program} does not start")).cause(&error))
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer).await else { return };
        let Some(bytes) = buffer.get(..n) else { return };
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

async fn end(child: &mut Child) {
    let Some(group) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) else {
        return;
    };
    if tokio::time::timeout(LEAVE, child.wait()).await.is_err() {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = child.wait().await;
    }
}
