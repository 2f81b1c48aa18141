//! Fragments of the AARM specification's pages that use only what this version of the language knows load as
//! they stand, behind `version: 1` and a default.

use countersign_core::decision::Decision;
use countersign_core::policy::{PolicySet, RuleAction};

use crate::world::{World, answer, assemble, faults};

fn page(fragment: &str) -> PolicySet {
    assemble(&format!("version: 1\ndefault: DENY\n{fragment}"))
}

const FORBIDDEN: &str = r#"
rules:
  - id: forbidden-drop-database
    match:
      tool: database
      operation: drop
    action: DENY
    classification: forbidden
    reason: "Database drops are never permitted via agent"
"#;

const AFTER_SENSITIVE_READ: &str = r#"
rules:
  - id: email-after-sensitive-read
    match:
      tool: email
      operation: send
    context:
      prior_actions:
        contains: [database.query, file.read]
      data_classification:
        contains: [PII, CONFIDENTIAL]
      recipient:
        external: true
    action: DENY
    classification: context_dependent_deny
    reason: "Cannot send externally after accessing sensitive data"
"#;

const STRUCTURE: &str = r#"
policy:
  id: unique-policy-id
  version: "1.0"
  description: Human-readable description

rules:
  - id: rule-001
    name: descriptive-name
    match: { }      # When does this rule apply?
    action: DENY    # What happens?
    reason: "Why"   # Human-readable explanation
"#;

const LIMIT_BULK: &str = r#"
rules:
  - id: limit-bulk-queries
    match:
      tool: database
      operation: query
      parameters:
        limit: { gt: 100 }
    action: MODIFY
    modifications:
      parameters:
        limit: 100
    reason: "Query results capped at 100 rows"
"#;

const BLOCK_PII: &str = r#"
rules:
  - id: block-pii-external
    match:
      tool: [email, http, slack]
      parameters:
        destination: { external: true }
      context:
        data_classification: PII
    action: DENY
    reason: "Cannot send PII externally"
"#;

const LARGE_TRANSACTIONS: &str = r"
rules:
  - id: approve-large-transactions
    match:
      tool: payment
      operation: transfer
      parameters:
        amount: { gt: 10000 }
    action: STEP_UP
    approvers: [finance-manager]
";

const TAG_AND_BLOCK: &str = r#"
rules:
  - name: tag-pii-on-read
    match:
      tool: db.query
      parameters.table: [customers, employees, patients]
    effect:
      set_context:
        data_classification: PII

  - name: block-pii-to-external
    match:
      tool: [email.send, http.post, slack.post]
      parameters.destination: { external: true }
      context.data_classification: PII
    action: DENY
    reason: "Cannot send PII to external destinations"
"#;

const ENVIRONMENT: &str = r#"
rules:
  - id: defer-on-environment-conflict
    match:
      tool: credentials.rotate
      context.environment_state_conflict: true
    action: DEFER
    reason: "Conflicting environment signals must be resolved before credential rotation"
"#;

const MEMORY: &str = r#"
rules:
  - id: require-verification-for-memory-derived-sharing
    match:
      context.memory_source_trust: { lt: 0.8 }
      tool: email.send
      parameters.to: { external: true }
    action: STEP_UP
    reason: "External sharing recommendation came from low-trust persistent context"
"#;

const URGENT: &str = r#"
rules:
  - id: fragments-of-match
    match:
      tool: http
      operation: post
      parameters:
        to: { external: true }           # Custom predicate
        subject: { contains: "URGENT" }  # String matching
      context:
        data_classification: [PII, PHI]  # Data accessed this session
        prior_actions: { contains: "db.query" }
    action: DENY
"#;

const BULK_EXPORT: &str = r"
rules:
  - name: require-approval-bulk-export
    match:
      tool: db.query
      parameters.limit: { gt: 1000 }
    action: STEP_UP
    approvers: [data-owner]
";

#[test]
fn fragments_of_the_specification_load_as_they_stand() {
    for fragment in [
        FORBIDDEN,
        AFTER_SENSITIVE_READ,
        STRUCTURE,
        LIMIT_BULK,
        BLOCK_PII,
        LARGE_TRANSACTIONS,
        TAG_AND_BLOCK,
        ENVIRONMENT,
        MEMORY,
        URGENT,
        BULK_EXPORT,
    ] {
        assert!(!page(fragment).rules().is_empty());
    }
    assert_eq!(&*page(STRUCTURE).reference().id, "unique-policy-id");
}

#[test]
fn they_behave_as_their_pages_say() {
    let pii = || World::seen(&["PII"]);
    let out = r#"{"destination": "eve@evil.com"}"#;
    let says = |world: World, set: &PolicySet| answer(&world.asked_of(set).0);
    let block = page(BLOCK_PII);
    assert_eq!(says(pii().calls("email", "send", out), &block), "yes");
    assert_eq!(says(pii().calls("email", "send", r#"{"destination": "bob@example.com"}"#), &block), "no");
    assert_eq!(says(World::new().calls("email", "send", out), &block), "no");
    assert_eq!(
        says(pii().calls("email", "send", "{}"), &block),
        "unknown: parameters.destination (not known)"
    );

    let after = page(AFTER_SENSITIVE_READ);
    let read = pii().did("database", "query", Decision::Allow).calls("email", "send", "{}");
    assert_eq!(says(read, &after), "unknown: context.recipient (not known)");

    let cap = page(LIMIT_BULK);
    assert_eq!(says(World::new().calls("database", "query", r#"{"limit": 500}"#), &cap), "yes");
    assert_eq!(says(World::new().calls("database", "query", r#"{"limit": 100}"#), &cap), "no");
    assert!(matches!(cap.rules()[0].action, Some(RuleAction::Modify(_))));

    let tag = page(TAG_AND_BLOCK);
    assert_eq!(says(World::new().calls("db", "query", r#"{"table": "patients"}"#), &tag), "yes");
    assert!(tag.rules()[0].action.is_none());

    let rotate = World::new().calls("credentials", "rotate", "{}");
    assert_eq!(says(rotate, &page(ENVIRONMENT)), "unknown: context.environment_state_conflict (not known)");
}

#[test]
fn what_later_versions_of_the_language_know_is_an_unknown_key_until_then() {
    for (rule, unknown) in [
        ("action: STEP_UP, timeout: 3600, timeout_action: DENY", "`timeout_action`"),
        ("action: DENY, constraints: {rate: {max: 100}}", "`constraints`"),
        ("action: DENY, condition: {identity: {role: analyst}}", "`condition`"),
        ("action: STEP_UP, trigger: {chain_length: {gt: 10}}", "`trigger`"),
        ("action: STEP_UP, escalation: {after: 1800}", "`escalation`"),
        ("action: DENY, when: 'true'", "`when`"),
        ("action: DENY, threshold: 0.7", "`threshold`"),
    ] {
        let text = format!("version: 1\ndefault: DENY\nrules:\n  - {{id: r, match: {{}}, {rule}}}\n");
        let told = faults(&[("f", &text)]);
        assert!(told.len() == 1 && told[0].contains(unknown), "{rule}: {told:?}");
    }
}
