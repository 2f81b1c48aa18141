//! R3.order: compositional risk above its limit, right below what is forbidden.

use countersign_core::decision::{Decision, Step, Verdict};
use countersign_core::facts::measures::Measure;
use countersign_core::lifecycle::Limits;
use countersign_core::policy::PolicySet;
use countersign_core::session::{Context, Intent, Opened};
use countersign_testkit::builders::{START, World, approvers, intent, opened, policy};

/// A call in a session that has seen a text which spoke to the agent, under these rules and this limit.
fn risky(default: &str, limit: &str, rules: &[&str], intent: Option<Intent>) -> World {
    let rules: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
    let file = format!(
        "version: 1\npolicy: {{id: desk, version: '3'}}\ndefault: {default}\n{limit}\nrules:\n{rules}  - {{id: noted, match: {{}}, effect: {{set_context: {{noted: true}}}}}}\n"
    );
    let labels = ["cue:override".into()].into();
    let opened = Opened { intent, labels, ..opened("ses_1", "alice", "bot") };
    World { context: Context::new(opened, START, Limits::default()), ..World::under(policy(&file)) }
}

fn limit(threshold: u64, action: &str) -> String {
    format!("compositional_risk: {{threshold: {threshold}, action: {action}, reason: It adds up}}")
}

fn said(world: &World) -> (Verdict, Step) {
    let ruling = world.decide();
    (ruling.verdict(), ruling.because.step)
}

/// What these sessions add up to.
fn risk() -> u64 {
    Measure::CompositionalRisk.read(&risky("DENY", "", &[], None).question()).unwrap()
}

const ALLOW: &str = "{id: a, match: {}, action: ALLOW}";

#[test]
fn r3_order_risk_above_the_limit_is_denied_and_at_the_limit_it_is_not() {
    let above = risky("DENY", &limit(risk() - 1, "DENY"), &[ALLOW], None);
    let ruling = above.decide();
    assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::Deny, Step::Risk));
    assert_eq!(&*ruling.because.reason, "It adds up");
    assert_eq!((&*ruling.policy.id, &*ruling.policy.version), ("desk", "3"));
    assert_eq!(ruling.policy.digest, above.policy.reference().digest);
    assert!(ruling.facts_read.contains("context.compositional_risk") && ruling.sets.is_empty());
    let at = risky("DENY", &limit(risk(), "DENY"), &[ALLOW], None);
    assert_eq!(said(&at), (Verdict::Allow, Step::Baseline));
    assert!(
        at.decide().facts_read.contains("context.compositional_risk"),
        "a limit that did not act was read, too"
    );
}

#[test]
fn r3_order_a_limit_denies_where_it_says_nothing_else() {
    let world = risky("ALLOW", "compositional_risk: {threshold: 0}", &[], None);
    assert_eq!(said(&world), (Verdict::Deny, Step::Risk));
    assert!(world.decide().because.reason.contains("above the limit of 0 basis points"));
}

#[test]
fn r3_order_what_is_forbidden_comes_before_risk_and_what_is_uncertain_after_it() {
    let forbidden = "{id: f, match: {}, action: DENY, classification: forbidden}";
    let uncertain = "{id: u, match: {context: {unheard_of: 1}}, action: STEP_UP}";
    let deny = limit(0, "DENY");
    assert_eq!(said(&risky("ALLOW", &deny, &[forbidden], None)), (Verdict::Deny, Step::Forbidden));
    assert_eq!(said(&risky("ALLOW", &deny, &[uncertain], None)), (Verdict::Deny, Step::Risk));
    assert_eq!(said(&risky("ALLOW", "", &[uncertain], None)), (Verdict::Defer, Step::Uncertain));
}

#[test]
fn r3_order_a_limit_that_asks_never_takes_the_place_of_a_refusal_or_a_wait() {
    let ask = limit(0, "STEP_UP");
    let deny = "{id: d, match: {}, action: DENY}";
    let wait = "{id: w, match: {}, action: DEFER}";
    let liftable = "{id: l, match: {}, action: DENY, classification: context_dependent_allow}";
    assert_eq!(said(&risky("ALLOW", &ask, &[deny], None)), (Verdict::Deny, Step::Baseline));
    assert_eq!(said(&risky("DENY", &ask, &[], None)), (Verdict::Deny, Step::Default));
    assert_eq!(said(&risky("ALLOW", &ask, &[wait], None)), (Verdict::Defer, Step::Baseline));
    assert_eq!(
        said(&risky("ALLOW", &ask, &[], Some(intent(&[], &["files"])))),
        (Verdict::Deny, Step::Misaligned)
    );
    let lifted = risky("ALLOW", &ask, &[liftable], Some(intent(&["files"], &[])));
    assert_eq!(said(&lifted), (Verdict::StepUp, Step::Aligned));
    let narrow = "{id: s, match: {}, action: STEP_UP, approvers: [finance]}";
    let ruling = risky("ALLOW", &ask, &[narrow], None).decide();
    assert_eq!(
        ruling.decision,
        Decision::StepUp(approvers(&["finance"])),
        "the ones whom the rule names still decide"
    );
}

#[test]
fn r3_order_a_limit_that_asks_keeps_the_edits_and_writes_what_would_run() {
    let cap = "{id: cap, match: {}, action: MODIFY, modifications: {parameters: {limit: {max: 10}}}}";
    let world = risky("DENY", &limit(0, "STEP_UP"), &[cap], None).calls("files.read", r#"{"limit":100}"#);
    let ruling = world.decide();
    assert_eq!((ruling.verdict(), ruling.because.step), (Verdict::StepUp, Step::Risk));
    assert_eq!(ruling.edits.iter().count(), 1);
    assert!(ruling.sets.contains_key("noted"));
}

#[test]
fn r3_order_a_limit_that_waits_says_what_it_waits_for() {
    let wait = limit(0, "DEFER");
    let asks = "{id: s, match: {}, action: STEP_UP}";
    for rule in [ALLOW, asks] {
        let ruling = risky("DENY", &wait, &[rule], None).decide();
        let Decision::Defer(missing) = &ruling.decision else { panic!("{ruling:?}") };
        let gaps: Vec<String> = missing.gaps().map(ToString::to_string).collect();
        assert_eq!(gaps, ["context.compositional_risk (above its limit)"]);
        assert_eq!(ruling.because.step, Step::Risk);
    }
}

#[test]
fn r3_order_of_several_files_the_strictest_limit_that_is_exceeded_acts() {
    let file =
        |limit: &str| format!("version: 1\ndefault: ALLOW\ncompositional_risk: {limit}\n").into_bytes();
    let (low, high) = (risk() - 1, risk());
    let set = |limits: &[(u64, &str)]| {
        let files = limits.iter().enumerate().map(|(at, (threshold, action))| {
            (format!("{at}.yaml"), file(&format!("{{threshold: {threshold}, action: {action}}}")))
        });
        PolicySet::assemble(files.collect()).unwrap()
    };
    let verdict = |limits: &[(u64, &str)]| {
        let mut world = risky("ALLOW", "", &[], None);
        world.policy = set(limits);
        world.decide().verdict()
    };
    assert_eq!(verdict(&[(low, "STEP_UP"), (high, "DENY")]), Verdict::StepUp, "the stricter is not exceeded");
    assert_eq!(verdict(&[(low, "STEP_UP"), (low, "DENY")]), Verdict::Deny);
    assert_eq!(verdict(&[(low, "DEFER"), (low, "STEP_UP"), (high, "DENY")]), Verdict::Defer);
    assert_eq!(verdict(&[(high, "DENY"), (high, "STEP_UP")]), Verdict::Allow);
    let limits = set(&[(high, "STEP_UP"), (high, "DENY"), (low, "DENY")]);
    let order: Vec<u64> = limits.risk_limits().iter().map(|limit| limit.threshold).collect();
    assert_eq!(order, [low, high, high], "the strictest first");
}
