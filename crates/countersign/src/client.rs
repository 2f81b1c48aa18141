//! Asking the running daemon over HTTP, as people and scripts do.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::commands::Context;
use crate::error::CommandError;
use crate::secrets;

const PATIENCE: Duration = Duration::from_secs(15);

/// Where the daemon is and who asks.
#[derive(Debug, clap::Args)]
pub(crate) struct Asking {
    /// A file with your token
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_TOKEN_FILE")]
    token_file: PathBuf,
    /// Where the daemon is, instead of where the configuration says that it listens
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// A connection to the daemon in somebody's name. Its `Debug` form does not show the token.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

/// An answer that is not an error of ours.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its body; null when it is not JSON.
    pub(crate) body: Value,
    /// Its body to the letter, numbers and order included; `None` when it is not JSON.
    pub(crate) exact: Option<Box<RawValue>>,
}

impl Client {
    /// A client for the one who asks.
    ///
    /// # Errors
    /// The token file cannot be used, or the address is not one that a token may be sent to.
    pub(crate) fn asking(asking: &Asking, context: &Context) -> Result<Self, CommandError> {
        let url = match &asking.url {
            Some(url) => url.clone(),
            None => context.config()?.url(),
        };
        let token = secrets::read_token(&asking.token_file).map_err(|error| {
            CommandError::configuration("the token cannot be used").cause(&error).hint(error.hint())
        })?;
        Self::new(&url, Some(token))
    }

    /// A client for what anybody may ask.
    ///
    /// # Errors
    /// The address is not one.
    pub(crate) fn anonymous(url: &str) -> Result<Self, CommandError> {
        Self::new(url, None)
    }

    fn new(url: &str, token: Option<String>) -> Result<Self, CommandError> {
        let base: Url = url.parse().map_err(|error| {
            CommandError::usage(format!("`{url}` is not the address of a daemon"))
                .cause(&error)
                .hint("write it as http://127.0.0.1:7080")
        })?;
        if token.is_some() && base.scheme() != "https" && !is_local(&base) {
            let said = format!("{url} is reached without TLS, and your token would be seen on the way");
            return Err(
                CommandError::usage(said).hint("use https, or run the command on the daemon's machine")
            );
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(|error| CommandError::bug("the HTTP client does not start").cause(&error))?;
        Ok(Self { http, base, token })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// The daemon is away, refused, or says that it cannot.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, CommandError> {
        self.expect(self.send(Method::GET, path, None).await?)
    }

    /// Says something.
    ///
    /// # Errors
    /// The daemon is away, refused, or says that it cannot.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, CommandError> {
        Ok(self.expect(self.send(Method::POST, path, Some(body)).await?)?.body)
    }

    /// Sends a request and takes any answer.
    ///
    /// # Errors
    /// The daemon is away.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, CommandError> {
        let url =
            self.base.join(path).map_err(|_| CommandError::usage(format!("`{path}` cannot be asked for")))?;
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| self.away(&error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| self.away(&error))?;
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, body, exact: serde_json::from_slice(&bytes).ok() })
    }

    fn expect(&self, answer: Answer) -> Result<Answer, CommandError> {
        let status = answer.status;
        if status.is_success() {
            return if answer.body.is_object() { Ok(answer) } else { Err(self.stranger()) };
        }
        let said = said(&answer.body).unwrap_or_else(|| status.to_string());
        Err(match status {
            StatusCode::UNAUTHORIZED => {
                CommandError::no(format!("the daemon does not know this token: {said}"))
                    .hint("the configuration that the daemon was started with lists the token files")
            }
            StatusCode::FORBIDDEN => CommandError::no(format!("this token may not do that: {said}")),
            status if status.is_client_error() => CommandError::no(format!("the daemon refused: {said}")),
            _ => CommandError::away(format!("the daemon cannot do that now: {said}"))
                .hint("`countersign doctor` looks for the cause"),
        })
    }

    fn away(&self, error: &reqwest::Error) -> CommandError {
        // The error itself would repeat the address; what lies under it says why.
        let failed = CommandError::away(format!("there is no answer from {}", self.address()));
        let failed = match error.source() {
            Some(cause) => failed.cause(cause),
            None => failed.cause(error),
        };
        failed.hint("start the daemon with `countersign up`, or say where it is with --url")
    }

    fn stranger(&self) -> CommandError {
        CommandError::away(format!("what answers at {} is not a Countersign daemon", self.address()))
            .hint("say where the daemon is with --url")
    }

    fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

/// Whether an address is on this machine.
pub(crate) fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What a refusal says, and its hint.
fn said(body: &Value) -> Option<String> {
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let reason = text("message").or_else(|| text("reason")).or_else(|| text("error"))?;
    Some(match text("hint") {
        Some(hint) if !hint.is_empty() => format!("{reason} ({hint})"),
        _ => reason.to_owned(),
    })
}

/// A file that a command was told to read.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read_named(path: &Path) -> Result<Vec<u8>, CommandError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|read| bytes = read)
    };
    read.map_err(|error| CommandError::usage(format!("{} cannot be read", path.display())).cause(&error))?;
    Ok(bytes)
}
