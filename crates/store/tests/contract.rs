//! Every promise of the port `Ledger`, run against every store.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{about, after, append_next, batch, digest, epochs, head_of, human, id, link, receipt, session};
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_engine::ports::{
    AppendError, Batch, Epoch, Expected, Head, Kept, Ledger, OpenAction, Query, Record, RecordKind, Stored,
};
use countersign_store::{DisclosureKey, Hook, Memory, Options, Point, Sqlite, Verdict};
use tempfile::TempDir;

/// A store under test.
trait Subject: Sized {
    fn new() -> Self;
    /// With room for two waiting batches, each of which takes a while.
    fn slow() -> Self;
    fn ledger(&self) -> Arc<dyn Ledger>;
}

struct InMemory(Arc<Memory>);

impl Subject for InMemory {
    fn new() -> Self {
        Self(Arc::new(Memory::new()))
    }

    fn slow() -> Self {
        Self(Arc::new(Memory::with_faults(slow()).with_capacity(2)))
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        self.0.clone()
    }
}

struct InSqlite {
    ledger: Arc<Sqlite>,
    _folder: TempDir,
}

impl InSqlite {
    fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = DisclosureKey::generate().unwrap();
        let ledger = Arc::new(Sqlite::open(&folder.path().join("ledger.db"), &key, options).unwrap());
        Self { ledger, _folder: folder }
    }
}

impl Subject for InSqlite {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn slow() -> Self {
        Self::with(Options { queue: 2, group: 1, faults: slow(), ..Options::default() })
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        self.ledger.clone()
    }
}

fn slow() -> Hook {
    Box::new(|point| match point {
        Point::Begin | Point::Append(_) => Verdict::Delay(Duration::from_millis(150)),
        _ => Verdict::Pass,
    })
}

macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                super::$promise::<super::InMemory>().await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                super::$promise::<super::InSqlite>().await;
            })*
        }
    };
}

contract!(
    batches_commit_in_the_order_of_the_calls,
    a_batch_is_written_although_nobody_waits_for_it,
    a_head_that_moved_refuses_the_batch,
    an_empty_chain_can_be_expected,
    every_expected_head_is_compared,
    an_epoch_that_moved_refuses_the_batch,
    epochs_rise_by_one_after_the_check,
    a_refused_batch_leaves_nothing,
    a_batch_spans_chains_and_is_whole,
    numbers_that_do_not_follow_are_refused,
    a_receipt_id_is_used_once,
    texts_read_back_exactly,
    a_chain_reads_from_a_number_on,
    disclosures_read_back,
    kept_texts_read_back_and_stay,
    what_a_refused_batch_keeps_is_not_kept,
    receipts_are_selected,
    receipts_page_and_end,
    a_lookup_key_leads_to_its_chain_and_to_no_other,
    actions_open_and_close,
    sessions_come_newest_first,
    concurrent_appenders_make_chains_without_gaps,
    a_full_queue_refuses_at_once_and_keeps_nothing,
    a_healthy_ledger_says_so,
);

async fn batches_commit_in_the_order_of_the_calls<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let chain = session("s");
    let records: Vec<Record> = (0..300).map(|n| receipt(&chain, n, "")).collect();
    let mut head = None;
    let mut answers = Vec::new();
    for record in &records {
        answers.push(ledger.append(after(head, vec![record.clone()])));
        head = Some(head_of(record));
    }
    for answer in answers {
        assert_eq!(answer.await, Ok(()));
    }
    let found = ledger.receipts(&Query::default()).await.unwrap();
    assert_eq!(sequences(&found), (0..300).collect::<Vec<_>>());
}

async fn a_batch_is_written_although_nobody_waits_for_it<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    drop(ledger.append(batch(vec![receipt(&session("s"), 0, "")])));
    assert_eq!(ledger.append(batch(vec![receipt(&session("s"), 1, "")])).await, Ok(()));
}

async fn a_head_that_moved_refuses_the_batch<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let first = append_next(&*ledger, "s", "").await.unwrap();
    append_next(&*ledger, "s", "").await.unwrap();
    let late = after(Some(head_of(&first)), vec![receipt(&session("s"), 1, "late")]);
    assert_eq!(ledger.append(late).await, Err(AppendError::Conflict("session:s".to_owned())));
    let forged = Head { sequence: 1, digest: digest("another") };
    let forged = after(Some(forged), vec![receipt(&session("s"), 2, "")]);
    assert_eq!(ledger.append(forged).await, Err(AppendError::Conflict("session:s".to_owned())));
}

async fn an_empty_chain_can_be_expected<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    assert_eq!(ledger.head(&session("s")).await, Ok(None));
    let first = receipt(&session("s"), 0, "");
    assert_eq!(ledger.append(after(None, vec![first.clone()])).await, Ok(()));
    assert_eq!(ledger.head(&session("s")).await, Ok(Some(head_of(&first))));
    let again = ledger.append(after(None, vec![receipt(&session("s"), 0, "again")])).await;
    assert_eq!(again, Err(AppendError::Conflict("session:s".to_owned())));
    let never = Head { sequence: 0, digest: digest("never") };
    let never = ledger.append(after(Some(never), vec![receipt(&session("t"), 1, "")])).await;
    assert_eq!(never, Err(AppendError::Conflict("session:t".to_owned())));
}

async fn every_expected_head_is_compared<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let alice = link(&human("alice"), 0, "first");
    ledger.append(batch(vec![alice.clone()])).await.unwrap();
    let expect = |head| Expected { chain: human("alice"), head };
    let mut wants = batch(vec![receipt(&session("s"), 0, "")]);
    wants.expect = vec![Expected { chain: session("s"), head: None }, expect(None)];
    assert_eq!(ledger.append(wants.clone()).await, Err(AppendError::Conflict("human:alice".to_owned())));
    wants.expect[1] = expect(Some(head_of(&alice)));
    assert_eq!(ledger.append(wants).await, Ok(()));
}

async fn an_epoch_that_moved_refuses_the_batch<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let read = ledger.epochs().await.unwrap();
    assert_eq!(read, epochs(0, 0, 0));
    for epoch in [Epoch::Halt, Epoch::Policy, Epoch::Revocation] {
        let read = ledger.epochs().await.unwrap();
        let raise = Batch { raise: vec![epoch], ..Batch::default() };
        assert_eq!(ledger.append(raise).await, Ok(()));
        let late = Batch { epochs: Some(read), ..batch(vec![receipt(&session("s"), 0, "")]) };
        assert_eq!(ledger.append(late).await, Err(AppendError::EpochMoved));
    }
    let read = ledger.epochs().await.unwrap();
    assert_eq!(read, epochs(1, 1, 1));
    let timely = Batch { epochs: Some(read), ..batch(vec![receipt(&session("s"), 0, "")]) };
    assert_eq!(ledger.append(timely).await, Ok(()));
    assert_eq!(
        ledger.append(batch(vec![receipt(&session("s"), 1, "")])).await,
        Ok(()),
        "None depends on no epoch"
    );
}

async fn epochs_rise_by_one_after_the_check<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let raise = Batch {
        epochs: Some(epochs(0, 0, 0)),
        raise: vec![Epoch::Halt, Epoch::Halt, Epoch::Policy],
        ..batch(vec![receipt(&Chain::System, 0, "")])
    };
    assert_eq!(ledger.append(raise.clone()).await, Ok(()));
    assert_eq!(ledger.epochs().await, Ok(epochs(2, 1, 0)));
    assert_eq!(ledger.append(raise).await, Err(AppendError::EpochMoved));
    assert_eq!(ledger.epochs().await, Ok(epochs(2, 1, 0)));
}

async fn a_refused_batch_leaves_nothing<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let first = append_next(&*ledger, "s", "").await.unwrap();
    let good = receipt(&session("t"), 0, "");
    let mut refused = batch(vec![with_lookup(good.clone(), "key"), receipt(&session("s"), 5, "")]);
    refused.records[0].disclosures = Some("{}".into());
    refused.raise = vec![Epoch::Halt];
    refused.open = vec![open("t", "a")];
    assert_eq!(ledger.append(refused).await, Err(AppendError::Conflict("session:s".to_owned())));
    assert_eq!(ledger.head(&session("t")).await, Ok(None));
    assert_eq!(ledger.head(&session("s")).await, Ok(Some(head_of(&first))));
    assert_eq!(ledger.lookup("key").await, Ok(None));
    assert_eq!(ledger.open_actions().await, Ok(vec![]));
    assert_eq!(ledger.epochs().await, Ok(epochs(0, 0, 0)));
    assert_eq!(ledger.receipts(&Query::default()).await.unwrap().len(), 1);
    // The names it wanted are free.
    let mut good = with_lookup(good, "key");
    good.disclosures = Some("{}".into());
    assert_eq!(ledger.append(batch(vec![good])).await, Ok(()));
}

async fn a_batch_spans_chains_and_is_whole<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let s = session("s");
    let records = vec![
        receipt(&s, 0, ""),
        link(&human("alice"), 0, "a"),
        receipt(&s, 1, ""),
        link(&Chain::Agent("desk".into()), 0, "b"),
        link(&human("alice"), 1, "c"),
    ];
    assert_eq!(ledger.append(batch(records.clone())).await, Ok(()));
    assert_eq!(ledger.head(&s).await, Ok(Some(head_of(&records[2]))));
    assert_eq!(ledger.head(&human("alice")).await, Ok(Some(head_of(&records[4]))));
    let links = ledger.read(&human("alice"), 0).await.unwrap();
    assert_eq!(links.iter().map(|stored| &*stored.body).collect::<Vec<_>>(), ["a", "c"]);
    assert!(links.iter().all(|stored| stored.kind == RecordKind::Link));
    assert_eq!(ledger.receipts(&Query::default()).await.unwrap().len(), 2, "links are no receipts");
}

async fn numbers_that_do_not_follow_are_refused<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let s = session("s");
    let refused = Err(AppendError::Conflict("session:s".to_owned()));
    assert_eq!(ledger.append(batch(vec![receipt(&s, 1, "")])).await, refused, "a chain begins with 0");
    let first = append_next(&*ledger, "s", "").await.unwrap();
    for wrong in [0, 2, u64::MAX] {
        assert_eq!(ledger.append(batch(vec![receipt(&s, wrong, "x")])).await, refused);
        let expecting = after(Some(head_of(&first)), vec![receipt(&s, wrong, "x")]);
        assert_eq!(ledger.append(expecting).await, refused);
    }
    let hole = batch(vec![receipt(&s, 1, ""), receipt(&s, 3, "")]);
    assert_eq!(ledger.append(hole).await, refused);
    let twice = batch(vec![receipt(&s, 1, ""), receipt(&s, 1, "x")]);
    assert_eq!(ledger.append(twice).await, refused);
    assert_eq!(ledger.read(&s, 0).await.unwrap().len(), 1);
}

async fn a_receipt_id_is_used_once<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let first = append_next(&*ledger, "s", "").await.unwrap();
    let refused = Err(AppendError::Conflict("session:t".to_owned()));
    let again = Record { chain: session("t"), digest: digest("other"), ..first.clone() };
    assert_eq!(ledger.append(batch(vec![again.clone()])).await, refused);
    let one = receipt(&session("t"), 0, "");
    let two = Record { kind: one.kind.clone(), ..receipt(&session("t"), 1, "") };
    assert_eq!(ledger.append(batch(vec![one, two])).await, refused);
    assert_eq!(ledger.head(&session("t")).await, Ok(None));
}

async fn texts_read_back_exactly<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let s = session("a:b/ü%_'\"");
    let bodies =
        ["", "{\"a\":1.0,  \"b\":1e400}", "\u{0}nul\u{fffd}", "ü\u{202e}\r\n\t 😀", &"x".repeat(60_000)];
    for (n, body) in (0..).zip(bodies) {
        let record = Record { body: body.into(), ..about(receipt(&s, n, ""), "act_1") };
        ledger.append(batch(vec![record.clone()])).await.unwrap();
        let found = ledger.read(&s, n).await.unwrap();
        let Record { chain, sequence, digest, kind, body, .. } = record;
        assert_eq!(found, [Stored { chain, sequence, digest, kind, body, disclosures: None }]);
    }
}

async fn a_chain_reads_from_a_number_on<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    for _ in 0..5 {
        append_next(&*ledger, "s", "").await.unwrap();
        append_next(&*ledger, "t", "").await.unwrap();
    }
    for (from, expected) in [(0, 0..5), (3, 3..5), (4, 4..5), (5, 5..5), (u64::MAX, 0..0)] {
        let found = ledger.read(&session("s"), from).await.unwrap();
        assert_eq!(sequences(&found), expected.collect::<Vec<_>>());
    }
    assert_eq!(ledger.read(&session("none"), 0).await, Ok(vec![]));
}

async fn disclosures_read_back<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let disclosed: Arc<str> = r#"{"/action/parameters":{"salt":"AA","value":"{\"to\":\"bob\"}"}}"#.into();
    let record = Record { disclosures: Some(disclosed.clone()), ..receipt(&session("s"), 0, "") };
    ledger.append(batch(vec![record, receipt(&session("s"), 1, "")])).await.unwrap();
    let read = ledger.read(&session("s"), 0).await.unwrap();
    assert_eq!(
        read.iter().map(|stored| stored.disclosures.clone()).collect::<Vec<_>>(),
        [Some(disclosed), None]
    );
    assert_eq!(ledger.receipts(&Query::default()).await, Ok(read));
}

async fn kept_texts_read_back_and_stay<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    assert_eq!(ledger.kept("sha256:a").await, Ok(None));
    let kept = |digest: &str, text: &str| Kept { digest: digest.into(), text: text.into() };
    let first = Batch {
        keep: vec![kept("sha256:a", "Grüße\n"), kept("sha256:b", "")],
        ..batch(vec![receipt(&session("s"), 0, "")])
    };
    ledger.append(first).await.unwrap();
    let again = Batch {
        keep: vec![kept("sha256:a", "something else"), kept("sha256:c", "c"), kept("sha256:c", "d")],
        ..batch(vec![receipt(&session("s"), 1, "")])
    };
    ledger.append(again).await.unwrap();
    for (digest, text) in [("sha256:a", "Grüße\n"), ("sha256:b", ""), ("sha256:c", "c")] {
        assert_eq!(ledger.kept(digest).await, Ok(Some(text.into())), "{digest}");
    }
    assert_eq!(ledger.kept("sha256:d").await, Ok(None));
}

async fn what_a_refused_batch_keeps_is_not_kept<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let keep = vec![Kept { digest: "sha256:a".into(), text: "a".into() }];
    let refused = Batch { keep, ..batch(vec![receipt(&session("s"), 7, "")]) };
    assert!(matches!(ledger.append(refused).await, Err(AppendError::Conflict(_))));
    assert_eq!(ledger.kept("sha256:a").await, Ok(None));
}

async fn receipts_are_selected<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let [s, t] = ["s", "t"].map(session);
    let records = [
        about(receipt(&s, 0, ""), "a"),
        about(receipt(&t, 0, ""), "b"),
        about(receipt(&s, 1, ""), "a"),
        receipt(&s, 2, ""),
        about(receipt(&t, 1, ""), "a"),
    ];
    for record in &records {
        ledger.append(batch(vec![record.clone()])).await.unwrap();
    }
    let found = async |query: Query| -> Vec<usize> {
        let found = ledger.receipts(&query).await.unwrap();
        let place =
            |stored: &Stored| records.iter().position(|record| record.digest == stored.digest).unwrap();
        found.iter().map(place).collect()
    };
    let (chain, action) = (Some(s.clone()), Some(ActionId::new("a")));
    let after = |place: usize| Some(id(&records[place]));
    assert_eq!(found(Query::default()).await, [0, 1, 2, 3, 4]);
    assert_eq!(found(Query { chain: chain.clone(), ..Query::default() }).await, [0, 2, 3]);
    assert_eq!(found(Query { action: action.clone(), ..Query::default() }).await, [0, 2, 4]);
    assert_eq!(found(Query { chain: chain.clone(), action, ..Query::default() }).await, [0, 2]);
    assert_eq!(found(Query { id: after(1), ..Query::default() }).await, [1]);
    assert_eq!(found(Query { id: after(1), chain: chain.clone(), ..Query::default() }).await, [0; 0]);
    assert_eq!(found(Query { after: after(1), ..Query::default() }).await, [2, 3, 4]);
    assert_eq!(found(Query { after: after(1), chain: chain.clone(), ..Query::default() }).await, [2, 3]);
    assert_eq!(found(Query { limit: 2, ..Query::default() }).await, [0, 1]);
    assert_eq!(found(Query { limit: 2, newest: true, ..Query::default() }).await, [3, 4]);
    assert_eq!(found(Query { limit: 2, newest: true, chain, ..Query::default() }).await, [2, 3]);
    assert_eq!(found(Query { newest: true, ..Query::default() }).await, [0, 1, 2, 3, 4]);
    assert_eq!(found(Query { id: Some("none".into()), ..Query::default() }).await, [0; 0]);
    assert_eq!(found(Query { after: Some("none".into()), ..Query::default() }).await, [0; 0]);
}

async fn receipts_page_and_end<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    for n in 0..23 {
        append_next(&*ledger, ["s", "t", "u"][n % 3], "").await.unwrap();
        let link = link(&human("alice"), n as u64, "between");
        ledger.append(batch(vec![link])).await.unwrap();
    }
    let mut paged = Vec::new();
    loop {
        let after = paged.last().map(|stored: &Stored| match &stored.kind {
            RecordKind::Receipt { id, .. } => id.clone(),
            RecordKind::Link => panic!("links are no receipts"),
        });
        let page = ledger.receipts(&Query { after, limit: 5, ..Query::default() }).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged.len(), 23);
    assert_eq!(ledger.receipts(&Query::default()).await, Ok(paged));
}

async fn a_lookup_key_leads_to_its_chain_and_to_no_other<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let begun = |name: &str| with_lookup(receipt(&session(name), 0, ""), "token");
    assert_eq!(ledger.lookup("token").await, Ok(None));
    ledger.append(batch(vec![begun("s")])).await.unwrap();
    assert_eq!(ledger.lookup("token").await, Ok(Some(session("s"))));
    assert_eq!(
        ledger.append(batch(vec![begun("t")])).await,
        Err(AppendError::Conflict("session:t".to_owned())),
        "nobody takes over another's key"
    );
    assert_eq!(ledger.lookup("token").await, Ok(Some(session("s"))));
    let same = with_lookup(receipt(&session("s"), 1, ""), "token");
    assert_eq!(ledger.append(batch(vec![same])).await, Ok(()));
}

async fn actions_open_and_close<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let opens = ["b", "a", "c"].map(|action| open("s", action));
    let batch = |open: &[OpenAction], close: &[&str]| Batch {
        open: open.to_vec(),
        close: close.iter().map(|action| ActionId::new(*action)).collect(),
        ..Batch::default()
    };
    ledger.append(batch(&opens, &[])).await.unwrap();
    assert_eq!(ledger.open_actions().await.unwrap(), opens);
    ledger.append(batch(&opens[..1], &["a", "never"])).await.unwrap();
    assert_eq!(ledger.open_actions().await.unwrap(), [opens[0].clone(), opens[2].clone()]);
    ledger.append(batch(&[open("s", "d")], &["d", "b"])).await.unwrap();
    assert_eq!(ledger.open_actions().await.unwrap(), opens[2..]);
}

async fn sessions_come_newest_first<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    for name in ["one", "two", "three", "two"] {
        append_next(&*ledger, name, "").await.unwrap();
    }
    ledger
        .append(batch(vec![receipt(&Chain::System, 0, ""), link(&human("session:x"), 0, "")]))
        .await
        .unwrap();
    let names = async |limit| -> Vec<String> {
        let sessions = ledger.sessions(limit).await.unwrap();
        sessions.iter().map(ToString::to_string).collect()
    };
    assert_eq!(names(0).await, ["three", "two", "one"]);
    assert_eq!(names(2).await, ["three", "two"]);
}

async fn concurrent_appenders_make_chains_without_gaps<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    let caller = |n: usize| {
        let ledger = ledger.clone();
        async move {
            let (own, shared) = (session(&format!("s{}", n % 16)), human("alice"));
            for round in 0..8 {
                loop {
                    let (own_head, shared_head) =
                        (ledger.head(&own).await.unwrap(), ledger.head(&shared).await.unwrap());
                    let next = |head: &Option<Head>| head.as_ref().map_or(0, |head| head.sequence + 1);
                    let salt = format!("{n}.{round}");
                    let records =
                        vec![receipt(&own, next(&own_head), &salt), link(&shared, next(&shared_head), &salt)];
                    let expect = vec![
                        Expected { chain: own.clone(), head: own_head },
                        Expected { chain: shared.clone(), head: shared_head },
                    ];
                    match ledger.append(Batch { expect, ..batch(records) }).await {
                        Ok(()) => break,
                        Err(AppendError::Conflict(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
    };
    let callers: Vec<_> = (0..64).map(|n| tokio::spawn(caller(n))).collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let shared = ledger.read(&human("alice"), 0).await.unwrap();
    assert_eq!(sequences(&shared), (0..512).collect::<Vec<_>>());
    for n in 0..16 {
        let own = ledger.read(&session(&format!("s{n}")), 0).await.unwrap();
        assert_eq!(sequences(&own), (0..32).collect::<Vec<_>>());
    }
}

async fn a_full_queue_refuses_at_once_and_keeps_nothing<S: Subject>() {
    let subject = S::slow();
    let ledger = subject.ledger();
    let mut answers = Vec::new();
    let refused = loop {
        let record = receipt(&session(&format!("s{}", answers.len())), 0, "");
        let mut answer = ledger.append(batch(vec![record.clone()]));
        if let Some(Err(error)) = futures_now(&mut answer).await {
            assert_eq!(error, AppendError::QueueFull);
            break record;
        }
        answers.push(answer);
        assert!(answers.len() < 5);
    };
    for answer in answers {
        assert_eq!(answer.await, Ok(()));
    }
    assert_eq!(ledger.head(&refused.chain).await, Ok(None));
    assert_eq!(ledger.append(batch(vec![refused])).await, Ok(()), "there is room again");
}

async fn a_healthy_ledger_says_so<S: Subject>() {
    let subject = S::new();
    let ledger = subject.ledger();
    assert_eq!(ledger.check().await, Ok(()));
    append_next(&*ledger, "s", "").await.unwrap();
    assert_eq!(ledger.check().await, Ok(()));
    assert_eq!(ledger.receipts(&Query::default()).await.unwrap().len(), 1);
}

/// What a future says when it is asked once.
async fn futures_now<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

fn with_lookup(record: Record, key: &str) -> Record {
    Record { lookup: Some(key.into()), ..record }
}

fn open(session: &str, action: &str) -> OpenAction {
    OpenAction { session: SessionId::new(session), action: ActionId::new(action) }
}

fn sequences(records: &[Stored]) -> Vec<u64> {
    records.iter().map(|record| record.sequence).collect()
}
