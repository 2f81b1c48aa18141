//! A gateway's API with everything real but the network and the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use countersign_core::action::{Contract, Effect};
use countersign_core::decide::Environment;
use countersign_core::identity::Party;
use countersign_core::lifecycle::Limits;
use countersign_core::names::{ApproverGroup, ToolName};
use countersign_core::policy::PolicySet;
use countersign_core::time::{Span, Time};
use countersign_engine::kept::Terms;
use countersign_engine::ports::{AppendError, Clock, Ledger as _, Query};
use countersign_engine::replay::{Answer as Again, Replay, Today};
use countersign_engine::{Engine, Parts};
use countersign_gateway::api::{self, ApiState};
use countersign_gateway::auth::{AgentIdentity, Credentials, Role, token_digest};
use countersign_gateway::guard::TurnedAway;
use countersign_gateway::health::Health;
use countersign_gateway::settings::{Settings, ToolDeclaration, UpstreamSettings};
use countersign_receipt::keys::KeySet;
use countersign_store::{KeyFolder, Memory, SigningKey, Verdict};
use http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt as _;

const POLICY: &str = r"
version: 1
policy: {id: test, version: '1'}
default: ALLOW
rules:
  - {id: no-drop, match: {tool: db.drop}, action: DENY, classification: forbidden, reason: Tables are kept}
  - id: capped
    match: {tool: db.query}
    action: MODIFY
    modifications: {parameters: {limit: {max: 100}}}
    reason: Bulk reads are capped
  - {id: ask, match: {tool: files.delete}, action: STEP_UP, approvers: [security-team], reason: Somebody looks first}
  - id: window
    match: {tool: creds.rotate, context: {maintenance_window: {ne: true}}}
    action: DENY
    reason: Only in the window
  - id: secret
    match: {tool: mail.send, context: {data_classification: {contains: SECRET}}}
    action: DENY
    reason: Secrets stay inside
";

/// What becomes of writes: they are taken, refused, or taken after 50 ms.
pub(crate) const SOUND: u8 = 0;
pub(crate) const BROKEN: u8 = 1;
pub(crate) const SLOW: u8 = 2;

/// A clock that tests set.
#[derive(Debug)]
pub(crate) struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}

/// The running API.
pub(crate) struct World {
    pub(crate) state: ApiState,
    pub(crate) router: Router,
    pub(crate) clock: Arc<Hand>,
    ledger: Arc<Memory>,
    signer: Arc<SigningKey>,
    disk: Arc<AtomicU8>,
}

/// R3.deterministic: every ruling on record is made again, to the byte, from the ledger alone.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // A ledger in memory never makes anybody wait.
        let asked = pin!(asked_again(&self.ledger));
        let polled = asked.poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready(), "the ledger was not read to its end");
    }
}

async fn asked_again(ledger: &Memory) {
    let contracts = Arc::new(|_: &ToolName| Arc::default());
    let today = Today { terms: Terms::default(), contracts, policies: Vec::new() };
    let mut replay = Replay::of(ledger, today).await.unwrap();
    for stored in ledger.receipts(&Query::default()).await.unwrap() {
        let Some(found) = replay.next(stored).await.unwrap() else { continue };
        let answer = found.again();
        assert!(matches!(answer, Again::Same | Again::Given), "ruling {}: {answer:#?}", found.receipt.id);
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.json()
    }

    /// Asserts a refusal of this status, in the one shape of errors.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let error = self.json()["error"].clone();
        for member in ["code", "message", "hint"] {
            assert!(error[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {error}");
        }
        error
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let disk = Arc::new(AtomicU8::new(SOUND));
        let hook = Arc::clone(&disk);
        let memory = Memory::with_faults(Box::new(move |_| match hook.load(Ordering::SeqCst) {
            BROKEN => Verdict::FailBefore(AppendError::Unavailable("unplugged".into())),
            SLOW => Verdict::Delay(Duration::from_millis(50)),
            _ => Verdict::Pass,
        }));
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::open_or_create(&folder.path().join("keys")).unwrap();
        let settings = Arc::new(settings(KeySet::of(keys.public_keys()).unwrap()));
        let signer = Arc::new(keys.into_parts().0);
        let clock = Arc::new(Hand(AtomicI64::new(1_790_000_000_000)));
        Self::on(Arc::new(memory), signer, clock, settings, disk).await
    }

    /// The same daemon, started again on what it recorded.
    pub(crate) async fn restarted(self) -> Self {
        let World { ledger, signer, clock, state, disk, .. } = &self;
        let (ledger, signer) = (Arc::clone(ledger), Arc::clone(signer));
        Self::on(ledger, signer, Arc::clone(clock), Arc::clone(&state.settings), Arc::clone(disk)).await
    }

    async fn on(
        ledger: Arc<Memory>,
        signer: Arc<SigningKey>,
        clock: Arc<Hand>,
        settings: Arc<Settings>,
        disk: Arc<AtomicU8>,
    ) -> Self {
        let contracts = Arc::clone(&settings);
        let parts = Parts {
            ledger: Arc::<Memory>::clone(&ledger),
            signer: Arc::<SigningKey>::clone(&signer),
            clock: Arc::<Hand>::clone(&clock),
            embedder: None,
            policy: PolicySet::assemble(vec![("test.yaml".into(), POLICY.as_bytes().to_vec())]).unwrap(),
            settings: countersign_engine::Settings {
                limits: Limits::default(),
                environment: Environment {
                    approver_groups: settings.credentials.approver_groups(),
                    max_dependents: 16,
                    halts: BTreeSet::new(),
                    drift: countersign_core::drift::Limits::default(),
                },
                fact_validity: Span::seconds(900),
                window_idle: Span::seconds(1800),
                contracts: Arc::new(move |tool| -> Arc<Contract> { contracts.contract(tool) }),
            },
        };
        let (engine, _) = Engine::start(parts).await.unwrap();
        let (health, turned_away) = (Arc::new(Health::new()), Arc::new(TurnedAway::default()));
        let state = ApiState { engine, settings, health, turned_away };
        Self { router: api::router(state.clone()), state, clock, ledger, signer, disk }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request(Method::GET, token, path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.post_text(token, path, &body.to_string()).await
    }

    pub(crate) async fn post_text(&self, token: &str, path: &str, body: &str) -> Answer {
        let request = request(Method::POST, token, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Submits an action as the agent `agent-1` of alice in the session that its calls share.
    pub(crate) async fn submit(&self, tool: &str, arguments: &Value) -> Value {
        self.post("agent-1", "/v1/actions", &serde_json::json!({ "tool": tool, "arguments": arguments }))
            .await
            .ok()
    }

    /// Everything on record, without disclosures.
    pub(crate) async fn receipts(&self, query: &str) -> Vec<Value> {
        let page = self.get("auditor", &format!("/v1/receipts?withhold=true&limit=1000&{query}")).await.ok();
        page["receipts"].as_array().unwrap().clone()
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub(crate) fn disk(&self, is: u8) {
        self.disk.store(is, Ordering::SeqCst);
    }
}

pub(crate) fn request(method: Method, token: &str, path: &str) -> http::request::Builder {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:7080");
    if token.is_empty() { request } else { request.header(header::AUTHORIZATION, format!("Bearer {token}")) }
}

/// Every credential's token is its own name here.
fn credentials() -> Credentials {
    let agent = |human: &str, agent: &str, scope: &[&str]| {
        let party = |id: &str| Party {
            id: id.into(),
            roles: vec!["analyst".into()],
            scope: scope.iter().map(|s| (*s).to_owned()).collect(),
        };
        Role::Agent(AgentIdentity { human: party(human), service: party("desk"), agent: party(agent) })
    };
    let approver = |name: &str, group: &str| Role::Approver {
        name: name.into(),
        groups: [ApproverGroup::from(group)].into(),
    };
    let mut credentials = Credentials::default();
    for (token, role) in [
        ("agent-1", agent("alice", "desk-1", &[])),
        ("agent-2", agent("carol", "desk-2", &[])),
        ("agent-scoped", agent("dave", "desk-3", &["files"])),
        ("host", Role::Host { name: "desk".into() }),
        ("host-2", Role::Host { name: "other".into() }),
        ("approver", approver("bob", "security-team")),
        ("approver-2", approver("eve", "finance-team")),
        ("operator", Role::Operator { name: "ops".into() }),
        ("auditor", Role::Auditor { name: "aud".into() }),
    ] {
        credentials.add(token_digest(token), role).unwrap();
    }
    credentials
}

fn settings(keys: KeySet) -> Settings {
    let upstream = |labels: &[&str], tools: BTreeMap<String, ToolDeclaration>| UpstreamSettings {
        connection: None,
        labels: labels.iter().map(|label| (*label).into()).collect(),
        tools,
    };
    let declared = |effect| ToolDeclaration { effect, selectors: Some(vec!["/path".into()]) };
    Settings {
        credentials: credentials(),
        local: Vec::new(),
        upstreams: BTreeMap::from([
            ("vault".into(), upstream(&["SECRET"], BTreeMap::new())),
            (
                "files".into(),
                upstream(&["INTERNAL"], BTreeMap::from([("delete".into(), declared(Effect::Destructive))])),
            ),
        ]),
        wrappers: BTreeMap::new(),
        contracts: Arc::default(),
        hold: Duration::from_secs(45),
        max_body: 64 * 1024,
        policy_by_operators: true,
        hosts: BTreeSet::new(),
        keys,
        own_uid: 0,
    }
}
