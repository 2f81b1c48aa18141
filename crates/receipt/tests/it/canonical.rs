//! Plain serialisation of our structs is RFC 8785, and reading never panics.

use std::collections::BTreeMap;

use countersign_receipt::sign::seal;
use countersign_receipt::v1::{
    Action, Context, Decision, Disclosures, Edit, EditOp, Enforcement, Epochs, Face, Kind, Party, Prior,
    Receipt, Verdict, WouldHave,
};
use countersign_receipt::values::{Digest, MAX_INTEGER, Plain, Time};
use countersign_receipt::verify;
use countersign_receipt::{canonical, parse};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::TestKey;

/// Text that exercises escapes, both sides of U+E000 and characters outside the basic plane.
fn text() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![
            any::<char>(),
            Just('"'),
            Just('\\'),
            Just('\u{7f}'),
            Just('\u{fb33}'),
            Just('\u{1f600}')
        ],
        0..12,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

fn plain() -> impl Strategy<Value = Plain> {
    prop_oneof![
        Just(Plain::Null),
        any::<bool>().prop_map(Plain::Bool),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Plain::Integer),
        text().prop_map(Plain::Text),
        vec(text(), 0..3).prop_map(Plain::List),
    ]
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn time() -> impl Strategy<Value = Time> {
    any::<i64>().prop_map(|millis| Time::from_unix_millis(millis % 253_402_300_800_000))
}

fn decision() -> impl Strategy<Value = Decision> {
    let edit = (select(EditOp::ALL), text(), text()).prop_map(|(op, path, value)| Edit { op, path, value });
    let wait = proptest::option::of(0..=MAX_INTEGER.unsigned_abs());
    (
        vec(vec(text(), 0..3), 0..3),
        proptest::option::of(time()),
        vec(edit, 0..3),
        text(),
        select(Verdict::ALL),
        wait,
    )
        .prop_map(|(approvers, deadline, edits, reason, verdict, wait_seconds)| Decision {
            approvers,
            deadline,
            edits,
            reason,
            verdict,
            wait_seconds,
            ..Decision::default()
        })
}

fn action() -> impl Strategy<Value = Action> {
    let contract = proptest::option::of(digest());
    (vec(text(), 0..3), text(), text(), proptest::option::of(text()), time(), contract).prop_map(
        |(depends_on, id, operation, original, submitted_at, contract)| Action {
            contract,
            depends_on,
            id,
            operation,
            original,
            submitted_at,
            ..Action::default()
        },
    )
}

prop_compose! {
    fn receipt()(
        (kind, face, enforcement) in (select(Kind::ALL), select(Face::ALL), select(Enforcement::ALL)),
        (action, decision) in (proptest::option::of(action()), decision()),
        would_have in proptest::option::of(decision()),
        heads in btree_map(text(), proptest::option::of(digest()), 0..4),
        commitments in btree_map(text().prop_map(|t| format!("/outcome/{}", t.replace('~', "~0"))), digest(), 0..4),
        (counted, set, subject) in (vec(text(), 0..3), btree_map(text(), plain(), 0..4), proptest::option::of(btree_map(text(), plain(), 0..4))),
        (id, chain, facts_read, at) in (text(), text(), vec(text(), 0..3), time()),
        (sequence, previous, halt) in (1..=MAX_INTEGER.unsigned_abs(), digest(), 0..=MAX_INTEGER.unsigned_abs()),
    ) -> Receipt {
        Receipt {
            action,
            approval: Some(Default::default()),
            commitments,
            context: Some(Context { counted, set }),
            decision: Some(decision),
            deferral: Some(Default::default()),
            enforcement,
            epochs: Epochs { halt, ..Epochs::default() },
            face,
            facts: Some(Default::default()),
            facts_read,
            heads,
            identity: Some(countersign_receipt::v1::Identity { human: Some(Party::default()), ..Default::default() }),
            outcome: Some(Default::default()),
            policy: Some(Default::default()),
            previous: Some(previous),
            prior: Some(Prior { digest: previous, id: "p".to_owned() }),
            sequence,
            session: Some(Default::default()),
            subject,
            would_have: would_have.map(|candidate| WouldHave {
                edits: candidate.edits,
                reason: candidate.reason,
                verdict: candidate.verdict,
                ..WouldHave::default()
            }),
            ..Receipt::new(kind, format!("c{chain}"), format!("i{id}"), at)
        }
    }
}

proptest! {
    /// R5 canonical form: what we sign is what any RFC 8785 library writes.
    #[test]
    fn the_signed_bytes_are_rfc_8785(receipt in receipt()) {
        let general = serde_json_canonicalizer::to_vec(&receipt).unwrap();
        prop_assert_eq!(String::from_utf8(receipt.signed_bytes().unwrap()), String::from_utf8(general));
    }

    /// R5: what was signed is read back, whatever it says.
    #[test]
    fn every_receipt_that_can_be_signed_verifies(mut receipt in receipt(), word in text()) {
        let key = TestKey::new();
        let mut disclosures = Disclosures::new();
        receipt.commit(&mut disclosures, "/outcome/output", [3; 32], word);
        let sealed = seal(&receipt, &key).unwrap();
        let line = countersign_receipt::sign::disclose(&sealed.text, &disclosures).unwrap();
        let verified = verify::receipt(line.as_bytes(), &key.public()).unwrap();
        prop_assert_eq!(verified.digest(), sealed.digest);
        prop_assert_eq!(verified.signed().text().unwrap(), line);
        prop_assert_eq!(verified.into_signed().receipt, receipt);
    }

    #[test]
    fn parsing_never_panics_on_bytes(bytes in vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = canonical::read(&bytes);
    }

    /// R5: a text that differs from a signed one is refused, unless it says exactly the same.
    #[test]
    fn parsing_never_panics_on_mutated_receipts(page in 0..8_usize, edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4)) {
        let book = crate::common::story::book();
        let line = book.export()[page].clone();
        let original = verify::receipt(line.as_bytes(), &TestKey::new().public()).unwrap();
        let mut bytes = line.into_bytes();
        for (index, byte, how) in edits {
            let at = index.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Ok(verified) = verify::receipt(&bytes, &TestKey::new().public()) {
            prop_assert_eq!(verified.digest(), original.digest());
            for (place, disclosure) in &verified.signed().disclosures {
                prop_assert_eq!(Some(disclosure), original.signed().disclosures.get(place));
            }
        }
    }
}

#[test]
fn integers_beyond_2_53_cannot_be_signed() {
    let with = |edit: fn(&mut Receipt)| {
        let mut receipt = Receipt::new(Kind::Policy, "system", "r", Time::default());
        edit(&mut receipt);
        receipt.signed_bytes().map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(
        with(|r| r.epochs.halt = 9_007_199_254_740_992),
        Err("the integer at `epochs.halt` is beyond 2^53".into())
    );
    let subject = |n: i64| Some(BTreeMap::from([("n".to_owned(), Plain::Integer(n))]));
    assert_eq!(with(|r| r.subject = Some(BTreeMap::from([("n".into(), (-MAX_INTEGER).into())]))), Ok(()));
    let mut receipt = Receipt::new(Kind::Policy, "system", "r", Time::default());
    receipt.subject = subject(i64::MIN);
    assert_eq!(receipt.signed_bytes().unwrap_err().to_string(), "the integer at `subject.n` is beyond 2^53");
}

#[test]
fn a_receipt_beyond_60000_signed_bytes_is_neither_signed_nor_read() {
    let mut receipt = Receipt::new(Kind::Policy, "system", "r", Time::default());
    let room = canonical::MAX_SIGNED_BYTES - receipt.signed_bytes().unwrap().len();
    receipt.tenant.push_str(&"x".repeat(room));
    assert_eq!(receipt.signed_bytes().unwrap().len(), canonical::MAX_SIGNED_BYTES);
    let text = seal(&receipt, &TestKey::new()).unwrap().text;
    assert!(verify::receipt(text.as_bytes(), &TestKey::new().public()).is_ok());
    receipt.tenant.push('x');
    let error = seal(&receipt, &TestKey::new()).unwrap_err().to_string();
    assert!(error.contains("60001 signed bytes"), "{error}");
    let text = text.replace("\"tenant\":\"", "\"tenant\":\"x");
    let error = verify::receipt(text.as_bytes(), &TestKey::new().public()).unwrap_err().to_string();
    assert!(error.contains("60001 signed bytes"), "{error}");
}

#[test]
fn a_kind_without_the_member_it_needs_cannot_be_signed() {
    for (kind, member) in [
        (Kind::Ruling, "decision"),
        (Kind::Approval, "approval"),
        (Kind::Outcome, "outcome"),
        (Kind::Resolution, "prior"),
        (Kind::Expiry, "prior"),
        (Kind::Facts, "facts"),
        (Kind::Session, "session"),
    ] {
        let error = Receipt::new(kind, "system", "r", Time::default()).signed_bytes().unwrap_err();
        assert!(error.to_string().contains(member), "{error}");
    }
    assert!(Receipt::new(Kind::Recovery, "", "r", Time::default()).signed_bytes().is_err());
    assert!(Receipt::new(Kind::Checkpoint, "", "r", Time::default()).signed_bytes().is_ok());
}

/// A candidate's word is never an enforced one: a receipt that says so is refused on both sides.
#[test]
fn what_a_candidate_would_have_done_cannot_be_said_to_be_enforced() {
    let enforced = Some(WouldHave { enforced: true, ..WouldHave::default() });
    let receipt =
        Receipt { would_have: enforced, ..Receipt::new(Kind::Policy, "system", "r", Time::default()) };
    assert!(seal(&receipt, &TestKey::new()).is_err());
    let honest = Receipt { would_have: Some(WouldHave::default()), ..receipt };
    let sealed = seal(&honest, &TestKey::new()).unwrap();
    assert!(sealed.text.contains("\"would_have\":{\"enforced\":false,"), "{}", sealed.text);
    assert!(parse(sealed.text.as_bytes()).is_ok());
    assert!(parse(sealed.text.replace("\"enforced\":false", "\"enforced\":true").as_bytes()).is_err());
}
