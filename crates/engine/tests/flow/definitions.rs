//! What servers say of their tools is on record once, and given back to the next start (`R2.prior`).

use countersign_engine::definitions::{Definition, LONGEST, MOST_OF_ONE, recorded};
use countersign_engine::ports::AppendError;
use countersign_store::Verdict as Fault;
use countersign_testkit::builders::tool;

use crate::world::{World, unavailable};

fn definition(name: &str, version: usize) -> Definition {
    let text = format!(r#"{{"name":"{name}","description":"version {version}"}}"#);
    Definition { tool: tool(name), text: text.into(), digest: format!("sha256:{version}").into() }
}

async fn on_record(world: &World) -> Vec<String> {
    let found = recorded(&*world.ledger).await.unwrap();
    found.iter().map(|one| format!("{} {}", one.tool, one.digest)).collect()
}

#[tokio::test]
async fn r2_prior_each_definition_is_recorded_once_across_restarts_in_the_order_it_came() {
    let mut world = World::new().await;
    for _ in 0..2 {
        let listed = vec![definition("files.read", 1), definition("files.write", 1)];
        world.engine.record_definitions(listed).await.unwrap();
        world.engine.record_definitions(vec![definition("files.read", 2)]).await.unwrap();
        world.engine.record_definitions(vec![definition("files.read", 1)]).await.unwrap();
        assert_eq!(
            on_record(&world).await,
            ["files.read sha256:1", "files.write sha256:1", "files.read sha256:2"]
        );
        world.restart().await;
    }
    let found = recorded(&*world.ledger).await.unwrap();
    assert_eq!(found[0], definition("files.read", 1));
    world.audit().await;
}

#[tokio::test]
async fn r2_bounded_a_tool_that_is_ever_another_is_not_given_back_and_floods_nothing() {
    let world = World::new().await;
    let before = world.receipts().await.len();
    for version in 0..MOST_OF_ONE * 3 {
        world.engine.record_definitions(vec![definition("files.read", version)]).await.unwrap();
    }
    let long = Definition { text: "x".repeat(LONGEST + 1).into(), ..definition("files.write", 1) };
    let named = definition(&format!("files.{}", "x".repeat(300)), 1);
    world.engine.record_definitions(vec![long, named, definition("files.list", 1)]).await.unwrap();
    assert_eq!(world.receipts().await.len() - before, MOST_OF_ONE + 1);
    assert_eq!(on_record(&world).await, ["files.list sha256:1"]);
    world.audit().await;
}

#[tokio::test]
async fn r2_prior_what_could_not_be_recorded_is_tried_again_and_a_list_of_any_length_fits() {
    let world = World::new().await;
    let listed: Vec<Definition> = (0..150).map(|n| definition(&format!("up.tool{n}"), n)).collect();
    world.faults.only(1, Fault::FailBefore(unavailable()));
    world.engine.record_definitions(listed.clone()).await.unwrap_err();
    assert_eq!(on_record(&world).await.len(), 64);
    world.faults.only(0, Fault::FailBefore(AppendError::Conflict("system".into())));
    world.engine.record_definitions(listed).await.unwrap();
    assert_eq!(on_record(&world).await.len(), 150);
    world.audit().await;
}

#[tokio::test]
async fn r2_prior_two_callers_at_once_and_two_daemons_lose_no_definition() {
    let world = World::new().await;
    let (other, _) = world.another().await.unwrap();
    let engines = [world.engine.clone(), world.engine.clone(), other];
    let tasks = engines.map(|engine| {
        tokio::spawn(async move {
            for version in 0..4 {
                engine.record_definitions(vec![definition("files.read", version)]).await.unwrap();
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    let found = on_record(&world).await;
    let versions: std::collections::BTreeSet<&String> = found.iter().collect();
    assert_eq!(versions.len(), 4);
    assert!(found.len() <= 8, "one engine records each once: {found:?}");
}
