//! R2.visible, R7: risk signals, one formula a test. The formulas stand in `session::signals` and in the book.

use std::sync::Arc;

use countersign_core::action::{Action, Contract, Effect};
use countersign_core::contract::{Meaning, Output as Answers, Role, Store};
use countersign_core::decide::{Memo, Question};
use countersign_core::decision::{Approvers, Decision, Missing, Ruling, Verdict, Why};
use countersign_core::detect::Cue;
use countersign_core::facts::measures::{COMPOSITION, Measure};
use countersign_core::facts::{Block, Fact, Read};
use countersign_core::lifecycle::{Answer, Input, Limits, Output};
use countersign_core::session::scope::{NEW_EFFECT, NEW_TOOL, NEW_UPSTREAM, OPENING};
use countersign_core::session::sequence::PAIRS;
use countersign_core::session::{Context, Entry, Opened, Status, What};
use countersign_core::time::Time;
use countersign_testkit::builders::{START, World, action, identity, opened, outcome, rules, ruling, second};
use serde_json::json;

/// The book's page.
const PAGE: &str = include_str!("../../../../docs/src/context.md");

/// A session in which things happen one after the other.
struct Session {
    context: Context,
    now: Time,
    actions: u32,
}

impl Session {
    fn new() -> Self {
        Self::opened(opened("ses_1", "alice", "bot"))
    }

    fn asked(request: &str) -> Self {
        Self::opened(Opened { request: Some(request.into()), ..opened("ses_1", "alice", "bot") })
    }

    fn opened(opened: Opened) -> Self {
        Self { context: Context::new(opened, START, Limits::default()), now: START, actions: 0 }
    }

    fn at(mut self, seconds: i64) -> Self {
        self.now = second(seconds);
        self
    }

    /// An action was decided; what it saw is labelled like this.
    fn rules(&mut self, name: &str, effect: Effect, ruling: Ruling) -> Arc<Action> {
        self.actions += 1;
        let mut action = call(name, effect);
        action.id = format!("act_{}", self.actions).as_str().into();
        let action = Arc::new(action);
        let who = Arc::new(identity("alice", "bot"));
        let _ = self.context.submit(&action, &who, Arc::new(ruling), self.now);
        let _ = self.context.handle(&action.id, Input::Recorded, self.now);
        action
    }

    fn does(mut self, name: &str, effect: Effect, labels: &[&str]) -> Self {
        let action = self.rules(name, effect, ruling(Decision::Allow));
        self.moves(&action, Input::Settled(outcome(Status::Ok, labels)));
        self
    }

    fn moves(&mut self, action: &Action, input: Input) {
        let (output, _) = self.context.handle(&action.id, input, self.now);
        assert!(matches!(output, Output::Record(_)), "{output:?}");
        let _ = self.context.handle(&action.id, Input::Recorded, self.now);
    }

    fn turn(mut self) -> Self {
        self.context.apply(&What::Turn { host: "desk".into(), text: None }, self.now).unwrap();
        self
    }

    fn sees(mut self, source: &str, labels: &[&str]) -> Self {
        let labels = labels.iter().map(|label| Arc::from(*label)).collect();
        self.context.apply(&What::Observed { source: source.into(), labels, text: None }, self.now).unwrap();
        self
    }

    /// A fact about a call, or what is missing.
    fn of(&self, action: &Action, name: &str) -> Option<u64> {
        let world = World::under(rules("DENY", &[]));
        let memo = Memo::default();
        let q = Question { action, context: &self.context, now: self.now, memo: &memo, ..world.question() };
        match Fact::parse(Block::Context, name).unwrap().read(&q) {
            Ok(Read::Count(count)) => Some(count),
            Ok(other) => panic!("{name} is {other:?}"),
            Err(missing) => {
                assert_eq!(missing, Missing::fact(format!("context.{name}"), Why::Absent));
                None
            }
        }
    }

    /// A fact about a harmless call.
    fn says(&self, name: &str) -> Option<u64> {
        self.of(&call("files.read", Effect::Read), name)
    }
}

/// A call of a tool whose output only its service writes.
fn call(name: &str, effect: Effect) -> Action {
    let output = Answers { store: Store::Service, ..Answers::default() };
    let meaning = Meaning { output, roles: [("/to".to_owned(), Role::Party)].into(), ..Meaning::default() };
    let contract = Contract { effect, meaning: Some(Arc::new(meaning)), ..Contract::default() };
    Action { contract: Arc::new(contract), ..action("act_next", name, r#"{"to": "Bob@example.com"}"#) }
}

/// The same of a tool about whose output nothing is known.
fn open_call(name: &str, effect: Effect) -> Action {
    Action { contract: Arc::new(Contract { effect, ..Contract::default() }), ..call(name, effect) }
}

#[test]
fn the_injection_score_is_the_sum_of_the_cues_seen_each_once() {
    let session = Session::new();
    assert_eq!(session.says("risk_signals.injection_score"), Some(0));
    let cues = [Cue::ToolOrder, Cue::Secrecy];
    let session = session.sees("resources/read", &[cues[0].label()]).does(
        "web.get",
        Effect::Read,
        &[cues[0].label(), cues[1].label()],
    );
    let sum = u64::from(cues[0].weight() + cues[1].weight());
    assert_eq!(session.says("risk_signals.injection_score"), Some(sum));
}

#[test]
fn scope_expands_by_what_the_opening_phase_did_not_use() {
    let mut session = Session::new();
    for n in 0..OPENING {
        let fresh = call(&format!("up{n}.read"), Effect::WriteInternal);
        assert_eq!(
            session.of(&fresh, "risk_signals.scope_expansion"),
            Some(0),
            "the opening phase has no scope"
        );
        session = session.does(&format!("up{n}.read"), Effect::Read, &[]);
    }
    let of = |session: &Session, name: &str, effect| {
        session.of(&call(name, effect), "risk_signals.scope_expansion").unwrap()
    };
    assert_eq!(of(&session, "up0.read", Effect::Read), 0);
    assert_eq!(of(&session, "up0.list", Effect::Read), NEW_TOOL);
    assert_eq!(of(&session, "up9.list", Effect::Read), NEW_TOOL + NEW_UPSTREAM);
    assert_eq!(of(&session, "up9.pay", Effect::Payment), NEW_TOOL + NEW_UPSTREAM + NEW_EFFECT);
    let grown = session.does("up9.pay", Effect::Payment, &[]);
    assert_eq!(of(&grown, "up0.read", Effect::Read), NEW_TOOL + NEW_UPSTREAM + NEW_EFFECT);
    assert_eq!(of(&grown, "up8.drop", Effect::Destructive), 10_000, "at most everything");
    let grown = grown.turn();
    assert_eq!(of(&grown, "up8.drop", Effect::Destructive), 0, "the user has spoken: another opening phase");
}

#[test]
fn classification_escalates_by_levels_since_the_beginning_and_since_the_user_spoke() {
    let names = ["risk_signals.classification_escalation", "risk_signals.classification_escalation_in_turn"];
    let both = |session: &Session| names.map(|name| session.says(name).unwrap());
    let session = Session::new();
    assert_eq!(both(&session), [0, 0]);
    let session = session.does("files.read", Effect::Read, &["confidential", "PII"]);
    assert_eq!(both(&session), [2, 2]);
    let session = session.turn();
    assert_eq!(both(&session), [2, 0]);
    let session = session.sees("notice", &["RESTRICTED"]);
    assert_eq!(both(&session), [3, 1]);
    let began = Opened { labels: ["RESTRICTED".into()].into(), ..opened("ses_1", "alice", "bot") };
    assert_eq!(both(&Session::opened(began)), [0, 0]);
}

#[test]
fn a_sequence_is_as_unusual_as_the_heaviest_pair_that_the_action_completes() {
    let weight = |before: &str| PAIRS.iter().find(|pair| pair.before.as_str() == before).unwrap().weight;
    let of = |session: &Session, effect| {
        session.of(&call("up.tool", effect), "risk_signals.unusual_sequence").unwrap()
    };
    let fresh = Session::new();
    for pair in PAIRS {
        pair.then.iter().for_each(|effect| assert_eq!(of(&fresh, *effect), 0));
    }
    let session = Session::new().does("db.read", Effect::Read, &["pii"]);
    assert_eq!(of(&session, Effect::WriteOutbound), weight("sensitive"));
    assert_eq!(of(&session, Effect::WriteInternal), 0);
    assert_eq!(of(&session, Effect::Unknown), weight("sensitive"), "what nobody declared may be anything");
    let session = session.does("db.read", Effect::Read, &["SECRET"]);
    assert_eq!(of(&session, Effect::EgressRead), weight("secret"));
    let session = Session::new().sees("notice", &["cue:override"]);
    assert_eq!(of(&session, Effect::Payment), weight("cue"));
    let session = Session::new().does("vault.show", Effect::Credential, &[]);
    assert_eq!(of(&session, Effect::WriteOutbound), weight("credential"));

    let mut session = Session::new();
    let action = Arc::new(open_call("web.get", Effect::Read));
    let who = Arc::new(identity("alice", "bot"));
    let _ = session.context.submit(&action, &who, Arc::new(ruling(Decision::Allow)), session.now);
    let _ = session.context.handle(&action.id, Input::Recorded, session.now);
    assert_eq!(of(&session, Effect::Execute), 0);
    session.moves(&action, Input::Settled(outcome(Status::Ok, &[])));
    assert_eq!(of(&session, Effect::Execute), weight("untrusted"));
    let listed = Session::new().sees("tools/list files", &[]);
    assert_eq!(of(&listed, Effect::Execute), 0);
    assert_eq!(of(&listed.sees("resources/read", &[]), Effect::Execute), weight("untrusted"));
}

#[test]
fn what_was_refused_and_is_tried_with_another_tool_is_unusual() {
    let mut session = Session::new();
    session.rules("mail.send", Effect::WriteOutbound, ruling(Decision::Deny));
    let of = |session: &Session, name: &str, effect| {
        session.of(&call(name, effect), "risk_signals.unusual_sequence").unwrap()
    };
    assert_eq!(of(&session, "mail.send", Effect::WriteOutbound), 0, "the same again is no way around");
    assert_eq!(of(&session, "http.post", Effect::WriteOutbound), 3_000);
    assert_eq!(of(&session, "http.post", Effect::Destructive), 0);
    assert_eq!(of(&session, "http.get", Effect::Read), 0);
    assert_eq!(session.says("risk_signals.denials"), Some(1));
}

#[test]
fn velocity_burst_and_ages_come_from_the_moments_of_entries() {
    let mut session = Session::new();
    assert_eq!(session.says("risk_signals.velocity"), Some(0));
    assert_eq!(session.says("last_action_age_seconds"), None, "there was none");
    for n in 0..12 {
        session = session.at(n).does("files.read", Effect::Read, &[]);
    }
    assert_eq!(session.says("risk_signals.velocity"), Some(12));
    assert_eq!(
        session.says("risk_signals.burst"),
        Some(20_000),
        "twice the six a minute that all are granted"
    );
    assert_eq!(session.says("risk_signals.chain_length"), Some(12));
    let session = session.at(65);
    assert_eq!(session.says("risk_signals.velocity"), Some(7));
    assert_eq!(session.says("last_action_age_seconds"), Some(54));
    assert_eq!(session.says("session_age_seconds"), Some(65));
}

/// R7: distances come from the user's own words, and are missing without them.
#[test]
fn r7_drift_is_measured_from_the_request_and_missing_without_one() {
    let names = ["risk_signals.drift.lexical", "risk_signals.drift.max", "risk_signals.drift.cusum"];
    let session = Session::new().does("files.read", Effect::Read, &[]);
    assert_eq!(names.map(|name| session.says(name)), [None; 3]);

    let session = Session::asked("send Bob an email at bob@example.com");
    let near = session.of(&call("mail.send_email", Effect::WriteOutbound), names[0]).unwrap();
    let far = session.of(&open_call("db.drop_tables", Effect::Destructive), names[0]).unwrap();
    assert!(near < 8_000 && far > near, "{near} {far}");
    assert_eq!(names.map(|name| session.says(name).unwrap())[1..], [0, 0]);
    let session = session.does("mail.send_email", Effect::WriteOutbound, &[]);
    assert_eq!(
        session.says(names[1]),
        Some(near),
        "the highest of what was permitted and does more than read"
    );
    let session = session.does("db.list", Effect::Read, &[]);
    assert_eq!(session.says(names[1]), Some(near));
    assert_eq!(session.says("risk_signals.drift.embedded"), None, "there are no vectors");
}

/// R7: what an erased argument said is not known, so nothing that follows from it is.
#[test]
fn r7_drift_is_missing_once_arguments_were_erased_and_nobody_takes_it_for_absent() {
    let asked = || Opened { request: Some("tidy up".into()), ..opened("ses_1", "alice", "bot") };
    let mut life = Session::opened(asked());
    let action = life.rules("mail.send", Effect::WriteOutbound, ruling(Decision::Allow));
    let transition = countersign_core::lifecycle::Transition::Ruled(Arc::new(ruling(Decision::Allow)));
    let identity = Arc::new(identity("alice", "bot"));
    for erased in [false, true] {
        let mut session = Session::opened(asked());
        let (action, identity) = (Arc::clone(&action), Arc::clone(&identity));
        let what = What::Submitted { action, identity, transition: transition.clone() };
        session.context.replay(&Entry { at: START, what, erased }).unwrap();
        assert_eq!(session.says("risk_signals.drift.max").is_none(), erased);
        assert_eq!(session.context.signals().entities().is_none(), erased);
        let unless = "{id: r, match: {context: {risk_signals.drift.max: {exists: false}}}, action: ALLOW}";
        let world = World { context: session.context, ..World::under(rules("DENY", &[unless])) };
        let verdict = if erased { Verdict::Defer } else { Verdict::Deny };
        assert_eq!(world.decide().verdict(), verdict);
    }
}

#[test]
fn deferrals_are_counted_while_they_wait_and_by_how_they_end() {
    let names = ["deferrals.pending", "deferrals.resolved", "deferrals.expired"];
    let counts = |session: &Session| names.map(|name| session.says(name).unwrap());
    let defer = || ruling(Decision::Defer(Missing::fact("context.x", Why::Absent)));
    let mut session = Session::new();
    let first = session.rules("files.write", Effect::WriteInternal, defer());
    let second_one = session.rules("files.write", Effect::WriteInternal, defer());
    let person =
        session.rules("files.write", Effect::WriteInternal, ruling(Decision::StepUp(Approvers::default())));
    assert_eq!(counts(&session), [2, 0, 0]);
    assert_eq!(session.of(&first, names[0]), Some(1), "an action does not wait for itself");
    session.moves(&first, Input::Ruled(Arc::new(ruling(Decision::Allow))));
    assert_eq!(counts(&session), [1, 1, 0]);
    session.moves(&person, Input::Answered(Answer { by: "bob".into(), approve: false, reason: None }));
    session = session.at(901);
    session.moves(&second_one, Input::Due);
    session.moves(&first, Input::Due);
    assert_eq!(counts(&session), [0, 1, 1], "an authorisation that nobody claims was resolved before");
}

#[test]
fn entities_are_the_parties_that_effects_reached() {
    let session =
        Session::new().does("mail.send", Effect::WriteOutbound, &[]).does("mail.read", Effect::Read, &[]);
    assert_eq!(session.context.signals().entities(), Some(&json!(["bob@example.com"])));
    let rule = "{id: r, match: {context: {entities: {contains: bob@example.com}}}, action: ALLOW}";
    let world = World { context: session.context, ..World::under(rules("DENY", &[rule])) };
    assert_eq!(world.decide().verdict(), Verdict::Allow);
}

#[test]
fn compositional_risk_is_the_documented_sum() {
    let mut session =
        Session::asked("pay the rent").does("db.read", Effect::Read, &["RESTRICTED", "cue:override"]);
    session.rules("mail.send", Effect::WriteOutbound, ruling(Decision::Deny));
    let session = session.turn();
    assert_eq!(session.says("turns"), Some(1));
    let action = call("http.post", Effect::WriteOutbound);
    let parts = COMPOSITION.map(|part| {
        let value = session.of(&action, &format!("risk_signals.{}", part.signal)).unwrap();
        (value * part.weight / part.divisor).min(part.most)
    });
    assert!(parts.iter().filter(|part| **part > 0).count() >= 4, "{parts:?}");
    assert_eq!(session.of(&action, "compositional_risk"), Some(parts.iter().sum::<u64>().min(10_000)));
    assert_eq!(Session::new().says("compositional_risk"), Some(0));
}

/// R2.visible: rules read every signal by its name; a slip in it is an error, not a wait.
#[test]
fn r2_visible_signals_are_facts_of_policy() {
    let rule = "{id: r, match: {context: {risk_signals.injection_score: {gte: 4000}}}, action: STEP_UP}";
    let mut world = World::under(rules("ALLOW", &[rule]));
    assert_eq!(world.decide().verdict(), Verdict::Allow);
    world.context = Session::new().sees("notice", &["cue:override"]).context;
    assert_eq!(world.decide().verdict(), Verdict::StepUp);
    let refused = |name: &str| Fact::parse(Block::Context, name).unwrap_err().hint;
    assert_eq!(refused("risk_signals.injecton_score"), "did you mean `risk_signals.injection_score`?");
    assert!(refused("risk_signals.mood").contains("risk_signals.velocity"));
    assert!(refused("deferrals").contains("deferrals.pending"));
    assert_eq!(refused("compositional_rsik"), "did you mean `compositional_risk`?");
    for measure in Measure::ALL {
        assert!(Fact::may_be_given(measure.name()).is_err(), "{measure:?} is computed");
    }
    assert!(Fact::may_be_given("entities").is_err() && Fact::may_be_given("risk_signals.mine").is_err());
    assert!(Fact::may_be_given("ticket").is_ok() && Fact::may_be_given("slots").is_err());
}

#[test]
fn the_book_lists_every_signal_pair_and_part() {
    let row =
        |cells: &[String]| PAGE.lines().any(|line| cells.iter().all(|cell| line.contains(cell.as_str())));
    for measure in Measure::ALL {
        assert!(row(&[format!("`context.{}`", measure.name())]), "{} is missing", measure.name());
    }
    for pair in PAIRS {
        let effects = pair.then.iter().map(|effect| format!("`{}`", effect.as_str()));
        let cells: Vec<String> = [format!("| {} |", pair.before.as_str()), spelled(pair.weight)]
            .into_iter()
            .chain(effects)
            .collect();
        assert!(row(&cells), "{cells:?} is missing");
    }
    for part in COMPOSITION {
        let cells = [format!("| `risk_signals.{}` |", part.signal), spelled(part.most)];
        assert!(row(&cells), "{cells:?} is missing");
    }
}

/// A number as the book writes it: `10,000`.
fn spelled(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", number / 1_000, number % 1_000) }
}
