//! R2.bounded: sessions leave memory when nothing happens in them any more; the ledger has them.

use crate::world::{World, proceed, report, suspended};

const POLICY: &str = "
version: 1
default: ALLOW
rules:
  - { id: ask, match: { tool: files.delete }, action: STEP_UP, timeout: 7200 }
";

#[tokio::test]
async fn r2_bounded_an_idle_session_leaves_memory_and_comes_back_whole() {
    let world = World::under(POLICY).await;
    let (idle, waiting) = (world.open().await, world.open().await);
    world.does(&idle, "files.read", "{}", &["PII"]).await;
    let lost = proceed(world.submit(&idle, "files.write", "{}").await);
    let id = lost.action.id.clone();
    drop(lost);
    drop(suspended(world.submit(&waiting, "files.delete", "{}").await));
    world.passes(300).await;
    assert_eq!(world.engine.sessions_in_memory(), 2, "what happened a while ago is kept");
    world.passes(1900).await;
    assert_eq!(world.engine.sessions_in_memory(), 1, "what waits is kept, however long");
    // A late report finds its session again, and what comes next sees all that was before.
    world.engine.settle_by_id(&id, report(&idle, &["HEALTH"])).await.unwrap();
    assert_eq!(world.story(&id).await, ["ruling ALLOW", "outcome unknown", "outcome late"]);
    let seen = world.engine.context(&idle, |context| context.labels().clone()).await.unwrap();
    assert!(seen.contains("PII") && seen.contains("HEALTH"));
    world.does(&idle, "files.read", "{}", &[]).await;
    world.audit().await;
    // What is held by a live call stays, too.
    let held = suspended(world.submit(&idle, "files.delete", "{}").await);
    world.passes(1900).await;
    assert_eq!(world.engine.sessions_in_memory(), 2);
    drop(held);
}
