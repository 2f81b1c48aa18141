//! One afternoon at a desk: every kind of receipt, every verdict, two sessions, one system chain.

use std::collections::BTreeMap;

use countersign_receipt::commit::place;
use countersign_receipt::v1::{
    Action, Answer, Approval, Context, Decision, Deferral, Edit, EditOp, Enforcement, Epochs, Face, Facts,
    Identity, Intent, Kind, Outcome, Party, Policy, Prior, Receipt, Session, Status, Verdict,
};
use countersign_receipt::values::{Plain, Time};

use super::Book;

pub(crate) const DESK: &str = "session:s-1";
pub(crate) const OTHER: &str = "session:s-2";
pub(crate) const HUMAN: &str = "human:alice@example.com";
pub(crate) const AGENT: &str = "agent:desk-agent-1";

fn party(id: &str) -> Party {
    Party { id: id.to_owned(), roles: vec!["analyst".to_owned()], scope: vec!["files".to_owned()] }
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn subject<const N: usize>(members: [(&str, Plain); N]) -> Option<BTreeMap<String, Plain>> {
    Some(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A receipt with what all of a session's receipts share.
pub(crate) fn receipt(kind: Kind, chain: &str, id: &str, at: Time) -> Receipt {
    let mut receipt = Receipt {
        enforcement: Enforcement::Enforced,
        epochs: Epochs { halt: 0, policy: 1, revocation: 0 },
        face: Face::Mcp,
        policy: Some(Policy {
            digest: format!("sha256:{}", "5f".repeat(32)),
            id: "desk".to_owned(),
            version: "3".to_owned(),
        }),
        ..Receipt::new(kind, chain, id, at)
    };
    let Some(session) = chain.strip_prefix("session:") else { return receipt };
    receipt.identity = Some(Identity {
        agent: Some(party("desk-agent-1")),
        delegation: vec![party("alice@example.com"), party("desk")],
        human: Some(party("alice@example.com")),
        service: None,
        session: Some(session.to_owned()),
        source: "token".to_owned(),
        validated_at: at,
    });
    receipt.session = Some(Session {
        id: session.to_owned(),
        inherits: true,
        intent: None,
        labels: texts(&["INTERNAL"]),
        parent: None,
        root: None,
        source: "session_token".to_owned(),
    });
    receipt
}

pub(crate) fn action(id: &str, tool: &str, operation: &str, effect: &str, at: Time) -> Option<Action> {
    Some(Action {
        contract: None,
        depends_on: Vec::new(),
        effect: effect.to_owned(),
        id: id.to_owned(),
        name: format!("{tool}.{operation}"),
        operation: operation.to_owned(),
        original: None,
        submitted_at: at,
        tool: tool.to_owned(),
    })
}

pub(crate) fn decision(verdict: Verdict, rule: &str, reason: &str) -> Option<Decision> {
    Some(Decision {
        reason: reason.to_owned(),
        rules: texts(&[rule]),
        step: "baseline".to_owned(),
        verdict,
        ..Decision::default()
    })
}

impl Book {
    fn ruling(
        &mut self,
        id: &str,
        action: Option<Action>,
        decision: Option<Decision>,
        parameters: &str,
    ) -> Prior {
        let at = self.now();
        let ruling = Receipt {
            action,
            decision,
            facts_read: texts(&["action.tool", "human.actions"]),
            ..receipt(Kind::Ruling, DESK, id, at)
        };
        self.add(ruling, &[HUMAN, AGENT], &[(place::PARAMETERS, parameters)])
    }

    fn follow(&mut self, kind: Kind, id: &str, action: Option<Action>, prior: Prior) -> Receipt {
        let at = self.now();
        Receipt { action, prior: Some(prior), ..receipt(kind, DESK, id, at) }
    }

    fn outcome(
        &mut self,
        id: &str,
        action: Option<Action>,
        prior: Prior,
        status: Status,
        text: &str,
    ) -> Prior {
        let outcome = Some(Outcome { labels: texts(&["INTERNAL"]), late: false, status });
        let place = if status == Status::Ok { place::OUTPUT } else { place::ERROR };
        let outcome = Receipt { outcome, ..self.follow(Kind::Outcome, id, action, prior) };
        self.add(outcome, &[HUMAN, AGENT], &[(place, text)])
    }
}

/// The whole story.
pub(crate) fn book() -> Book {
    let mut book = Book::new();
    begin(&mut book);
    allowed_and_denied(&mut book);
    modified_and_stepped_up(&mut book);
    deferred(&mut book);
    end(&mut book);
    book
}

fn system(book: &mut Book, kind: Kind, id: &str) -> Receipt {
    let at = book.now();
    Receipt { enforcement: Enforcement::None, face: Face::Engine, ..receipt(kind, "system", id, at) }
}

fn begin(book: &mut Book) {
    let made = subject([("event", "made".into()), ("key_id", "kid-1".into())]);
    let key = Receipt { subject: made, policy: None, ..system(book, Kind::Key, "r-key") };
    book.add(key, &[], &[]);
    let files = subject([("files", 2_u32.into()), ("shadow", false.into()), ("replaces", Plain::Null)]);
    let policy = Receipt { subject: files, ..system(book, Kind::Policy, "r-policy") };
    book.add(policy, &[], &[]);
    let at = book.now();
    let mut session = receipt(Kind::Session, DESK, "r-session", at);
    if let Some(session) = &mut session.session {
        session.intent = Some(Intent { allow: texts(&["files.*"]), exclude: texts(&["mail.send"]) });
    }
    book.add(session, &[HUMAN, AGENT], &[(place::ORIGINAL_REQUEST, "Tidy up the Zürich folder \u{1f5c2}")]);
    let at = book.now();
    book.add(receipt(Kind::Turn, DESK, "r-turn", at), &[], &[(place::TURN, "and be quick\n\t\"please\"")]);
}

fn allowed_and_denied(book: &mut Book) {
    let at = book.now();
    let read = action("a-read", "files", "read_file", "read", at);
    let ruling = Receipt {
        action: read.clone(),
        context: Some(Context {
            counted: texts(&["money_moved", "rows_read"]),
            set: BTreeMap::from([
                ("seen".to_owned(), Plain::List(texts(&["CUSTOMER", "€"]))),
                ("reads".to_owned(), Plain::Integer(-1)),
                // These two sort one way by UTF-16 unit and the other way by code point.
                ("\u{fb33}".to_owned(), Plain::Bool(true)),
                ("\u{1f600}".to_owned(), Plain::Null),
            ]),
        }),
        decision: decision(Verdict::Allow, "read-files", "reading inside the sandbox"),
        ..receipt(Kind::Ruling, DESK, "r-read", at)
    };
    let parameters = (place::PARAMETERS, r#"{"path": "notes/zürich.txt", "n": 1.0}"#);
    let amounts = (place::AMOUNTS, r#"{"money_moved":"1250.005","rows_read":"result.items<=500"}"#);
    let prior = book.add(ruling, &[HUMAN, AGENT], &[parameters, amounts]);
    book.outcome("r-read-outcome", read, prior, Status::Ok, "[{\"type\":\"text\",\"text\":\"lunch\"}]");
    let send = action("a-send", "mail", "send", "write_outbound", at);
    let denied = decision(Verdict::Deny, "no-outside-mail", "customer records may not leave");
    book.ruling("r-send", send, denied, r#"{"to":"eve@example.net"}"#);
}

fn modified_and_stepped_up(book: &mut Book) {
    let at = book.now();
    let query = action("a-query", "db", "query", "read", at);
    let mut capped = decision(Verdict::Modify, "cap-rows", "at most 100 rows").unwrap();
    capped.edits = vec![Edit { op: EditOp::Cap, path: "/limit".to_owned(), value: "100".to_owned() }];
    let ruling = Receipt {
        action: query.clone(),
        decision: Some(capped),
        ..receipt(Kind::Ruling, DESK, "r-query", at)
    };
    let texts_ = [(place::PARAMETERS, r#"{"limit":5000}"#), (place::EDITED_PARAMETERS, r#"{"limit":100}"#)];
    let prior = book.add(ruling, &[HUMAN, AGENT], &texts_);
    book.outcome("r-query-outcome", query, prior, Status::Error, "no such table");

    let mut delete = action("a-delete", "files", "delete", "destructive", at).unwrap();
    delete.original = Some("call_tool".to_owned());
    let mut asks = decision(Verdict::StepUp, "ask-before-delete", "deleting needs a second person").unwrap();
    asks.approvers = vec![texts(&["security-team", "owners"])];
    asks.deadline = Some(book.now());
    asks.wait_seconds = Some(900);
    let prior = book.ruling("r-delete", Some(delete.clone()), Some(asks), r#"{"path":"old"}"#);
    let approval = Approval { at: book.now(), by: "bob@example.com".to_owned(), decision: Answer::Approve };
    let answer = Receipt {
        approval: Some(approval),
        ..book.follow(Kind::Approval, "r-delete-approval", Some(delete.clone()), prior)
    };
    let prior = book.add(answer, &[], &[(place::APPROVAL_REASON, "they are copies")]);
    book.outcome("r-delete-outcome", Some(delete), prior, Status::Ok, "[]");
}

fn deferred(book: &mut Book) {
    let at = book.now();
    let rotate = action("a-rotate", "vault", "rotate", "credential", at);
    let mut waits = decision(Verdict::Defer, "in-the-window", "the maintenance window is not known").unwrap();
    waits.missing = texts(&["maintenance"]);
    waits.wait_seconds = Some(60);
    let prior = book.ruling("r-rotate", rotate.clone(), Some(waits), "{}");
    let given = Facts {
        giver: "ops@example.com".to_owned(),
        names: texts(&["maintenance", "names"]),
        source: Some("the change calendar".to_owned()),
        valid_until: book.now(),
    };
    let at = book.now();
    let facts = Receipt { facts: Some(given), face: Face::Api, ..receipt(Kind::Facts, DESK, "r-facts", at) };
    let (one, two) = (place::fact("maintenance"), place::fact("names"));
    book.add(facts, &[], &[(&one, "\"tonight\""), (&two, "[1,2.5]")]);
    let deferral = Deferral {
        at: book.now(),
        method: "facts".to_owned(),
        reason: "the missing fact was given".to_owned(),
    };
    let resolution = Receipt {
        deferral: Some(deferral),
        decision: decision(Verdict::Allow, "in-the-window", "inside the maintenance window"),
        ..book.follow(Kind::Resolution, "r-rotate-resolution", rotate.clone(), prior)
    };
    let prior = book.add(resolution, &[HUMAN, AGENT], &[]);
    let expiry = book.follow(Kind::Expiry, "r-rotate-expiry", rotate, prior);
    book.add(expiry, &[], &[]);
}

fn end(book: &mut Book) {
    let at = book.now();
    let mut seen = receipt(Kind::Observation, OTHER, "r-seen", at);
    (seen.enforcement, seen.face) = (Enforcement::Reported, Face::Http);
    seen.action = action("a-seen", "shell", "exec", "unknown", at);
    book.add(seen, &[HUMAN], &[]);
    let mut measured = receipt(Kind::Measurement, OTHER, "r-measured", at);
    measured.subject = subject([
        ("action", "a-seen".into()),
        ("embedded", 7_400_u32.into()),
        ("level", "alert".into()),
        ("lexical", 9_120_u32.into()),
        ("model", "sha256:00".into()),
        ("rendering", 1_u32.into()),
    ]);
    book.add(measured, &[], &[]);
    let counts = subject([("from_outside", 17_u32.into()), ("since", "2026-11-22T17:00:00.000Z".into())]);
    let refusals = Receipt { subject: counts, ..system(book, Kind::Refusals, "r-refusals") };
    book.add(refusals, &[], &[]);
    let scope = subject([("resume", true.into()), ("scope", "session".into())]);
    let halt = Receipt { subject: scope, ..system(book, Kind::Halt, "r-halt") };
    book.add(halt, &[], &[]);
    let mark = subject([("chain", HUMAN.into()), ("to", "INTERNAL".into())]);
    let mark = Receipt { subject: mark, ..system(book, Kind::Mark, "r-mark") };
    book.add(mark, &[HUMAN], &[]);
    let listed =
        subject([("definition", "sha256:00".into()), ("tool", "exec".into()), ("upstream", "shell".into())]);
    let contract = Receipt { subject: listed, ..system(book, Kind::Contract, "r-contract") };
    book.add(contract, &[], &[(place::DEFINITION, "{\"name\":\"exec\"}")]);
    let settled = subject([("unknown_outcomes", 0_u32.into())]);
    let recovery = Receipt { subject: settled, ..system(book, Kind::Recovery, "r-recovery") };
    book.add(recovery, &[], &[]);
    let at = book.now();
    let mut checkpoint = Receipt::new(Kind::Checkpoint, "", "r-checkpoint", at);
    checkpoint.subject = subject([("root", "sha256:00".into()), ("size", 24_u32.into())]);
    book.add(checkpoint, &[], &[]);
}
