//! An export shows what is changed, missing, moved, doubled, forked or not permitted, and says what it cannot show.

use countersign_receipt::v1::{Enforcement, Kind, Outcome, Prior, Receipt, Status, Verdict};
use countersign_receipt::verify::{Report, Waiting, verify_export};

use crate::common::story::{DESK, HUMAN, action, decision, receipt};
use crate::common::{Book, TestKey};

fn verify(lines: &[String]) -> Report {
    verify_export(lines, &TestKey::new().public())
}

/// The codes of what was found, each with its line.
fn found(lines: &[String]) -> Vec<(usize, &'static str)> {
    verify(lines).findings.iter().map(|finding| (finding.line, finding.problem.code())).collect()
}

fn line_of(lines: &[String], id: &str) -> usize {
    lines.iter().position(|line| line.contains(&format!("\"id\":\"{id}\",\"identity\""))).unwrap() + 1
}

#[test]
fn r5_offline_a_whole_export_verifies_from_text_and_keys_alone() {
    let lines = crate::common::story::book().export();
    let report = verify(&lines);
    assert!(report.ok(), "{report}");
    assert_eq!(report.counts.verified, lines.len());
    assert_eq!(report.counts.kinds.len(), Kind::ALL.len(), "every kind is in the story");
    assert_eq!(report.counts.verdicts.len(), Verdict::ALL.len(), "so is every verdict");
    assert_eq!(report.chains.keys().collect::<Vec<_>>(), [DESK, "session:s-2", "system"]);
    let words = report.to_string();
    assert!(words.contains("Proved: ") && words.contains("Not proved: "), "{words}");
}

#[test]
fn an_export_of_one_chain_verifies_and_says_which_heads_it_cannot_follow() {
    let lines: Vec<String> = crate::common::story::book()
        .export()
        .into_iter()
        .filter(|line| line.contains("\"chain\":\"system\""))
        .collect();
    let report = verify(&lines);
    assert!(report.ok(), "{report}");
    assert_eq!(report.counts.heads_outside, 1);
    assert!(report.to_string().contains("1 head of principals' chains lie"), "{report}");
}

#[test]
fn an_empty_export_proves_nothing() {
    assert_eq!(found(&[]), [(0, "empty")]);
    assert_eq!(found(&[String::new(), " ".to_owned()]), [(0, "empty")]);
}

#[test]
fn r5_chain_a_changed_receipt_is_named_once() {
    let mut lines = crate::common::story::book().export();
    let line = line_of(&lines, "r-send");
    lines[line - 1] = lines[line - 1].replace("may not leave", "may leave");
    assert_eq!(found(&lines), [(line, "changed")]);
    let words = verify(&lines).to_string();
    assert!(words.contains(&format!("line {line}, receipt r-send (number 4 of session:s-1)")), "{words}");
    assert!(words.contains("must not be relied on"), "{words}");
}

#[test]
fn r5_chain_a_missing_receipt_is_seen() {
    let mut lines = crate::common::story::book().export();
    let line = line_of(&lines, "r-send");
    lines.remove(line - 1);
    assert_eq!(found(&lines), [(line, "missing")]);
    let first = line_of(&lines, "r-session");
    lines.remove(first - 1);
    assert_eq!(found(&lines)[0], (first, "missing"));
}

#[test]
fn r5_chain_a_missing_ruling_is_seen_by_its_outcome() {
    let mut lines = crate::common::story::book().export();
    let line = line_of(&lines, "r-read");
    lines.remove(line - 1);
    assert_eq!(found(&lines), [(line, "missing"), (line, "missing_prior")]);
}

#[test]
fn r5_chain_reordered_and_duplicated_lines_are_seen() {
    let mut lines = crate::common::story::book().export();
    let line = line_of(&lines, "r-send");
    lines.swap(line - 1, line - 2);
    assert_eq!(found(&lines), [(line, "reordered")]);
    lines.swap(line - 1, line - 2);
    lines.push(lines[line - 1].clone());
    assert_eq!(found(&lines), [(lines.len(), "duplicated")]);
}

#[test]
fn lines_of_different_chains_may_be_mixed() {
    let mut lines = crate::common::story::book().export();
    lines.sort_by_key(|line| line.contains("\"chain\":\"session:s-1\""));
    assert!(verify(&lines).ok());
}

/// A book with one session, opened.
fn opened() -> (Book, Prior) {
    let mut book = Book::new();
    let at = book.now();
    let session = book.add(receipt(Kind::Session, DESK, "r-0", at), &[], &[]);
    (book, session)
}

fn ruling(book: &mut Book, id: &str, verdict: Verdict) -> (Receipt, Prior) {
    let at = book.now();
    let ruling = Receipt {
        action: action(&format!("a-{id}"), "files", "read", "read", at),
        decision: decision(verdict, "rule", "reason"),
        ..receipt(Kind::Ruling, DESK, id, at)
    };
    let prior = book.add(ruling.clone(), &[], &[]);
    (ruling, prior)
}

fn outcome(book: &mut Book, id: &str, of: &Receipt, prior: Prior, edit: impl Fn(&mut Receipt)) -> Prior {
    let at = book.now();
    let mut outcome = Receipt {
        action: of.action.clone(),
        outcome: Some(Outcome { status: Status::Ok, ..Outcome::default() }),
        prior: Some(prior),
        ..receipt(Kind::Outcome, DESK, id, at)
    };
    edit(&mut outcome);
    book.add(outcome, &[], &[])
}

#[test]
fn r5_chain_a_fork_made_with_the_right_key_is_seen() {
    let (mut book, _) = opened();
    ruling(&mut book, "r-1", Verdict::Allow);
    let (mut twin, _) = opened();
    ruling(&mut twin, "r-1b", Verdict::Deny);
    let lines = [book.export(), twin.export()].concat();
    assert_eq!(found(&lines), [(3, "duplicated"), (4, "forked")]);
}

#[test]
fn r5_chain_a_receipt_replaced_with_the_right_key_breaks_the_link_after_it() {
    let (mut book, _) = opened();
    ruling(&mut book, "r-1", Verdict::Deny);
    ruling(&mut book, "r-2", Verdict::Deny);
    let (mut twin, _) = opened();
    ruling(&mut twin, "r-1", Verdict::Allow);
    let lines = [book.export()[0].clone(), twin.export()[1].clone(), book.export()[2].clone()];
    assert_eq!(found(&lines), [(3, "broken_link")]);
}

#[test]
fn permitted_or_waiting_actions_at_the_end_are_open_and_no_failure() {
    let (mut book, _) = opened();
    for verdict in Verdict::ALL {
        ruling(&mut book, &format!("r-{verdict}"), *verdict);
    }
    let report = verify(&book.export());
    assert!(report.ok(), "{report}");
    let open: Vec<_> = report.open.iter().map(|open| (open.receipt.id.as_str(), open.waiting)).collect();
    assert_eq!(
        open,
        [
            ("r-ALLOW", Waiting::Outcome),
            ("r-MODIFY", Waiting::Outcome),
            ("r-STEP_UP", Waiting::Approval),
            ("r-DEFER", Waiting::Context)
        ]
    );
}

#[test]
fn r1_deny_an_enforced_outcome_without_a_permit_is_a_finding() {
    let (mut book, _) = opened();
    let (denied, prior) = ruling(&mut book, "r-1", Verdict::Deny);
    outcome(&mut book, "r-2", &denied, prior, |_| ());
    assert_eq!(found(&book.export()), [(3, "without_permit")]);

    // A permit that was taken back by a later ruling about the same action is none.
    let (mut book, _) = opened();
    let (allowed, prior) = ruling(&mut book, "r-1", Verdict::Allow);
    let at = book.now();
    let again = Receipt { prior: Some(prior), at, id: "r-2".to_owned(), ..allowed.clone() };
    let again = Receipt { decision: decision(Verdict::Deny, "rule", "halted"), previous: None, ..again };
    let prior = book.add(again, &[], &[]);
    outcome(&mut book, "r-3", &allowed, prior, |_| ());
    assert_eq!(found(&book.export()), [(4, "without_permit")]);

    for harmless in [
        |r: &mut Receipt| r.outcome = Some(Outcome { status: Status::NothingSent, ..Outcome::default() }),
        |r: &mut Receipt| r.enforcement = Enforcement::Reported,
    ] {
        let (mut book, _) = opened();
        let (denied, prior) = ruling(&mut book, "r-1", Verdict::Deny);
        outcome(&mut book, "r-2", &denied, prior, harmless);
        assert!(verify(&book.export()).ok());
    }
}

#[test]
fn a_permit_is_settled_once_and_a_late_outcome_is_linked() {
    let (mut book, _) = opened();
    let (allowed, prior) = ruling(&mut book, "r-1", Verdict::Allow);
    let unknown = |r: &mut Receipt| r.outcome = Some(Outcome::default());
    let first = outcome(&mut book, "r-2", &allowed, prior.clone(), unknown);
    let late = |r: &mut Receipt| r.outcome = Some(Outcome { late: true, status: Status::Ok, labels: vec![] });
    outcome(&mut book, "r-3", &allowed, first, late);
    assert!(verify(&book.export()).ok());
    outcome(&mut book, "r-4", &allowed, prior, |_| ());
    assert_eq!(found(&book.export()), [(5, "settled_twice")]);
}

#[test]
fn a_prior_of_another_action_or_id_is_seen() {
    let (mut book, _) = opened();
    let (_, prior) = ruling(&mut book, "r-1", Verdict::Allow);
    let (other, mut named) = ruling(&mut book, "r-2", Verdict::Allow);
    outcome(&mut book, "r-3", &other, prior, |_| ());
    named.id = "r-9".to_owned();
    outcome(&mut book, "r-4", &other, named, |_| ());
    let lines = book.export();
    assert_eq!(found(&lines), [(4, "wrong_prior"), (5, "wrong_prior")]);
    let words = verify(&lines).to_string();
    assert!(
        words.contains("it is about another action") && words.contains("its id is another one"),
        "{words}"
    );
}

#[test]
fn an_id_used_twice_is_seen() {
    let (mut book, _) = opened();
    ruling(&mut book, "r-1", Verdict::Deny);
    ruling(&mut book, "r-1", Verdict::Allow);
    assert_eq!(found(&book.export()), [(3, "same_id")]);
}

/// A receipt in its own session that saw the given head of the human's chain.
fn joiner(book: &mut Book, chain: &str, id: &str, head: Option<&Prior>) -> Prior {
    let at = book.now();
    let mut joiner = receipt(Kind::Turn, chain, id, at);
    joiner.heads.insert(HUMAN.to_owned(), head.map(|prior| prior.digest));
    book.add(joiner, &[], &[])
}

#[test]
fn r2_chain_principals_heads_that_fit_are_accepted_across_sessions() {
    let mut book = Book::new();
    let one = joiner(&mut book, "session:a", "r-1", None);
    let two = joiner(&mut book, "session:b", "r-2", Some(&one));
    // Two receipts may see the same head, as long as only one of them becomes the next.
    joiner(&mut book, "session:a", "r-3", Some(&two));
    let four = joiner(&mut book, "session:b", "r-4", Some(&two));
    joiner(&mut book, "session:a", "r-5", Some(&four));
    assert!(verify(&book.export()).ok(), "{}", verify(&book.export()));
}

#[test]
fn r2_chain_a_forked_principal_is_seen_across_sessions() {
    let mut book = Book::new();
    let one = joiner(&mut book, "session:a", "r-1", None);
    let left = joiner(&mut book, "session:a", "r-2", Some(&one));
    let right = joiner(&mut book, "session:b", "r-3", Some(&one));
    joiner(&mut book, "session:a", "r-4", Some(&left));
    joiner(&mut book, "session:b", "r-5", Some(&right));
    assert_eq!(found(&book.export()), [(3, "forked_head")]);
}

#[test]
fn r2_chain_a_principal_set_back_within_a_session_is_seen() {
    let mut book = Book::new();
    let one = joiner(&mut book, "session:a", "r-1", None);
    let two = joiner(&mut book, "session:a", "r-2", Some(&one));
    joiner(&mut book, "session:a", "r-3", Some(&two));
    joiner(&mut book, "session:a", "r-4", Some(&one));
    assert_eq!(found(&book.export()), [(4, "stale_head")]);
    joiner(&mut book, "session:a", "r-5", None);
    assert_eq!(found(&book.export()), [(4, "stale_head"), (5, "stale_head")]);
}

#[test]
fn r2_chain_a_head_that_never_joined_is_seen() {
    let (mut book, session) = opened();
    joiner(&mut book, DESK, "r-1", Some(&session));
    assert_eq!(found(&book.export()), [(2, "wrong_head")]);
}

#[test]
fn a_report_can_be_read_by_programs() {
    let mut lines = crate::common::story::book().export();
    lines[0] = "{}".to_owned();
    let json = serde_json::to_value(verify(&lines)).unwrap();
    assert_eq!(json["findings"][0]["problem"], "unreadable");
    assert_eq!(json["findings"][0]["line"], 1);
    assert_eq!(json["chains"]["session:s-2"]["last"], 1);
}
