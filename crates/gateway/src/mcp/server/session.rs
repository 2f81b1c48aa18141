//! Which session of ours a request belongs to. The first that can be verified wins, and its source goes into
//! the receipts: our session token, then a legacy session id that we minted, then the principal's window.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::names::SessionId;
use countersign_engine::{Caller, Opening, Refusal};
use sha2::{Digest, Sha256};

use super::{Gateway, Route};

/// The header in which a host's session token travels.
pub const TOKEN_HEADER: &str = "countersign-session";
/// The transport's own header; we mint what it carries.
pub const MCP_HEADER: &str = "mcp-session-id";

/// What a request says about its session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claims<'a> {
    /// Our token.
    pub token: Option<&'a str>,
    /// A legacy session id.
    pub legacy: Option<&'a str>,
}

/// Why there is no session.
#[derive(Debug)]
pub enum NoSession {
    /// The token or id is not one of ours, or somebody else's, or for another route.
    Unknown,
    /// It could not be found or opened.
    Refused(Refusal),
}

impl Gateway {
    /// Finds the session of a request. A claim that does not hold is refused, never replaced by another.
    ///
    /// # Errors
    /// No session.
    pub async fn session(
        &self,
        caller: &Caller,
        route: &Route,
        claims: Claims<'_>,
    ) -> Result<SessionId, NoSession> {
        let engine = &self.0.engine;
        let key = match (claims.token, claims.legacy) {
            (Some(token), _) => token_key(token),
            (None, Some(id)) => legacy_key(route, id),
            (None, None) => {
                let session = engine.window(caller).await.map_err(NoSession::Refused)?;
                self.remember(&session, caller);
                return Ok(session);
            }
        };
        // What cannot be read is no reason to say that there is no session: the client would begin a fresh one.
        let unread = |failure| NoSession::Refused(engine.unrecorded(None, &failure));
        let found = engine.find_session(&key).await.map_err(unread)?.ok_or(NoSession::Unknown)?;
        let owned = engine
            .context(&found, |context| {
                let opened = context.opened();
                opened.human == caller.identity.human.id && opened.agent == caller.identity.agent.id
            })
            .await
            .map_err(unread)?;
        if !owned {
            return Err(NoSession::Unknown);
        }
        self.remember(&found, caller);
        Ok(found)
    }

    /// Begins a session for a client that says `initialize`, and mints its id.
    ///
    /// # Errors
    /// It could not be recorded.
    pub async fn begin(&self, caller: &Caller, route: &Route) -> Result<(SessionId, String), NoSession> {
        let id = secret().ok_or(NoSession::Unknown)?;
        let opening = Opening {
            caller: caller.clone(),
            source: "mcp-session".into(),
            inherits: true,
            labels: BTreeSet::new(),
            request: None,
            intent: None,
            delegation: None,
            lookup: Some(legacy_key(route, &id).into()),
        };
        let opened = self.0.engine.open_session(opening).await.map_err(NoSession::Refused)?;
        self.remember(&opened.id, caller);
        Ok((opened.id, id))
    }
}

/// The key under which a session with this token is found; the token itself is not kept.
#[must_use]
pub fn token_key(token: &str) -> String {
    format!("token:{}", digest(token))
}

fn legacy_key(route: &Route, id: &str) -> String {
    let route = route.upstream.as_ref().map(Arc::clone).unwrap_or_default();
    format!("mcp:{route}:{}", digest(id))
}

fn digest(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 random bytes as text; `None` when the system gives no randomness.
#[must_use]
pub fn secret() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
