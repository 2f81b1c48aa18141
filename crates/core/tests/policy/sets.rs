//! Files together: one default, one digest, unique ids, names that mean one thing.

use countersign_core::decision::Decision;
use countersign_core::edits::Edit;
use countersign_core::names::{RuleId, ToolName};
use countersign_core::policy::{Classification, Known, PolicySet, RuleAction, load};
use countersign_core::time::Span;
use serde_json::json;

use crate::world::{assemble, faults};

fn files(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    list.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}

const HEAD: &str = "version: 1\ndefault: DENY\n";

#[test]
fn every_key_of_a_rule_reaches_the_rule() {
    let set = assemble(
        "version: 1
policy: {id: desk, version: '2.1', description: For the desk}
default: {action: step_up, reason: Nobody thought of this}
internal_domains: [example.com, Example.ORG]
rules:
  - id: cap
    name: Cap bulk queries
    description: Nobody needs more.
    match: {tool: [db, other.query], operation: query, parameters.limit: {gt: 100}}
    decision: modify
    classification: context_dependent_allow
    priority: -3
    reason: Capped
    timeout: 60
    modifications:
      parameters: {limit: {max: 100}, filter.kind: open, options: {max: 1, min: 0}}
    effect: {set_context: {data_classification: [PII], ticket.state: open}}
  - name: ask
    match: {}
    action: STEP_UP
    approvers: [security-team, data-owner]
",
    );
    let [cap, ask] = set.rules() else { panic!("two rules") };
    assert_eq!((cap.id.as_str(), ask.id.as_str()), ("cap", "ask"));
    assert_eq!(cap.tools.iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["db", "other.query"]);
    assert_eq!(cap.operations, ["query"]);
    assert_eq!(cap.classification, Classification::ContextDependentAllow);
    assert_eq!(
        (cap.priority, cap.reason.as_deref(), cap.wait.timeout),
        (-3, Some("Capped"), Some(Span::seconds(60)))
    );
    let Some(RuleAction::Modify(edits)) = &cap.action else { panic!("a MODIFY rule") };
    let edits: Vec<_> = edits.iter().map(|(place, edit)| (place.dotted(), edit.clone())).collect();
    assert_eq!(
        edits,
        [
            ("filter.kind".to_owned(), Edit::Set(json!("open"))),
            ("limit".to_owned(), Edit::Cap(100.into())),
            ("options".to_owned(), Edit::Set(json!({"max": 1, "min": 0}))),
        ]
    );
    assert_eq!(cap.sets.get("data_classification"), Some(&json!(["PII"])));
    assert_eq!(cap.sets.get("ticket.state"), Some(&json!("open")));
    let Some(RuleAction::StepUp(approvers)) = &ask.action else { panic!("a STEP_UP rule") };
    assert_eq!(approvers.clauses().len(), 1);
    assert_eq!(approvers.clauses()[0].len(), 2);
    assert!(matches!(set.default_decision(), Decision::StepUp(_)));
    assert_eq!(set.default_reason().map(|r| &**r), Some("Nobody thought of this"));
    assert_eq!(
        set.internal_domains().iter().map(|d| &**d).collect::<Vec<_>>(),
        ["example.com", "example.org"]
    );
    assert_eq!((&*set.reference().id, &*set.reference().version), ("desk", "2.1"));
    assert_eq!(cap.policy, *set.reference());
    assert!(set.rule(&RuleId::from("ask")).is_some() && set.rule(&RuleId::from("none")).is_none());
}

#[test]
fn the_books_example_loads() {
    let chapter = include_str!("../../../../docs/src/policy.md");
    let example = chapter.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(assemble(example).rules().len(), 3);
}

#[test]
fn a_file_without_a_name_for_itself_is_named_by_its_file_and_digest() {
    let set = PolicySet::assemble(files(&[("team/mail.yaml", HEAD)])).unwrap();
    let own = load("team/mail.yaml", HEAD.as_bytes()).unwrap().policy().clone();
    assert_eq!(&*set.reference().id, "mail");
    assert_eq!(Some(&*own.version), own.digest.get(7..19));
    assert_eq!(set.files()[0].1, own);
}

#[test]
fn the_digest_is_that_of_sha256sum_over_the_files_and_does_not_depend_on_their_order() {
    let (a, b) = (("a.yaml", HEAD), ("b.yaml", "version: 1\n"));
    let set =
        |list: &[(&str, &str)]| PolicySet::assemble(files(list)).unwrap().reference().digest.to_string();
    // printf 'version: 1\ndefault: DENY\n' > a.yaml; printf 'version: 1\n' > b.yaml; sha256sum *.yaml | sha256sum
    assert_eq!(set(&[a, b]), "sha256:dc02a3c581055d6ffbf7ca81d86a15bbf5d4f19af87a040b4189a00c8fd46b16");
    assert_eq!(set(&[b, a]), set(&[a, b]));
    assert_ne!(set(&[a]), set(&[a, b]));
    assert_ne!(set(&[("c.yaml", HEAD)]), set(&[a]));
}

#[test]
fn rules_of_all_files_share_the_digest_of_the_set() {
    let one = "version: 1\ndefault: DENY\nrules: [{id: a, match: {}, action: ALLOW}]";
    let two = "version: 1\npolicy: {id: second, version: '7'}\nrules: [{id: b, match: {}, action: DENY}]";
    let set = PolicySet::assemble(files(&[("2.yaml", two), ("1.yaml", one)])).unwrap();
    assert_eq!(set.rules().iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(&*set.reference().id, "1");
    let second = &set.rules()[1].policy;
    assert_eq!((&*second.id, &*second.version, &second.digest), ("second", "7", &set.reference().digest));
}

#[test]
fn a_set_has_one_default_and_each_rule_once() {
    let (deny, allow) = ("version: 1\ndefault: DENY\n", "version: 1\n\ndefault: ALLOW\n");
    assert_eq!(
        faults(&[("a", deny), ("b", allow)]),
        ["b:3:1: this default differs from the one at a:2:1 (hint: a set has one default)"]
    );
    assert!(faults(&[("a", deny), ("b", deny)]).is_empty());
    let rule = |head: &str| format!("{head}rules:\n  - {{id: x, match: {{}}, action: DENY}}\n");
    assert_eq!(
        faults(&[("a", &rule(deny)), ("b", &rule("version: 1\n"))]),
        ["b:3:10: the rule `x` is already written at a:4:10"]
    );
    assert_eq!(faults(&[]), ["policies: there is no policy file (hint: a set has at least one file)"]);
    assert_eq!(
        faults(&[("a", deny), ("a", deny)]),
        ["a: two policy files have this name (hint: rename one of them)"]
    );
    assert_eq!(faults(&[("a\nb", deny)]).len(), 1);
}

#[test]
fn the_index_finds_exactly_the_rules_that_concern_a_tool() {
    let set = assemble(
        "version: 1
default: DENY
rules:
  - {id: all, match: {}, action: DENY}
  - {id: upstream, match: {tool: db}, action: DENY}
  - {id: full, match: {tool: [db.query, db]}, action: DENY}
  - {id: bare, match: {tool: query}, action: DENY}
  - {id: operation, match: {operation: [drop, query]}, action: DENY}
  - {id: narrowed, match: {tool: db, operation: drop}, action: DENY}
  - {id: other, match: {tool: mail}, action: DENY}
",
    );
    for (upstream, tool) in [("db", "query"), ("db", "drop"), ("mail", "query"), ("mail", "send"), ("x", "y")]
    {
        let tool = ToolName::new(upstream, tool);
        let by_index: Vec<&str> =
            set.rules_about(&tool).iter().filter(|r| r.concerns(&tool)).map(|r| r.id.as_str()).collect();
        let by_hand: Vec<&str> =
            set.rules().iter().filter(|r| r.concerns(&tool)).map(|r| r.id.as_str()).collect();
        assert_eq!(by_index, by_hand, "{tool}");
    }
    let ids: Vec<&str> =
        set.rules_about(&ToolName::new("mail", "send")).iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["all", "other"]);
}

#[test]
fn a_name_that_several_things_bear_is_told_in_rules_that_let_through() {
    let known = Known {
        upstreams: ["empty".to_owned()].into(),
        tools: [
            ("files", "read"),
            ("db", "read"),
            ("db", "query"),
            ("read", "x"),
            ("mail", "mail"),
            ("x", "empty"),
        ]
        .map(|(upstream, tool)| ToolName::new(upstream, tool))
        .into(),
    };
    let told = |block: &str, action: &str| {
        let set = crate::world::set(&format!("{{id: r, match: {block}, {action}}}"));
        set.ambiguities(&known).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = "test.yaml:4:27: `read` in rule r could mean read of db or read of files or the upstream read \
                    (hint: an ALLOW or MODIFY rule names `upstream.tool` where a name is not unique)";
    assert_eq!(told("{tool: read}", "action: ALLOW"), [expected]);
    assert_eq!(told("{tool: read}", "action: MODIFY, modifications: {parameters: {a: 1}}").len(), 1);
    assert_eq!(told("{operation: read}", "action: ALLOW").len(), 1);
    assert_eq!(told("{tool: empty}", "action: ALLOW").len(), 1, "an upstream whose tools are not known");
    assert_eq!(told("{tool: [files, db], operation: read}", "action: ALLOW"), Vec::<String>::new());
    for fine in
        ["{tool: files.read}", "{tool: query}", "{tool: db}", "{tool: mail}", "{operation: query}", "{}"]
    {
        assert_eq!(told(fine, "action: ALLOW"), Vec::<String>::new(), "{fine}");
    }
    assert_eq!(told("{tool: read}", "action: DENY"), Vec::<String>::new());
}

#[test]
fn a_tool_that_is_let_through_by_a_name_of_anothers_is_told() {
    let set = assemble(
        "version: 1
default: DENY
rules:
  - {id: bare, match: {tool: [read, db.list]}, action: ALLOW}
  - {id: both, match: {tool: [query, db.query]}, action: ALLOW}
  - {id: no, match: {tool: write}, action: DENY}
",
    );
    let tool =
        |name: &str| name.split_once('.').map(|(upstream, tool)| ToolName::new(upstream, tool)).unwrap();
    let known = |tools: &[&str]| Known {
        upstreams: ["files".to_owned()].into(),
        tools: tools.iter().map(|t| tool(t)).collect(),
    };
    let told =
        |of: &str, among: &[&str]| set.ambiguous_for(&tool(of), &known(among)).map(|found| found.bearers);
    assert_eq!(told("files.read", &["files.read"]), None);
    assert_eq!(told("files.read", &[]), None);
    let both = Some(vec!["read of evil".to_owned(), "read of files".to_owned()]);
    assert_eq!(told("files.read", &["files.read", "evil.read"]), both);
    assert_eq!(told("evil.read", &["files.read"]), both, "nobody listed it, and it is about to be called");
    assert_eq!(told("db.list", &["files.read", "evil.read"]), None, "the rule names it in full");
    assert_eq!(told("db.query", &["db.query", "evil.query"]), None, "the rule names it in full too");
    assert!(told("evil.query", &["db.query"]).is_some());
    assert_eq!(told("evil.write", &["files.write"]), None, "a denial means everything that bears the name");
    let short: Vec<(&str, &str)> =
        set.by_short_name(&tool("files.read")).iter().map(|(rule, name)| (rule.id.as_str(), *name)).collect();
    assert_eq!(short, [("bare", "read")]);
    assert!(set.by_short_name(&tool("db.list")).is_empty());
}
