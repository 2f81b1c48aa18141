//! Listening: one TCP address for MCP and the API, one Unix socket for `wrap`, until told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use tokio::net::TcpListener;

use crate::mcp::server::{Gateway, socket};

/// Where to listen.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Loopback only: nothing here is encrypted.
    pub tcp: SocketAddr,
    /// The Unix socket for `wrap` shims, if any.
    pub socket: Option<PathBuf>,
}

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address is not a loopback one.
    #[error("{0} is not a loopback address, and no TLS is configured")]
    NotLoopback(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address or path.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// Bound sockets, not yet served.
#[derive(Debug)]
pub struct Bound {
    tcp: TcpListener,
    unix: Option<(tokio::net::UnixListener, PathBuf)>,
    /// The address that was bound: with port 0 the system chose one.
    pub address: SocketAddr,
}

impl Listen {
    /// Binds everything, or nothing.
    ///
    /// # Errors
    /// A place that cannot be bound.
    pub async fn bind(&self) -> Result<Bound, RunError> {
        if !self.tcp.ip().is_loopback() {
            return Err(RunError::NotLoopback(self.tcp));
        }
        let failed = |address: String| move |source| RunError::Bind { address, source };
        let tcp = TcpListener::bind(self.tcp).await.map_err(failed(self.tcp.to_string()))?;
        let address = tcp.local_addr()?;
        let unix = match &self.socket {
            Some(path) => {
                let listener = socket::bind(path).await.map_err(failed(path.display().to_string()))?;
                Some((listener, path.clone()))
            }
            None => None,
        };
        Ok(Bound { tcp, unix, address })
    }
}

/// Serves until `shutdown` resolves, then ends all upstream connections.
///
/// # Errors
/// A listener failed.
pub async fn run(
    gateway: Gateway,
    routes: Router,
    bound: Bound,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let engine = gateway.engine().clone();
    let timers = tokio::spawn(async move { engine.run().await });
    let Bound { tcp, unix, .. } = bound;
    let (listener, path) = unix.unzip();
    let shims = listener.map(|listener| tokio::spawn(socket::serve(gateway.clone(), listener)));
    let served = axum::serve(tcp, routes.into_make_service()).with_graceful_shutdown(shutdown);
    let result = served.await;
    timers.abort();
    if let Some(shims) = shims {
        shims.abort();
    }
    if let Some(path) = path {
        let _ = std::fs::remove_file(path);
    }
    gateway.stop().await;
    Ok(result?)
}
