//! The pool: isolation, backoff, idle stops, limits.

use std::time::{Duration, Instant};

use countersign_gateway::mcp::upstream::{
    Call, CloseReason, EventKind, NotSent, Owner, Pool, PoolLimits, StartFailure, UpstreamConfig,
    UpstreamError, UpstreamKind,
};

use super::{Bench, eventually, owner, raw, runs, text};

async fn call(pool: &Pool, owner: &Owner, upstream: &str, tool: &str) -> Result<String, UpstreamError> {
    let params = raw(&format!(r#"{{"name":"{tool}"}}"#));
    let reply = pool.call(owner, upstream, Call::new("tools/call", Some(&params))).await?;
    Ok(text(Ok(reply)))
}

fn quick() -> PoolLimits {
    PoolLimits { backoff: Duration::from_millis(300), ..PoolLimits::default() }
}

/// Design: "One upstream process per principal and session by default".
#[tokio::test]
async fn each_principal_and_session_has_its_own_process_unless_shared() {
    let bench = Bench::new();
    let mut shared = bench.named("shared", "normal");
    shared.shared = true;
    let (pool, _events) = Pool::new([bench.config("normal"), shared], quick()).unwrap();
    let (alice, bob) = (owner("alice"), owner("bob"));
    let alice_later = Owner { session: "s2".to_owned(), ..alice.clone() };
    let first = call(&pool, &alice, "test", "pid").await.unwrap();
    assert_eq!(first, call(&pool, &alice, "test", "pid").await.unwrap());
    assert_ne!(first, call(&pool, &bob, "test", "pid").await.unwrap());
    assert_ne!(first, call(&pool, &alice_later, "test", "pid").await.unwrap());
    let common = call(&pool, &alice, "shared", "pid").await.unwrap();
    assert_eq!(common, call(&pool, &bob, "shared", "pid").await.unwrap());
    assert_eq!(pool.children(), 4);
    pool.stop_owner(&alice).await;
    assert!(!runs(&first) && runs(&common));
    assert_eq!(pool.children(), 3);
    assert_ne!(first, call(&pool, &alice, "test", "pid").await.unwrap());
    pool.stop_all().await;
    assert_eq!((pool.children(), pool.slots()), (0, 0));
    assert!(!runs(&common));
    let refused = call(&pool, &alice, "test", "pid").await.unwrap_err();
    assert!(matches!(refused, UpstreamError::NotSent { reason: NotSent::Stopping, .. }));
}

#[tokio::test]
async fn concurrent_first_uses_start_one_process() {
    let bench = Bench::new();
    let (pool, _events) = Pool::new([bench.config("normal")], quick()).unwrap();
    let alice = owner("alice");
    let pids = futures_util::future::join_all((0..8).map(|_| call(&pool, &alice, "test", "pid"))).await;
    let mut pids: Vec<_> = pids.into_iter().map(Result::unwrap).collect();
    pids.dedup();
    assert_eq!(pids.len(), 1);
}

/// R1.closed: while a server is down its calls fail at once, and nothing is sent.
#[tokio::test]
async fn after_a_crash_calls_fail_at_once_until_the_backoff_is_over() {
    let bench = Bench::new();
    let (pool, mut events) = Pool::new([bench.config("normal")], quick()).unwrap();
    let alice = owner("alice");
    let mut wait = Duration::ZERO;
    for failures in 1..=3 {
        let crashed = call(&pool, &alice, "test", "crash").await.unwrap_err();
        assert!(matches!(crashed, UpstreamError::Unknown { .. }), "{crashed}");
        let refused = call(&pool, &alice, "test", "pid").await.unwrap_err();
        match &refused {
            UpstreamError::NotSent {
                reason: NotSent::Backoff { failures: seen, retry_after, .. }, ..
            } => {
                assert_eq!(*seen, failures);
                assert!(*retry_after > wait, "{retry_after:?} after {wait:?}");
                wait = *retry_after;
            }
            other => panic!("{other}"),
        }
        tokio::time::sleep(refused.retry_after().unwrap() + Duration::from_millis(10)).await;
    }
    assert!(call(&pool, &alice, "test", "pid").await.is_ok());
    let event = events.recv().await.unwrap();
    assert_eq!(event.owner, Some(alice));
    assert!(matches!(event.kind, EventKind::Closed(CloseReason::Ended | CloseReason::Exited(_))));
}

#[tokio::test]
async fn a_connection_that_lived_long_starts_again_at_once() {
    let bench = Bench::new();
    let limits = PoolLimits { steady: Duration::ZERO, ..quick() };
    let (pool, _events) = Pool::new([bench.config("normal")], limits).unwrap();
    let alice = owner("alice");
    let first = call(&pool, &alice, "test", "pid").await.unwrap();
    call(&pool, &alice, "test", "crash").await.unwrap_err();
    assert_ne!(first, call(&pool, &alice, "test", "pid").await.unwrap());
}

#[tokio::test]
async fn a_failed_start_counts_as_a_failure_and_leaves_no_process() {
    let bench = Bench::new();
    let mut config = bench.config("mute");
    config.start_limit = Duration::from_millis(300);
    let (pool, _events) = Pool::new([config], PoolLimits::default()).unwrap();
    let alice = owner("alice");
    let slow = call(&pool, &alice, "test", "pid").await.unwrap_err();
    assert!(
        matches!(slow, UpstreamError::NotSent { reason: NotSent::Start(StartFailure::TooSlow { .. }), .. }),
        "{slow}"
    );
    let begin = Instant::now();
    let refused = call(&pool, &alice, "test", "pid").await.unwrap_err();
    assert!(refused.retry_after().is_some() && begin.elapsed() < Duration::from_millis(200), "{refused}");
    assert!(refused.to_string().contains("did not answer `initialize`"), "{refused}");
    eventually("the end of the child", || pool.children() == 0).await;
}

#[tokio::test]
async fn what_nobody_uses_is_stopped_and_forgotten() {
    let bench = Bench::new();
    let limits = PoolLimits { idle: Duration::from_millis(600), ..quick() };
    let (pool, _events) =
        Pool::new([bench.config("normal"), bench.named("bad", "dies_at_start")], limits).unwrap();
    let alice = owner("alice");
    call(&pool, &alice, "bad", "pid").await.unwrap_err();
    let lease = pool.connection(&alice, "test").await.unwrap();
    let pid = text(super::tool(&lease, "pid", "{}").await);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(runs(&pid), "a connection in use is not idle");
    drop(lease);
    eventually("the stop", || pool.children() == 0 && pool.slots() == 0).await;
    assert!(!runs(&pid));
    assert!(call(&pool, &alice, "test", "pid").await.is_ok());
}

#[tokio::test]
async fn the_number_of_processes_is_bounded_and_the_longest_idle_makes_room() {
    let bench = Bench::new();
    let limits = PoolLimits { max_children: 2, spare: Duration::from_millis(500), ..quick() };
    let (pool, _events) = Pool::new([bench.config("normal")], limits).unwrap();
    let (one, two, three) = (owner("one"), owner("two"), owner("three"));
    let lease = pool.connection(&one, "test").await.unwrap();
    let second = call(&pool, &two, "test", "pid").await.unwrap();
    let refused = call(&pool, &three, "test", "pid").await.unwrap_err();
    assert!(
        matches!(refused, UpstreamError::NotSent { reason: NotSent::AtCapacity { limit: 2 }, .. }),
        "{refused}"
    );
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(call(&pool, &three, "test", "pid").await.is_ok());
    assert!(!runs(&second) && lease.closed().is_none());
    assert_eq!(pool.children(), 2);
}

#[tokio::test]
async fn a_dropped_pool_takes_its_processes_along() {
    let bench = Bench::new();
    let (pool, _events) = Pool::new([bench.config("normal")], quick()).unwrap();
    let pid = call(&pool, &owner("alice"), "test", "pid").await.unwrap();
    drop(pool);
    eventually("the end of the child", || !runs(&pid)).await;
}

#[tokio::test]
async fn a_call_can_be_cancelled_through_the_pool() {
    let bench = Bench::new();
    let (pool, _events) = Pool::new([bench.config("normal")], quick()).unwrap();
    let alice = owner("alice");
    call(&pool, &alice, "test", "pid").await.unwrap();
    let params = raw(r#"{"name":"hold"}"#);
    let held = Call::new("tools/call", Some(&params));
    let id = held.id;
    let (outcome, cancelled) = tokio::join!(pool.call(&alice, "test", held), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        !pool.cancel(&owner("bob"), "test", id, "no") && pool.cancel(&alice, "test", id, "yes")
    });
    assert!(cancelled && outcome.is_err());
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_before_any_start() {
    let bench = Bench::new();
    let bad = |change: &dyn Fn(&mut UpstreamConfig)| {
        let mut config = bench.config("normal");
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    let http = |url: &str, header: &str| {
        let headers = [(header.to_owned(), "secret\u{1}".to_owned())].into();
        UpstreamKind::Http { url: url.to_owned(), headers }
    };
    assert!(bad(&|config| config.name.clear()).contains("name"));
    assert!(bad(&|config| config.call_limit = Duration::ZERO).contains("limit"));
    assert!(bad(&|config| config.kind = http("ftp://x", "a")).contains("http://"));
    assert!(
        bad(&|config| config.kind = http("http://x", "Mcp-Session-Id")).contains("belongs to the transport")
    );
    let malformed = bad(&|config| config.kind = http("http://x", "a"));
    assert!(malformed.contains("header `a`") && !malformed.contains("secret"));
    let twice = Pool::new([bench.config("normal"), bench.config("normal")], quick());
    assert!(twice.unwrap_err().to_string().contains("twice"));
    let (pool, _events) = Pool::new([], quick()).unwrap();
    let unknown = pool.list_tools(&owner("alice"), "test").await.unwrap_err();
    assert!(matches!(unknown, UpstreamError::NotSent { reason: NotSent::NoSuchUpstream, .. }));
}
