//! The lifecycle, over every sequence of inputs.
//!
//! A sequence is a word over [`Letter`]. An input that changes nothing leads to no new life (the state after
//! it is compared with the one before), so words that go on from there are those that leave it out, and
//! are tried without it. That way every word up to [`LONGEST`] is covered, and every claim below is checked
//! after every one of its letters.

use std::sync::Arc;

use countersign_core::action::Action;
use countersign_core::decision::{Approvers, Decision, Gap, Missing, Ruling, Step, Why};
use countersign_core::edits::Edit;
use countersign_core::lifecycle::{
    Answer, End, Input, Lapsed, Lifecycle, Limits, Output, Permit, State, Transition,
};
use countersign_core::session::Status;
use countersign_core::time::{Span, Time};
use countersign_testkit::builders::{START, action, approvers, edits, outcome, ruling, second};

const LONGEST: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    /// Rulings: the five decisions, and a disagreement that somebody can settle.
    Allow,
    Modify,
    Deny,
    StepUp,
    Defer,
    Disagree,
    /// The same for a live request that claims.
    ClaimAllow,
    ClaimModify,
    ClaimDeny,
    ClaimStepUp,
    ClaimDefer,
    ClaimDisagree,
    Escalated,
    Yes,
    No,
    Ok,
    Lost,
    Halted,
    Recorded,
    NotRecorded,
    /// Time passes until something is due, and nobody says so yet.
    Later,
    Due,
}

use Letter::{
    Allow, ClaimAllow, ClaimStepUp, Deny, Due, Halted, Later, Modify, NotRecorded, Recorded, StepUp, Yes,
};

const LETTERS: [Letter; 22] = [
    Allow,
    Modify,
    Deny,
    StepUp,
    Letter::Defer,
    Letter::Disagree,
    Letter::ClaimAllow,
    Letter::ClaimModify,
    Letter::ClaimDeny,
    Letter::ClaimStepUp,
    Letter::ClaimDefer,
    Letter::ClaimDisagree,
    Letter::Escalated,
    Yes,
    Letter::No,
    Letter::Ok,
    Letter::Lost,
    Halted,
    Recorded,
    NotRecorded,
    Later,
    Due,
];

/// One life, and what was seen of it.
struct Run {
    action: Action,
    rulings: Rulings,
    life: Lifecycle,
    now: Time,
    /// What became durable, and when.
    durable: Vec<(Transition, Time)>,
    pending: Option<(Transition, Time)>,
    permits: usize,
    /// The earliest end of a wait so far.
    deadline: Option<Time>,
}

/// The rulings of the alphabet, made once.
#[derive(Clone)]
struct Rulings {
    allow: Arc<Ruling>,
    modify: Arc<Ruling>,
    deny: Arc<Ruling>,
    step_up: Arc<Ruling>,
    defer: Arc<Ruling>,
    disagree: Arc<Ruling>,
    halted: Arc<Ruling>,
}

impl Rulings {
    fn new() -> Self {
        let missing = Missing::fact("context.x", Why::Absent);
        let agreement = Missing::one(Gap::Agreement(vec!["a".into(), "b".into()]));
        let mut halted = ruling(Decision::Deny);
        halted.because.step = Step::Halted;
        let mut disagree = ruling(Decision::Defer(agreement));
        disagree.because.rules = vec!["a".into(), "b".into()];
        disagree.escalate = Some(Approvers::default());
        Self {
            allow: Arc::new(ruling(Decision::Allow)),
            modify: Arc::new(Ruling {
                edits: edits(&[("x", Edit::Cap(1.into()))]),
                ..ruling(Decision::Allow)
            }),
            deny: Arc::new(ruling(Decision::Deny)),
            // A rule's own bound is shorter than what waits have by default.
            step_up: Arc::new(Ruling {
                wait: Some(Span::seconds(60)),
                ..ruling(Decision::StepUp(approvers(&["security"])))
            }),
            defer: Arc::new(ruling(Decision::Defer(missing))),
            disagree: Arc::new(disagree),
            halted: Arc::new(halted),
        }
    }
}

impl Run {
    fn new(rulings: &Rulings) -> Self {
        Self {
            action: action("act_1", "f.w", r#"{"x":2}"#),
            rulings: rulings.clone(),
            life: Lifecycle::new(Limits::default()),
            now: START,
            durable: Vec::new(),
            pending: None,
            permits: 0,
            deadline: None,
        }
    }

    fn input(&self, letter: Letter) -> Option<Input> {
        let ruled = |ruling: &Arc<Ruling>| Input::Ruled(Arc::clone(ruling));
        let claimed = |ruling: &Arc<Ruling>| Input::Claimed(Arc::clone(ruling));
        let answer = |approve| Input::Answered(Answer { by: "bob".into(), approve, reason: None });
        Some(match letter {
            Allow => ruled(&self.rulings.allow),
            Modify => ruled(&self.rulings.modify),
            Deny => ruled(&self.rulings.deny),
            StepUp => ruled(&self.rulings.step_up),
            Letter::Defer => ruled(&self.rulings.defer),
            Letter::Disagree => ruled(&self.rulings.disagree),
            Letter::ClaimAllow => claimed(&self.rulings.allow),
            Letter::ClaimModify => claimed(&self.rulings.modify),
            Letter::ClaimDeny => claimed(&self.rulings.deny),
            Letter::ClaimStepUp => claimed(&self.rulings.step_up),
            Letter::ClaimDefer => claimed(&self.rulings.defer),
            Letter::ClaimDisagree => claimed(&self.rulings.disagree),
            Letter::Escalated => Input::Escalated,
            Yes => answer(true),
            Letter::No => answer(false),
            Letter::Ok => Input::Settled(outcome(Status::Ok, &[])),
            Letter::Lost => Input::Settled(outcome(Status::Unknown, &[])),
            Halted => Input::Halted(Arc::clone(&self.rulings.halted)),
            Recorded => Input::Recorded,
            NotRecorded => Input::NotRecorded,
            Due => Input::Due,
            Later => return None,
        })
    }

    /// Takes a letter in and checks every claim. Whether anything changed.
    fn take(&mut self, letter: Letter) -> bool {
        let before = (self.life.state().clone(), self.life.was_deferred(), self.now);
        let Some(input) = self.input(letter) else {
            self.now = self.life.due().map_or(self.now, |due| due.max(self.now));
            return self.now != before.2;
        };
        let life = std::mem::replace(&mut self.life, Lifecycle::new(Limits::default()));
        let (life, output) = life.handle(&self.action, input, self.now);
        self.life = life;
        self.check(letter, &before.0, output);
        (self.life.state(), self.life.was_deferred(), self.now) != (&before.0, before.1, before.2)
    }

    fn check(&mut self, letter: Letter, before: &State, output: Output) {
        match output {
            Output::Record(transition) => self.asked_to_record(letter, before, transition),
            Output::Release(permit) => self.released(letter, &permit),
            Output::Misplaced | Output::Unchanged => assert_eq!(self.life.state(), before),
            Output::Unrecorded => {
                let State::Recording { from, .. } = before else { panic!("{before:?}") };
                assert_eq!(self.life.state(), &**from, "NotRecorded restores what stood");
                self.pending = None;
            }
            Output::Refuse(_)
            | Output::Ask(_)
            | Output::Await(_)
            | Output::Escalate
            | Output::Claimable
            | Output::Over(_) => {
                assert_eq!(letter, Recorded, "nothing but a durable record moves a life on");
                self.durable.push(self.pending.take().unwrap());
            }
        }
        self.check_state();
    }

    fn asked_to_record(&mut self, letter: Letter, before: &State, transition: Transition) {
        assert!(matches!(self.life.state(), State::Recording { .. }));
        match before {
            State::Ended(End::Unknown) => {
                assert!(
                    matches!(transition, Transition::Outcome { late: true, .. }),
                    "a late outcome, nothing else"
                );
                assert_eq!(letter, Letter::Ok);
            }
            State::Ended(_) | State::Recording { .. } => panic!("{letter:?} moved {before:?}"),
            State::Waiting { deadline, .. } if self.now >= *deadline => {
                assert!(
                    matches!(letter, Due | Halted),
                    "R4.step.timeout, R4.defer.timeout: {letter:?} came too late"
                );
            }
            State::Authorised { until, .. } => {
                let claims = format!("{letter:?}").starts_with("Claim") && self.now < *until;
                assert!(
                    claims || matches!(letter, Due | Halted),
                    "only a live request claims, and only in time: {letter:?}"
                );
            }
            _ => {}
        }
        if let Transition::Outcome { late, .. } = &transition {
            assert_eq!(self.permits, 1, "an outcome of what never ran");
            let earlier =
                self.durable.iter().filter(|(t, _)| matches!(t, Transition::Outcome { .. })).count();
            assert_eq!(*late, earlier == 1, "a late outcome comes only after the outcome unknown");
        }
        self.pending = Some((transition, self.now));
    }

    fn released(&mut self, letter: Letter, permit: &Permit) {
        assert_eq!(letter, Recorded, "no permit without a durable record");
        let (transition, at) = self.pending.take().unwrap();
        let Transition::Ruled(ruling) = &transition else { panic!("a permit for {transition:?}") };
        assert_eq!(ruling.decision, Decision::Allow, "no permit without a recorded ALLOW");
        assert_eq!(permit.action(), &self.action.id);
        assert_eq!(permit.until(), at + Limits::default().permit);
        assert!(!self.durable.iter().any(|(t, _)| refuses(t)), "no permit after a refusal or an expiry");
        self.durable.push((transition, at));
        self.permits += 1;
        assert_eq!(self.permits, 1, "at most one permit a life");
    }

    /// What holds of every state that a life can be in.
    fn check_state(&mut self) {
        let refused = self.durable.iter().any(|(t, _)| refuses(t));
        match self.life.state() {
            State::Waiting { deadline, .. } => {
                assert!(
                    self.deadline.is_none_or(|so_far| *deadline <= so_far),
                    "a wait's deadline never stretches"
                );
                self.deadline = Some(*deadline);
                assert!(!refused && self.permits == 0);
            }
            State::Authorised { approved, .. } => {
                assert!(!refused && self.permits == 0, "an approval alone never releases");
                let answered =
                    |(t, _): &(Transition, Time)| matches!(t, Transition::Answered(a) if a.approve);
                assert_eq!(*approved, self.durable.iter().any(answered));
            }
            State::Permitted { .. } => assert_eq!(self.permits, 1),
            State::Ended(End::Refused | End::Expired) => assert!(refused && self.permits == 0),
            State::Ended(End::Settled | End::Unknown) => assert_eq!(self.permits, 1),
            State::New => assert!(self.durable.is_empty()),
            State::Recording { .. } => return,
        }
        self.check_replay();
    }

    /// Recovery is the normal path: what is durable leads to where the life stands.
    fn check_replay(&self) {
        let mut again = Lifecycle::new(Limits::default());
        for (transition, at) in &self.durable {
            again = again.replay(&self.action, transition, *at).unwrap();
        }
        assert_eq!(again.state(), self.life.state());
        assert_eq!(again.was_deferred(), self.life.was_deferred());
    }
}

/// A durable step after which an action may never run.
fn refuses(transition: &Transition) -> bool {
    match transition {
        Transition::Ruled(ruling) | Transition::Resolved(ruling) => ruling.decision == Decision::Deny,
        Transition::Answered(answer) => !answer.approve,
        Transition::TimedOut | Transition::Unclaimed => true,
        Transition::Escalated(_) | Transition::Outcome { .. } => false,
    }
}

fn lead(word: &[Letter], rulings: &Rulings) -> Run {
    let mut run = Run::new(rulings);
    for letter in word {
        run.take(*letter);
    }
    run
}

/// Tries every letter after `word`; counts the inputs taken and the different ends seen.
fn explore(word: &mut Vec<Letter>, rulings: &Rulings, seen: &mut [usize; 6]) -> u64 {
    let mut inputs = 0;
    let mut run = lead(word, rulings);
    for letter in LETTERS {
        inputs += 1;
        if !run.take(letter) {
            continue;
        }
        match run.life.state() {
            State::Permitted { .. } => seen[0] += 1,
            State::Ended(End::Refused) => seen[1] += 1,
            State::Ended(End::Expired) => seen[2] += 1,
            State::Ended(End::Settled) => seen[3] += 1,
            State::Ended(End::Unknown) => seen[4] += 1,
            _ => seen[5] += 1,
        }
        if word.len() + 1 < LONGEST {
            word.push(letter);
            inputs += explore(word, rulings, seen);
            word.pop();
        }
        run = lead(word, rulings);
    }
    inputs
}

/// `R1.closed`, `R4.step`, `R4.defer`: every claim above, over every word.
#[test]
fn every_life_up_to_ten_inputs_long_keeps_every_promise() {
    let rulings = Rulings::new();
    let mut seen = [0; 6];
    let inputs = explore(&mut Vec::new(), &rulings, &mut seen);
    assert!(seen.iter().all(|n| *n > 100), "every end is reached: {seen:?}");
    assert!(inputs > 800_000, "{inputs}");
}

fn walk(word: &[Letter]) -> (Run, Output) {
    let rulings = Rulings::new();
    let (last, first) = word.split_last().unwrap();
    let mut run = lead(first, &rulings);
    let input = run.input(*last).unwrap();
    let (life, output) = run.life.handle(&run.action, input, run.now);
    run.life = life;
    (run, output)
}

#[test]
fn r4_step_an_approved_action_runs_when_a_live_request_claims_it() {
    let (_, output) = walk(&[StepUp, Recorded, Yes, Recorded]);
    assert!(matches!(output, Output::Claimable), "an approval authorises, it never executes by itself");
    for again in [ClaimAllow, ClaimStepUp] {
        let (_, output) = walk(&[StepUp, Recorded, Yes, Recorded, again, Recorded]);
        assert!(matches!(output, Output::Release(_)), "{again:?}");
    }
    for stricter in [Letter::ClaimDeny, Letter::ClaimDefer, Letter::ClaimModify, Letter::ClaimDisagree] {
        let (_, output) = walk(&[StepUp, Recorded, Yes, Recorded, stricter, Recorded]);
        assert!(matches!(output, Output::Refuse(_)), "{stricter:?} is more than was approved");
    }
}

/// What waits may be decided again at any moment, also just after it was authorised: that runs nothing.
#[test]
fn r4_defer_resolve_deciding_again_authorises_and_never_runs_what_is_authorised() {
    for authorised in [&[Letter::Defer, Recorded, Allow, Recorded][..], &[StepUp, Recorded, Yes, Recorded]] {
        for again in [Allow, Modify, Deny, StepUp, Letter::Defer, Letter::Disagree] {
            let (_, output) = walk(&[authorised, &[again]].concat());
            assert!(matches!(output, Output::Misplaced), "{again:?}");
        }
    }
}

#[test]
fn r3_conflict_an_answer_settles_the_disagreement_that_was_put_and_no_other() {
    let put = [Letter::Disagree, Recorded, Letter::Escalated, Recorded, Yes, Recorded];
    let (_, output) = walk(&[&put[..], &[Letter::ClaimDisagree, Recorded]].concat());
    assert!(matches!(output, Output::Release(_)), "the same rules still disagree: {output:?}");
    let (_, output) = walk(&[&put[..], &[ClaimStepUp, Recorded]].concat());
    assert!(matches!(output, Output::Refuse(_)), "another rule asks now");
}

#[test]
fn r4_step_an_approval_does_not_cover_other_approvers_or_another_rule() {
    let life = |again: Ruling| {
        let rulings = Rulings::new();
        let run = lead(&[StepUp, Recorded, Yes, Recorded], &rulings);
        let (life, _) = run.life.handle(&run.action, Input::Claimed(Arc::new(again)), run.now);
        life.handle(&run.action, Input::Recorded, run.now).1
    };
    let security = || approvers(&["security"]);
    let both = security().and(approvers(&["finance"]));
    assert!(
        matches!(life(ruling(Decision::StepUp(both))), Output::Refuse(r) if r.because.step == Step::Superseded)
    );
    let wider = approvers(&["security", "finance"]);
    assert!(
        matches!(life(ruling(Decision::StepUp(wider))), Output::Release(_)),
        "security is among those asked now"
    );
    let mut other = ruling(Decision::StepUp(security()));
    other.because.rules = vec!["another".into()];
    assert!(matches!(life(other), Output::Refuse(_)));
}

#[test]
fn r4_defer_resolved_means_authorised_and_a_disagreement_that_arises_later_asks_at_once() {
    let (_, output) = walk(&[Letter::Defer, Recorded, Allow, Recorded]);
    assert!(matches!(output, Output::Claimable));
    let (_, output) = walk(&[Letter::Disagree, Recorded]);
    assert!(matches!(output, Output::Escalate));
    let (run, output) = walk(&[Letter::Defer, Recorded, Letter::Disagree, Recorded]);
    assert!(matches!(output, Output::Ask(_)), "{output:?}");
    assert!(matches!(run.life.state(), State::Waiting { on_person: true, .. }));
}

#[test]
fn r4_step_timeout_a_question_that_ends_a_deferral_is_bounded_by_its_own_rule_too() {
    let (run, output) = walk(&[Letter::Defer, Recorded, StepUp, Recorded]);
    assert!(matches!(output, Output::Ask(_)));
    assert_eq!(run.life.due(), Some(second(60)));
}

#[test]
fn a_permit_is_spent_in_time_and_lapses_after_it_or_when_the_rules_changed() {
    let permit = || match walk(&[Allow, Recorded]).1 {
        Output::Release(permit) => permit,
        other => panic!("{other:?}"),
    };
    let until = permit().until();
    assert_eq!(permit().spend(START, false).unwrap().action().as_str(), "act_1");
    assert!(permit().spend(Time(until.0 - 1), false).is_ok());
    assert_eq!(permit().spend(until, false).unwrap_err(), Lapsed::TooLate);
    assert_eq!(permit().spend(START, true).unwrap_err(), Lapsed::Stopped);
}
