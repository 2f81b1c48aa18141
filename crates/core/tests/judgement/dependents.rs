//! Who waits for a deferred action (`R4.defer.dependents`, `.independents`, `.order`, `.cascade`).

use std::sync::Arc;

use countersign_core::action::{Action, Contract, Effect};
use countersign_core::decision::{Decision, Gap, Missing, Step, Verdict};
use countersign_core::depend::{Dependence, dependence};
use countersign_core::lifecycle::{Input, Output};
use countersign_core::session::Status;
use countersign_core::time::Time;
use countersign_testkit::builders::{World, action, contract, outcome, rules, ruling, second};

/// Takes an action into the world's session and lets it be deferred for a fact.
pub(crate) fn defer(world: &mut World, id: &str, name: &str, text: &str, contract: Contract) {
    let missing = Missing::fact("context.x", countersign_core::decision::Why::Absent);
    submit(
        world,
        Action { contract: Arc::new(contract), ..action(id, name, text) },
        Decision::Defer(missing),
    );
}

fn submit(world: &mut World, action: Action, decision: Decision) {
    let identity = Arc::new(world.identity.clone());
    let action = Arc::new(action);
    let (output, _) = world.context.submit(&action, &identity, Arc::new(ruling(decision)), world.now);
    assert!(matches!(output, Output::Record(_)));
    let _ = world.context.handle(&action.id, Input::Recorded, world.now);
}

fn world() -> World {
    World::under(rules("ALLOW", &[]))
}

/// Whether `after` waits when `before` is deferred.
fn waits(before: (&str, &str, Contract), after: (&str, &str, Contract)) -> bool {
    let mut world = world();
    defer(&mut world, "act_0", before.0, before.1, before.2);
    let after = Action { contract: Arc::new(after.2), ..action("act_1", after.0, after.1) };
    dependence(&after, &world.context, 16) == Some(Dependence::On("act_0".into()))
}

#[test]
fn r4_defer_dependents_by_selector_in_either_order_of_read_and_write() {
    let path = |effect| contract(effect, &["/path"]);
    let (read, write) = (Effect::Read, Effect::WriteInternal);
    for (before, after, dependent) in [
        // The same place, what is above and below it, whatever the case of letters.
        ("/a/b", "/a/b", true),
        ("/a", "/a/b", true),
        ("/a/b", "/a", true),
        ("/a/", "/a/b", true),
        ("/A/b", "/a/B", true),
        ("/", "/a", true),
        // Other places.
        ("/a/b", "/a/c", false),
        ("/a", "/ab", false),
        ("/a/b", "/b", false),
        // Wildcards.
        ("/a/*", "/a/b", true),
        ("/a/b", "/a/*", true),
        ("*", "/a", true),
        ("/a/b*", "/a/bc", true),
        ("/a/*", "/b/c", false),
        ("/a/{b,c}", "/a/c", true),
        ("/a/[bc]", "/a/b", true),
        ("users%", "users_old", true),
        // Two spellings of one place.
        ("/x/../a", "/a", true),
        ("/a/./b", "/a/b", true),
        ("//a", "/a", true),
        ("./a", "a", true),
        (r"\a\b", "/a/b", true),
        // Parts of names: a schema's table, a record's field.
        ("db.users", "db", true),
        ("db.users", "db.orders", false),
        // Nothing may mean everything.
        ("", "/a", true),
    ] {
        let text = |path: &str| format!(r#"{{"path":{}}}"#, serde_json::Value::from(path));
        for (first, second) in [(read, write), (write, read), (write, write)] {
            let found = waits(("f.w", &text(before), path(first)), ("f.r", &text(after), path(second)));
            assert_eq!(found, dependent, "{before} then {after}");
        }
        assert!(!waits(("f.w", &text(before), path(read)), ("f.r", &text(after), path(read))), "two reads");
    }
}

#[test]
fn r4_defer_dependents_by_what_is_not_declared() {
    let on = |effect| contract(effect, &["/path"]);
    let undeclared = || Contract { selectors: None, ..Contract::default() };
    let a = r#"{"path":"/a"}"#;
    let b = r#"{"path":"/b"}"#;
    assert!(waits(("f.x", a, undeclared()), ("f.y", b, on(Effect::Read))), "an unknown effect before");
    assert!(waits(("f.x", a, on(Effect::Read)), ("f.y", b, undeclared())), "an unknown effect after");
    let writes = Contract { effect: Effect::WriteInternal, ..undeclared() };
    assert!(waits(("f.x", a, writes.clone()), ("f.y", b, on(Effect::Read))), "undeclared selectors");
    assert!(
        waits(("f.x", "{}", on(Effect::Destructive)), ("f.y", b, on(Effect::Read))),
        "a selector left out"
    );
    let list = |text| waits(("f.x", text, on(Effect::Destructive)), ("f.y", b, on(Effect::Read)));
    assert!(
        list(r#"{"path":[]}"#) && list(r#"{"path":{}}"#) && list(r#"{"path":null}"#),
        "an empty selector"
    );
    assert!(list(r#"{"path":["/a","/b"]}"#) && !list(r#"{"path":["/a","/c"]}"#), "one of several");
    assert!(!waits(("f.x", a, undeclared()), ("g.y", a, undeclared())), "another upstream");
    assert!(
        !waits(("f.x", a, contract(Effect::Execute, &[])), ("f.y", a, contract(Effect::Execute, &[]))),
        "declared to name nothing"
    );
}

#[test]
fn r4_defer_dependents_when_the_caller_says_so() {
    let mut world = world();
    defer(&mut world, "act_0", "f.w", "{}", contract(Effect::Unknown, &[]));
    let mut later = action("act_1", "mail.send", "{}");
    assert_eq!(dependence(&later, &world.context, 16), None);
    later.depends_on = vec!["act_9".into(), "act_0".into()];
    assert_eq!(dependence(&later, &world.context, 16), Some(Dependence::On("act_0".into())));
}

#[test]
fn r4_defer_independents_proceed() {
    let mut world = world();
    defer(&mut world, "act_0", "f.w", "{}", contract(Effect::Unknown, &[]));
    world = world.calls("mail.send", "{}");
    assert_eq!(world.decide().verdict(), Verdict::Allow);
}

#[test]
fn r4_defer_dependents_of_what_waits_for_a_person_proceed() {
    let mut world = world();
    submit(
        &mut world,
        action("act_0", "f.w", "{}"),
        Decision::StepUp(countersign_core::decision::Approvers::default()),
    );
    assert_eq!(world.calls("f.r", "{}").decide().verdict(), Verdict::Allow);
}

/// A deferred action that is authorised, or permitted and not yet settled, has given no output yet.
#[test]
fn r4_defer_order_a_dependent_waits_until_the_deferred_action_is_over() {
    let mut world = world().calls("f.r", "{}");
    defer(&mut world, "act_0", "f.w", "{}", contract(Effect::Unknown, &[]));
    let steps = [
        Input::Ruled(Arc::new(ruling(Decision::Allow))),
        Input::Recorded,
        Input::Claimed(Arc::new(ruling(Decision::Allow))),
        Input::Recorded,
        Input::Settled(outcome(Status::Ok, &[])),
    ];
    for step in steps {
        assert_eq!(world.decide().verdict(), Verdict::Defer, "before {step:?}");
        let _ = world.context.handle(&"act_0".into(), step, world.now);
    }
    // Its outcome stands in the chain before whatever is decided now, or neither comes to stand there.
    assert_eq!(world.decide().verdict(), Verdict::Allow);
    let _ = world.context.handle(&"act_0".into(), Input::Recorded, world.now);
    assert_eq!(world.decide().verdict(), Verdict::Allow);
}

/// Order is the order of the chain: a clock that was set back does not turn it round.
#[test]
fn r4_defer_order_is_that_of_submission_even_when_the_clock_was_set_back() {
    let mut world = world();
    let all = contract(Effect::Unknown, &[]);
    defer(&mut world, "act_b", "f.w", "{}", all.clone());
    let early = Action { submitted_at: Time(second(0).0 - 60_000), ..action("act_a", "f.w", "{}") };
    let gap = Missing::one(Gap::Action("act_b".into()));
    submit(&mut world, Action { contract: Arc::new(all), ..early.clone() }, Decision::Defer(gap));
    let order: Vec<String> = world.context.deferred().map(|t| t.action.id.to_string()).collect();
    assert_eq!(order, ["act_b", "act_a"]);
    assert_eq!(dependence(&early, &world.context, 16), Some(Dependence::On("act_b".into())));
    let first = world.context.find(&"act_b".into()).unwrap().action.clone();
    assert_eq!(dependence(&first, &world.context, 16), None, "nothing stands before the first one");
}

#[test]
fn r4_defer_cascade_is_bounded_and_beyond_it_denied() {
    let mut world = world();
    defer(&mut world, "act_00", "f.w", "{}", contract(Effect::Unknown, &[]));
    for n in 1..=16 {
        let id = format!("act_{n:02}");
        world.action = action(&id, "f.r", "{}");
        let decided = world.decide();
        assert_eq!(decided.verdict(), Verdict::Defer, "{n}");
        let taken = world.action.clone();
        submit(&mut world, taken, decided.decision);
    }
    world.action = action("act_17", "f.r", "{}");
    let ruling = world.decide();
    assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::Deny, Step::Uncertain));
    // Those that are in stay in.
    world.action = action("act_16", "f.r", "{}");
    assert_eq!(world.decide().verdict(), Verdict::Defer);
    // What depends on nothing is not concerned.
    world.action = action("act_18", "mail.send", "{}");
    assert_eq!(world.decide().verdict(), Verdict::Allow);
}
