//! The OpenAPI document, made from the table of endpoints and the types that travel.

use http::Method;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::problem::ErrorBody;
use super::roles::{Access, ENDPOINTS, Endpoint, Op};
use super::wire;

/// The document (OpenAPI 3.1), as it is committed at `schemas/openapi.json`.
#[must_use]
pub fn document() -> Value {
    let mut writer = Writer::new();
    let mut paths = Map::new();
    for row in ENDPOINTS {
        let operation = writer.operation(row);
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(Method::from(row.method).as_str().to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "The Mediator over HTTP: sessions, actions, approvals, receipts.",
        },
        "paths": paths,
        "components": {
            "schemas": writer.schemas(),
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    })
}

struct Writer {
    asked: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Writer {
    fn new() -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        let answered = settings.clone().for_serialize().into_generator();
        Self { asked: settings.into_generator(), answered }
    }

    fn schemas(mut self) -> Map<String, Value> {
        let mut all = self.asked.take_definitions(true);
        all.extend(self.answered.take_definitions(true));
        all
    }

    fn operation(&mut self, row: &Endpoint) -> Value {
        let mut operation = json!({
            "operationId": format!("{:?}", row.op),
            "summary": row.summary,
            "responses": self.responses(row),
        });
        let members = [
            ("parameters", self.parameters(row)),
            ("requestBody", self.body(row.op)),
            ("security", matches!(row.access, Access::Only(_)).then(|| json!([{ "bearer": [] }]))),
            ("x-roles", roles(row.access)),
        ];
        for (name, member) in members {
            if let (Some(operation), Some(member)) = (operation.as_object_mut(), member) {
                operation.insert(name.to_owned(), member);
            }
        }
        operation
    }

    fn body(&mut self, op: Op) -> Option<Value> {
        let schema = match op {
            Op::OpenSession => self.asked::<wire::NewSession>(),
            Op::AddTurn => self.asked::<wire::NewTurn>(),
            Op::GiveFacts => self.asked::<wire::NewFacts>(),
            Op::SubmitAction => self.asked::<wire::NewAction>(),
            Op::ReportOutcome => self.asked::<wire::NewOutcome>(),
            Op::AnswerApproval => self.asked::<wire::NewAnswer>(),
            Op::Halt => self.asked::<wire::NewHalt>(),
            Op::LowerMark => self.asked::<wire::NewMark>(),
            Op::ApplyPolicy => self.asked::<wire::NewPolicy>(),
            Op::ListSessions
            | Op::ShowSession
            | Op::ShowAction
            | Op::ListApprovals
            | Op::ListDeferrals
            | Op::ListReceipts
            | Op::ShowPolicy
            | Op::Keys
            | Op::Alive
            | Op::Ready
            | Op::Metrics => return None,
        };
        Some(json!({ "required": true, "content": { "application/json": { "schema": schema } } }))
    }

    fn parameters(&mut self, row: &Endpoint) -> Option<Value> {
        let mut list = Vec::new();
        if row.path.contains("{id}") {
            list.push(
                json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }),
            );
        }
        if row.op == Op::SubmitAction {
            let text = "The token of the session that a host opened.";
            let schema = json!({ "type": "string" });
            list.push(json!({ "name": "Countersign-Session", "in": "header", "description": text, "schema": schema }));
        }
        let query = match row.op {
            Op::ListSessions => Some(schema_of::<wire::SessionsQuery>()),
            Op::ShowAction => Some(schema_of::<wire::WaitQuery>()),
            Op::ListReceipts => Some(schema_of::<wire::ReceiptsQuery>()),
            _ => None,
        };
        let members = query.as_ref().and_then(|query| query.get("properties")?.as_object());
        for (name, schema) in members.into_iter().flatten() {
            list.push(json!({ "name": name, "in": "query", "required": false, "schema": schema }));
        }
        (!list.is_empty()).then_some(Value::Array(list))
    }

    fn responses(&mut self, row: &Endpoint) -> Value {
        let mut responses = Map::new();
        responses.insert("200".to_owned(), self.success(row.op));
        if row.op == Op::Ready {
            responses.insert("503".to_owned(), self.success(row.op));
            return Value::Object(responses);
        }
        let mut codes = vec!["403"];
        if let Access::Only(_) = row.access {
            codes.extend(["400", "401", "422", "503"]);
        }
        if row.path.contains("{id}") || matches!(row.op, Op::SubmitAction | Op::LowerMark) {
            codes.push("404");
        }
        if matches!(row.op, Op::ReportOutcome | Op::AnswerApproval | Op::ApplyPolicy) {
            codes.push("409");
        }
        if row.method == super::roles::Verb::Post {
            codes.extend(["413", "415"]);
        }
        let error = self.answered.subschema_for::<ErrorBody>();
        for code in codes {
            let answer = json!({
                "description": meaning(code),
                "content": { "application/json": { "schema": error } },
            });
            responses.insert(code.to_owned(), answer);
        }
        responses.sort_keys();
        Value::Object(responses)
    }

    fn success(&mut self, op: Op) -> Value {
        let schema = match op {
            Op::OpenSession => self.answered::<wire::OpenedSession>(),
            Op::ListSessions => self.answered::<wire::SessionList>(),
            Op::ShowSession => self.answered::<wire::SessionView>(),
            Op::SubmitAction | Op::ShowAction => self.answered::<wire::ActionAnswer>(),
            Op::AddTurn
            | Op::GiveFacts
            | Op::ReportOutcome
            | Op::AnswerApproval
            | Op::Halt
            | Op::LowerMark => self.answered::<wire::Recorded>(),
            Op::ShowPolicy => self.answered::<wire::PolicyInForce>(),
            Op::ApplyPolicy => self.answered::<wire::AppliedPolicy>(),
            Op::ListApprovals => self.answered::<wire::ApprovalList>(),
            Op::ListDeferrals => self.answered::<wire::DeferralList>(),
            Op::ListReceipts => self.answered::<wire::ReceiptPage>(),
            Op::Alive => self.answered::<wire::AliveView>(),
            Op::Ready => self.answered::<wire::ReadyView>(),
            Op::Keys => return content("application/jwk-set+json", &json!({ "type": "object" })),
            Op::Metrics => return content("application/openmetrics-text", &json!({ "type": "string" })),
        };
        content("application/json", &schema)
    }

    fn asked<T: JsonSchema>(&mut self) -> Value {
        self.asked.subschema_for::<T>().to_value()
    }

    fn answered<T: JsonSchema>(&mut self) -> Value {
        self.answered.subschema_for::<T>().to_value()
    }
}

fn content(media: &str, schema: &Value) -> Value {
    json!({ "description": "Done.", "content": { media: { "schema": schema } } })
}

fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

fn roles(access: Access) -> Option<Value> {
    match access {
        Access::Anyone => None,
        Access::Only(roles) => Some(roles.iter().map(|role| role.as_str()).collect()),
    }
}

fn meaning(code: &str) -> &'static str {
    match code {
        "400" => "The request cannot be read, or can be read in two ways.",
        "401" => "No bearer token that is known.",
        "403" => "Not for this role, or not addressed to this gateway.",
        "404" => "Nothing of this id that is the bearer's to see.",
        "409" => "It is over, not yet there, or not so to be changed.",
        "413" => "The body is too large.",
        "415" => "The body is not declared as JSON.",
        "422" => "The request can be read and cannot be taken.",
        _ => "Nothing can be recorded now, so nothing is done.",
    }
}
