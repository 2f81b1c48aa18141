//! How to reach a server, and its limits. Values that may be secret are never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::mcp::envelope;

/// How long a server may take to start where the configuration does not say.
pub const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a call may take where the configuration does not say.
pub const CALL_LIMIT: Duration = Duration::from_secs(60);

/// One upstream, as the configuration declares it.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Its name in policies and receipts.
    pub name: String,
    /// How it is reached.
    pub kind: UpstreamKind,
    /// Classifications that its outputs carry.
    pub labels: Vec<String>,
    /// How long it may take from the start to the end of the handshake.
    pub start_limit: Duration,
    /// How long one call may take.
    pub call_limit: Duration,
    /// The longest message taken from it, in bytes.
    pub max_response_bytes: usize,
    /// Whether one connection serves all principals: only for servers that keep no state.
    pub shared: bool,
}

/// How a server is reached.
#[derive(Clone)]
pub enum UpstreamKind {
    /// A child process that speaks on its standard input and output.
    Stdio {
        /// The program and its arguments.
        command: Vec<String>,
        /// Environment variables, beside `PATH`, `HOME`, `TMPDIR` and `LANG` of the daemon.
        env: BTreeMap<String, String>,
        /// The working directory.
        cwd: PathBuf,
    },
    /// A Streamable HTTP endpoint.
    Http {
        /// Its address, `http` or `https`.
        url: String,
        /// Headers sent with every request.
        headers: BTreeMap<String, String>,
    },
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("upstream `{upstream}`: {problem}")]
pub struct ConfigError {
    /// The upstream's name.
    pub upstream: String,
    /// What is wrong with it; names settings, never values.
    pub problem: String,
}

/// Headers that are the transport's own.
const RESERVED: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

impl UpstreamConfig {
    /// An upstream with the default limits: 60 s to start, 60 s a call, 4 MiB a message, one connection per
    /// owner.
    pub fn new(name: &str, kind: UpstreamKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            labels: Vec::new(),
            start_limit: START_LIMIT,
            call_limit: CALL_LIMIT,
            max_response_bytes: envelope::DEFAULT_LIMIT,
            shared: false,
        }
    }

    /// Refuses what could only fail later: an empty name or command, a bad address, reserved or malformed
    /// headers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let problem = if self.name.is_empty() {
            Some("the name is empty".to_owned())
        } else if self.start_limit.is_zero() || self.call_limit.is_zero() || self.max_response_bytes == 0 {
            Some("a limit is zero".to_owned())
        } else {
            match &self.kind {
                UpstreamKind::Stdio { command, env, .. } => stdio_problem(command, env),
                UpstreamKind::Http { url, headers } => {
                    parse_url(url).and_then(|_| parse_headers(headers)).err()
                }
            }
        };
        match problem {
            Some(problem) => Err(ConfigError { upstream: self.name.clone(), problem }),
            None => Ok(()),
        }
    }
}

fn stdio_problem(command: &[String], env: &BTreeMap<String, String>) -> Option<String> {
    if command.first().is_none_or(String::is_empty) {
        return Some("the command is empty".to_owned());
    }
    if command.iter().any(|argument| argument.contains('\0')) {
        return Some("the command has a NUL character".to_owned());
    }
    let bad = |(name, value): &(&String, &String)| {
        name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
    };
    env.iter().find(bad).map(|(name, _)| {
        format!("the environment variable {name:?} cannot be set; its name or value is malformed")
    })
}

pub(super) fn parse_url(url: &str) -> Result<reqwest::Url, String> {
    let url: reqwest::Url = url.parse().map_err(|_| "`url` is not an address".to_owned())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err("`url` must start with http:// or https:// and name a host".to_owned()),
    }
}

pub(super) fn parse_headers(headers: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("the header name {name:?} is malformed"))?;
        if RESERVED.contains(&parsed.as_str()) {
            return Err(format!("the header `{name}` belongs to the transport and cannot be set"));
        }
        let mut value =
            HeaderValue::from_str(value).map_err(|_| format!("the value of header `{name}` is malformed"))?;
        value.set_sensitive(true);
        map.insert(parsed, value);
    }
    Ok(map)
}

/// Shows the program and the names of variables and headers only: arguments and values may be secrets.
impl fmt::Debug for UpstreamKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio { command, env, cwd } => out
                .debug_struct("Stdio")
                .field("program", &command.first())
                .field("env", &env.keys().collect::<Vec<_>>())
                .field("cwd", cwd)
                .finish_non_exhaustive(),
            Self::Http { url, headers } => out
                .debug_struct("Http")
                .field("origin", &parse_url(url).map(|url| url.origin().ascii_serialization()))
                .field("headers", &headers.keys().collect::<Vec<_>>())
                .finish_non_exhaustive(),
        }
    }
}
