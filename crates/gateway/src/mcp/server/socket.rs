//! The Unix socket behind `countersign wrap`.
//!
//! A shim starts the real server itself, under its own user, and relays frames both ways. It makes two
//! connections, each begun by one line of greeting: over one the daemon is the client's MCP server, over the
//! other it is the wrapped server's MCP client. So every frame passes the daemon, and the shim decides nothing.
//! Who calls is told by the kernel (peer credentials) and the configuration's mapping.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_engine::{Caller, Refusal};
use countersign_receipt::v1::{Enforcement, Face};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

use super::dispatch::{self, Back, Client, InFlight};
use super::{Gateway, Route, answer, identity, locked};
use crate::mcp::envelope::{self, Message, Peer};
use crate::mcp::upstream::{CALL_LIMIT, Connection, ConnectionLimits, Owner, START_LIMIT};
use crate::settings::LocalIdentity;

/// How long a greeting, or the second connection of a pair, may take.
const GREETING: Duration = Duration::from_secs(10);
/// The longest greeting, in bytes.
const GREETING_BYTES: u64 = 4096;
/// Messages on their way to a client.
const OUTBOX: usize = 64;

/// The first line of each connection of a shim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    /// The upstream, as the configuration declares it.
    pub name: String,
    /// What this connection carries.
    pub side: Side,
    /// What the two connections of one shim have in common; random.
    pub pair: String,
}

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Frames from and to the MCP client.
    Client,
    /// Frames from and to the wrapped server.
    Server,
}

/// The daemon's answer to a greeting, one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Welcome {
    /// Go on.
    Welcome,
    /// The connection is closed, for this reason.
    Refused(String),
}

type Halves = (BufReader<OwnedReadHalf>, OwnedWriteHalf);
type Pairs = Arc<Mutex<HashMap<(u32, String), oneshot::Sender<Halves>>>>;

/// Binds the socket, readable and writable by its owner and group. A socket that nobody listens on is replaced.
///
/// # Errors
/// The place is taken by something else, or by a daemon that is alive.
pub async fn bind(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        let taken = |message| std::io::Error::new(std::io::ErrorKind::AddrInUse, message);
        if !metadata.file_type().is_socket() {
            return Err(taken("the place of the socket is taken by something else"));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(taken("another daemon listens on this socket"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves shims until the listener fails.
///
/// # Errors
/// The listener failed.
pub async fn serve(gateway: Gateway, listener: UnixListener) -> std::io::Result<()> {
    let pairs = Pairs::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let (gateway, pairs) = (gateway.clone(), Arc::clone(&pairs));
        tokio::spawn(async move {
            if let Err(error) = greet(&gateway, &pairs, stream).await {
                tracing::debug!(%error, "a shim's connection ended");
            }
        });
    }
}

async fn greet(gateway: &Gateway, pairs: &Pairs, stream: UnixStream) -> std::io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    let mut bounded = (&mut read).take(GREETING_BYTES);
    tokio::time::timeout(GREETING, bounded.read_line(&mut line))
        .await
        .map_err(|_| std::io::ErrorKind::TimedOut)??;
    let (caller, greeting) = match admit(gateway, uid, &line) {
        Ok(admitted) => admitted,
        Err(reason) => return say(&mut write, &Welcome::Refused(reason)).await,
    };
    let key = (uid, greeting.pair.clone());
    match greeting.side {
        Side::Server => {
            let Some(waiting) = locked(pairs).remove(&key) else {
                return say(&mut write, &Welcome::Refused("greet with the client side first".into())).await;
            };
            say(&mut write, &Welcome::Welcome).await?;
            let _ = waiting.send((read, write));
            Ok(())
        }
        Side::Client => {
            let (given, server) = oneshot::channel();
            locked(pairs).insert(key.clone(), given);
            say(&mut write, &Welcome::Welcome).await?;
            let server = tokio::time::timeout(GREETING, server).await;
            locked(pairs).remove(&key);
            match server {
                Ok(Ok(server)) => relay(gateway, caller, &greeting.name, (read, write), server).await,
                _ => Err(std::io::ErrorKind::TimedOut.into()),
            }
        }
    }
}

/// Who greets, and what for.
fn admit(gateway: &Gateway, uid: u32, line: &str) -> Result<(Caller, Greeting), String> {
    let greeting: Greeting =
        serde_json::from_str(line).map_err(|_| "the greeting is malformed".to_owned())?;
    let settings = gateway.settings();
    match settings.upstreams.get(&greeting.name) {
        Some(upstream) if upstream.connection.is_none() => {}
        Some(_) => return Err(format!("the upstream {} is not declared as `wrapped: true`", greeting.name)),
        None => return Err(format!("the configuration declares no upstream {}", greeting.name)),
    }
    let local: &LocalIdentity =
        settings.local.iter().find(|local| local.uid == uid).ok_or_else(|| {
            format!("the configuration maps nobody to the local user {uid} (identity.local)")
        })?;
    let same_user = uid == settings.own_uid;
    let caller = Caller {
        identity: identity(&local.human, &local.service, &local.agent, "peer-credentials"),
        face: Face::Unix,
        enforcement: if same_user { Enforcement::SameUser } else { Enforcement::Enforced },
    };
    Ok((caller, greeting))
}

async fn say(write: &mut OwnedWriteHalf, welcome: &Welcome) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(welcome)?;
    line.push(b'\n');
    write.write_all(&line).await
}

/// Relays one shim: judged frames from the client to the wrapped server and back.
async fn relay(
    gateway: &Gateway,
    caller: Caller,
    name: &str,
    (client_read, client_write): Halves,
    (server_read, server_write): Halves,
) -> std::io::Result<()> {
    let session = gateway
        .engine()
        .window(&caller)
        .await
        .map_err(|refusal| std::io::Error::other(format!("no session: {}", refusal.reason)))?;
    gateway.remember(&session, &caller);
    let owner: Owner = super::owner(&caller, &session);
    let limits = ConnectionLimits {
        upstream: name.into(),
        start_limit: START_LIMIT,
        call_limit: CALL_LIMIT,
        max_response_bytes: envelope::DEFAULT_LIMIT,
    };
    let hub = gateway.0.pool.hub();
    let connection = Connection::over(server_read, server_write, limits, Some(owner), hub)
        .await
        .map_err(std::io::Error::other)?;
    let route = Route { upstream: Some(name.into()), wrapped: Some(Arc::new(connection)) };
    let (outbox, frames) = mpsc::channel::<Vec<u8>>(OUTBOX);
    let writer = tokio::spawn(write_frames(client_write, frames));
    let limit = gateway.settings().max_body;
    let mut lines = FramedRead::new(client_read, LinesCodec::new_with_max_length(limit));
    let in_flight = InFlight::default();
    let mut answering = JoinSet::new();
    while let Some(line) = lines.next().await {
        while answering.try_join_next().is_some() {}
        // A further call may come when the window session has ended by idleness.
        let session = match gateway.engine().window(&caller).await {
            Ok(session) => session,
            Err(refusal) => {
                let _ = outbox.send(unrecorded(line.as_deref().unwrap_or_default(), &refusal)).await;
                continue;
            }
        };
        let request = Line {
            gateway: gateway.clone(),
            route: route.clone(),
            caller: caller.clone(),
            session,
            in_flight: in_flight.clone(),
            outbox: outbox.clone(),
        };
        match line {
            Ok(line) => answering.spawn(request.answer(line)),
            Err(error) => {
                request.refuse(&unreadable(&error, limit)).await;
                break;
            }
        };
    }
    // The client is gone: what merely waits is left to a retry, what runs is recorded by its own task.
    answering.shutdown().await;
    drop(outbox);
    if let Some(connection) = &route.wrapped {
        connection.close().await;
    }
    let _ = writer.await;
    Ok(())
}

struct Line {
    gateway: Gateway,
    route: Route,
    caller: Caller,
    session: countersign_core::names::SessionId,
    in_flight: InFlight,
    outbox: mpsc::Sender<Vec<u8>>,
}

impl Line {
    async fn answer(self, line: String) {
        let limit = self.gateway.settings().max_body;
        let back = match envelope::parse(line.as_bytes(), Peer::Client, limit) {
            Ok(message) => self.gateway.dispatch(self.client(), message).await,
            Err(fault) => self.gateway.refuse_fault(&self.client(), &fault).await,
        };
        self.send(back).await;
    }

    /// Refuses what is no line.
    async fn refuse(self, why: &str) {
        let back = self.gateway.refuse_message(&self.client(), "message", None, why).await;
        self.send(back).await;
    }

    fn client(&self) -> Client<'_> {
        Client {
            route: &self.route,
            caller: &self.caller,
            session: &self.session,
            in_flight: Some(&self.in_flight),
            notices: Some(self.outbox.clone()),
        }
    }

    async fn send(&self, back: Back) {
        if let Back::Answer(bytes) | Back::Refused(bytes) = back {
            let _ = self.outbox.send(bytes).await;
        }
    }
}

/// Why nothing more can be read.
fn unreadable(error: &LinesCodecError, limit: usize) -> String {
    match error {
        LinesCodecError::MaxLineLengthExceeded => format!("the message is longer than {limit} bytes"),
        LinesCodecError::Io(error) => format!("the message cannot be read: {}", error.kind()),
    }
}

/// What could not even be recorded (`R1.closed`).
fn unrecorded(line: &str, refusal: &Refusal) -> Vec<u8> {
    let id = match envelope::parse(line.as_bytes(), Peer::Client, line.len()) {
        Ok(Message::Request { id, .. }) => Some(id.raw()),
        _ => None,
    };
    let data = super::raw(&serde_json::json!({ answer::META: { "decision": "DENY", "receipt": null } }));
    envelope::error(id, dispatch::INTERNAL, &refusal.reason, Some(&data))
}

async fn write_frames(mut write: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut frame) = frames.recv().await {
        frame.push(b'\n');
        if write.write_all(&frame).await.is_err() {
            return;
        }
    }
}
