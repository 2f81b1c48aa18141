//! Budgets that policies define: sums hold what is in flight, however many ask at once, and a restart changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_core::names::{Chain, SessionId, ToolName};
use countersign_core::session::{Change, Decimal, Outcome, Principal, Status, Total, Usage};
use countersign_core::time::{Span, Time};
use countersign_engine::ports::{AppendError, Ledger as _, Stored};
use countersign_engine::record;
use countersign_engine::{Engine, Mediator as _, Proceeding, Report};
use countersign_receipt::commit::place;
use countersign_store::Verdict as Fault;

use crate::world::{World, call, caller, opening, proceed, receipt, refused, report, suspended, unavailable};

const POLICY: &str = "
version: 1
default: ALLOW
counters:
  moved: {tool: bank.pay, add: parameters.amount}
  rows: {tool: crm.find, add: result.items}
  wired: {tool: bank.wire, add: parameters.amount}
rules:
  - {id: spent, match: {tool: bank.pay, human.sums.moved: {gte: 100}}, action: DENY, reason: the budget is used up}
  - {id: capped, match: {tool: bank.wire}, constraints: {budget: {counter: wired, max: 100, per: human}}, action: DENY}
  - {id: read, match: {tool: crm.find, session.sums.rows: {gte: 5}}, action: DENY, reason: enough was read}
";

const PAY: &str = r#"{"amount": "7.01"}"#;

/// Thirty-two callers in eight sessions of Alice pay again and again. Returns how often they did.
async fn pay_at_once(engines: &[Engine], tool: &'static str, tries: usize) -> usize {
    let paid = Arc::new(AtomicUsize::new(0));
    let mut callers = Vec::new();
    for n in 0..8 {
        let (engine, agent) = (engines[n % engines.len()].clone(), format!("bot-{}", n % 3));
        let session = loop {
            // Whoever asks while the ledger fails asks again.
            if let Ok(opened) = engine.open(opening("alice", &agent)).await {
                break opened.id;
            }
        };
        for _ in 0..4 {
            let (engine, session, agent, paid) =
                (engine.clone(), session.clone(), agent.clone(), Arc::clone(&paid));
            callers.push(tokio::spawn(async move {
                for _ in 0..tries {
                    let mut submission = call(&session, tool, PAY);
                    submission.caller = caller("alice", &agent);
                    if let Proceeding::Proceed(allowed) = engine.submit(submission).await {
                        paid.fetch_add(1, Ordering::SeqCst);
                        if let Ok((spent, _)) = engine.spend(*allowed).await {
                            let _ = engine.settle(spent, report(&session, &[])).await;
                        }
                    }
                }
            }));
        }
    }
    for caller in callers {
        caller.await.unwrap();
    }
    paid.load(Ordering::SeqCst)
}

/// How much somebody did, as the ledger alone tells it.
async fn usage(world: &World, chain: &Chain) -> Usage {
    let mut principal = Principal::default();
    for link in world.ledger.read(chain, 0).await.unwrap() {
        principal.apply(&serde_json::from_str::<Change>(&link.body).unwrap());
    }
    principal.usage().clone()
}

fn alice() -> Chain {
    Chain::Human("alice".into())
}

fn total(text: &str) -> Total<Decimal> {
    Total { at_least: text.parse().unwrap(), whole: true }
}

async fn moved(world: &World) -> Total<Decimal> {
    usage(world, &alice()).await.sum("moved", None, Time(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budgets_thirty_two_callers_never_move_more_than_the_sum_permits() {
    let world = World::under(POLICY).await;
    assert_eq!(pay_at_once(std::slice::from_ref(&world.engine), "bank.pay", 2).await, 15);
    assert_eq!(moved(&world).await, total("105.15"));
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budgets_a_limit_that_counts_the_action_itself_is_never_exceeded() {
    let world = World::under(POLICY).await;
    assert_eq!(pay_at_once(std::slice::from_ref(&world.engine), "bank.wire", 2).await, 14);
    assert_eq!(usage(&world, &alice()).await.sum("wired", None, Time(0)), total("98.14"));
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budgets_of_sums_hold_over_two_daemons_and_a_ledger_that_fails_now_and_then() {
    let world = World::under(POLICY).await;
    let (other, _) = world.another().await.unwrap();
    world.faults.plan(|n, _| match n % 13 {
        3 => Fault::FailBefore(unavailable()),
        5 => Fault::FailBefore(AppendError::Conflict("session".to_owned())),
        9 => Fault::FailAfter(unavailable()),
        _ => Fault::Pass,
    });
    let paid = pay_at_once(&[world.engine.clone(), other], "bank.pay", 6).await;
    assert!(paid > 0 && paid <= 15, "{paid}");
    world.faults.none();
    assert!(moved(&world).await.at_least < "107.01".parse().unwrap());
}

#[tokio::test]
async fn budgets_count_in_flight_give_back_what_was_not_sent_and_stand_after_a_restart() {
    let mut world = World::under(POLICY).await;
    let (here, there) = (world.open().await, world.open().await);
    let pays = |amount: &str| format!(r#"{{"amount": {amount}}}"#);
    let held = proceed(world.submit(&here, "bank.pay", &pays("99.5")).await);
    let id = held.action.id.clone();
    world.does(&there, "bank.pay", &pays("0.5"), &[]).await;
    assert_eq!(refused(world.submit(&there, "bank.pay", &pays("0.01")).await).rules[0].as_str(), "spent");
    let never = Outcome { status: Status::NothingSent, labels: [].into(), output: None, error: None };
    world.engine.settle_by_id(&id, Report { session: here.clone(), outcome: never }).await.unwrap();
    assert_eq!(moved(&world).await, total("0.5"));
    world.restart().await;
    world.does(&there, "bank.pay", &pays("99.5"), &[]).await;
    world.restart().await;
    assert_eq!(refused(world.submit(&here, "bank.pay", &pays("1")).await).rules[0].as_str(), "spent");
    // What nobody can add up lets nothing through.
    let mut foreign = call(&world.open_for("carol", "bot").await, "bank.pay", &pays("\"some\""));
    foreign.caller = caller("carol", "bot");
    let session = foreign.session.clone();
    drop(proceed(world.engine.submit(foreign.clone()).await));
    let waits = suspended(world.engine.submit(foreign).await);
    assert!(format!("{waits:?}").contains("human.sums.moved"));
    assert_eq!(
        rulings(&world, &session).await,
        [r#"{"moved":"unknown"}"#],
        "the receipt says what was counted"
    );
    world.audit().await;
}

/// What the rulings of a session that let something run are on record with, as disclosed.
async fn rulings(world: &World, session: &SessionId) -> Vec<String> {
    let chain = world.ledger.read(&Chain::Session(session.clone()), 0).await.unwrap();
    let permits = chain.iter().filter(|stored| receipt(stored).permits());
    let amounts = |stored: &Stored| {
        let disclosed = record::read::disclosures(stored).unwrap();
        disclosed.get(place::AMOUNTS).map_or_else(String::new, |disclosure| disclosure.value.clone())
    };
    permits.map(amounts).collect()
}

#[tokio::test]
async fn budgets_of_what_only_results_tell_let_one_after_the_other_read() {
    let world = World::under(POLICY).await;
    let session = world.open().await;
    let first = proceed(world.submit(&session, "crm.find", "{}").await);
    let second = suspended(world.submit(&session, "crm.find", r#"{"page": 2}"#).await);
    let spent = world.spend(first).await.unwrap();
    let rows = |text: &str| {
        let outcome = Outcome { output: Some(text.into()), ..report(&session, &[]).outcome };
        Report { session: session.clone(), outcome }
    };
    world.engine.settle(spent, rows("[1, 2, 3]")).await.unwrap();
    let second = proceed(second.wait(std::time::Duration::from_secs(5)).await);
    let spent = world.spend(second).await.unwrap();
    world.engine.settle(spent, rows("[4, 5, 6]")).await.unwrap();
    assert_eq!(refused(world.submit(&session, "crm.find", "{}").await).rules[0].as_str(), "read");
    world.audit().await;
}

#[tokio::test]
async fn rates_of_a_human_count_both_sessions_and_what_was_not_sent_no_more() {
    let mut world = World::under(POLICY).await;
    let (here, there) = (world.open().await, world.open_for("alice", "other-bot").await);
    world.does(&here, "mail.send", "{}", &[]).await;
    world.passes(30).await;
    let mut other = call(&there, "mail.send", "{}");
    other.caller = caller("alice", "other-bot");
    let held = proceed(world.engine.submit(other).await);
    let id = held.action.id.clone();
    world.does(&here, "files.read", "{}", &[]).await;
    let mails = |tool: &ToolName| tool.upstream() == "mail";
    let rate = |usage: &Usage, seconds| {
        usage
            .rate(Some(&mails), Some(Span::seconds(seconds)), countersign_testkit::builders::second(30))
            .at_least
    };
    let human = usage(&world, &alice()).await;
    assert_eq!((rate(&human, 30), rate(&human, 29)), (2, 1));
    assert_eq!(rate(&usage(&world, &Chain::Agent("other-bot".into())).await, 30), 1);
    let never = Outcome { status: Status::NothingSent, labels: [].into(), output: None, error: None };
    world.engine.settle_by_id(&id, Report { session: there, outcome: never }).await.unwrap();
    assert_eq!(rate(&usage(&world, &alice()).await, 29), 0);
    world.restart().await;
    world.audit().await;
}
