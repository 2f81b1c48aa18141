//! What a policy says of data by source and pattern is on record before the ruling that reads it (`R2.data`, `R2.default`).

use std::sync::Arc;

use countersign_core::names::SessionId;
use countersign_core::session::{Outcome, Status};
use countersign_engine::{Mediator as _, Report};

use crate::world::{World, caller, proceed, refused};

const FILE: &str = "
version: 1
default: ALLOW
unclassified: RESTRICTED
classification:
  sources:
    - {tool: files.read, level: INTERNAL}
    - {tool: files.list, field: /owner, labels: [PII]}
  patterns:
    - {id: ticket, matches: 'TCK-[0-9]{4}', labels: [TICKET], level: CONFIDENTIAL}
rules:
  - {id: tickets-stay, match: {tool: mail.send, context: {data_classification: TICKET}}, action: DENY}
";

async fn answers(world: &World, session: &SessionId, tool: &str, text: &str) {
    let spent = world.spend(proceed(world.submit(session, tool, "{}").await)).await.unwrap();
    let outcome = Outcome { status: Status::Ok, labels: [].into(), output: Some(text.into()), error: None };
    let report = Report { session: session.clone(), outcome };
    world.engine.settle(spent, report).await.unwrap();
}

async fn labels(world: &World, session: &SessionId) -> Vec<String> {
    let read = |context: &countersign_core::session::Context| {
        context.labels().iter().map(ToString::to_string).collect()
    };
    world.engine.context(session, read).await.unwrap()
}

#[tokio::test]
async fn r2_default_a_source_s_level_stands_in_place_of_unclassified_and_finds_come_on_top() {
    let world = World::under(FILE).await;
    let session = world.open().await;
    answers(&world, &session, "files.read", "nothing in particular").await;
    assert_eq!(labels(&world, &session).await, ["INTERNAL"]);
    answers(&world, &session, "files.read", "see TCK-1234").await;
    assert_eq!(labels(&world, &session).await, ["CONFIDENTIAL", "INTERNAL", "TICKET"]);
    // A field says nothing of the rest, so nobody has declared its level.
    answers(&world, &session, "files.list", r#"{"owner": "Ann"}"#).await;
    assert_eq!(labels(&world, &session).await, ["CONFIDENTIAL", "INTERNAL", "PII", "RESTRICTED", "TICKET"]);
    world.audit().await;
}

#[tokio::test]
async fn r2_data_a_pattern_under_base64_or_in_a_notice_stops_the_send_after_it_and_after_a_restart() {
    // "see TCK-1234 for more" in base64.
    const HIDDEN: &str = "c2VlIFRDSy0xMjM0IGZvciBtb3Jl";
    let mut world = World::under(FILE).await;
    let session = world.open().await;
    let other = world.open_for("carol", "helper").await;
    answers(&world, &session, "files.read", HIDDEN).await;
    world
        .engine
        .observe(&other, &caller("carol", "helper"), "notice", &[].into(), Arc::from("about TCK-1234"))
        .await
        .unwrap();
    for restarted in [false, true] {
        let refusal = refused(world.submit(&session, "mail.send", "{}").await);
        assert_eq!(refusal.rules[0].as_str(), "tickets-stay", "{restarted}");
        assert!(labels(&world, &other).await.contains(&"TICKET".to_owned()));
        world.restart().await;
    }
    world.audit().await;
}
