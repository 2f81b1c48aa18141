use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use countersign_core::drift::STARTING_MODEL;
use countersign_core::names::ToolName;
use countersign_gateway::auth::Role;
use countersign_gateway::mcp::upstream::UpstreamKind;

use super::*;

/// The configuration of the issue, as it is written there.
const ISSUE: &str = r#"version: 1
listen: 127.0.0.1:7080
store: { sqlite: ./countersign.db }
keys: ./keys
policies: [./policies]
identity:
  tokens:
    - { token_file: ./tokens/agent, human: alice@example.com, service: desk, agent: desk-agent-1, roles: [analyst], scope: [files] }
hosts: { tokens: [{ token_file: ./tokens/host, name: desk }] }
auditors: { tokens: [] }
approvers:
  security-team: { tokens: [{ token_file: ./tokens/bob, name: bob@example.com }] }
operators: { tokens: [{ token_file: ./tokens/ops, name: ops@example.com }] }
upstreams:
  files: { command: [npx, -y, "@modelcontextprotocol/server-filesystem", ./sandbox], labels: [INTERNAL] }
"#;

/// Everything that must be there.
const LEAST: &str = "version: 1\nstore: { sqlite: ./c.db }\nkeys: ./keys\npolicies: [./policies]\n";

fn parse(text: &str) -> Result<Config, Vec<String>> {
    let faults = Config::parse(Path::new("/etc/cs/countersign.yaml"), text);
    faults.map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn faults(more: &str) -> Vec<String> {
    let faults = parse(&format!("{LEAST}{more}")).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.replace("/etc/cs/countersign.yaml:", "")).collect()
}

fn token(home: &Path, name: &str) -> String {
    let token = format!("{name}-0123456789abcdef");
    let path = home.join("tokens").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("{token}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    token
}

#[test]
fn the_configuration_of_the_issue_works_as_written() {
    let home = tempfile::tempdir().unwrap();
    let tokens = ["agent", "host", "bob", "ops"].map(|name| token(home.path(), name));
    fs::write(home.path().join("countersign.yaml"), ISSUE).unwrap();
    let config = Config::load(&home.path().join("countersign.yaml")).unwrap();
    assert!(config.oddities.is_empty(), "{:?}", config.oddities);
    assert_eq!(config.listen.to_string(), "127.0.0.1:7080");
    assert_eq!(config.store, home.path().join("countersign.db"));
    assert_eq!(config.policies, [home.path().join("policies")]);
    let settings = config.gateway(KeySet::default()).unwrap();
    let roles = tokens.map(|token| settings.credentials.role(&token).unwrap().to_string());
    let expected = [
        "the agent desk-agent-1",
        "the host desk",
        "the approver bob@example.com",
        "the operator ops@example.com",
    ];
    assert_eq!(roles, expected);
    assert!(settings.credentials.role("something-else-entirely").is_none());
    let connection = settings.upstreams["files"].connection.clone().unwrap();
    let UpstreamKind::Stdio { command, env, cwd } = connection.kind else {
        panic!("not started as a command")
    };
    assert_eq!(command, ["npx", "-y", "@modelcontextprotocol/server-filesystem", "./sandbox"]);
    assert!(env.is_empty() && cwd == home.path());
    assert_eq!(connection.labels, ["INTERNAL"]);
}

#[test]
fn flat_roles_and_scope_hold_for_all_three_identities() {
    let home = tempfile::tempdir().unwrap();
    let tokens = ["agent", "host", "bob", "ops"].map(|name| token(home.path(), name));
    let config =
        Config::parse(&home.path().join("c.yaml"), ISSUE).unwrap_or_else(|faults| panic!("{faults:?}"));
    let settings = config.gateway(KeySet::default()).unwrap();
    let Some(Role::Agent(agent)) = settings.credentials.role(&tokens[0]) else { panic!("not an agent") };
    for party in [&agent.human, &agent.service, &agent.agent] {
        assert_eq!(
            (party.roles.as_slice(), party.scope.as_slice()),
            (&["analyst".to_owned()][..], &["files".to_owned()][..])
        );
    }
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let config = parse(LEAST).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!((config.hold.as_secs(), config.max_body, config.max_dependents), (45, 4 * 1024 * 1024, 16));
    assert_eq!(
        [config.limits.wait, config.limits.claim, config.limits.permit].map(Span::as_seconds),
        [900, 600, 90]
    );
    assert_eq!([config.window_idle, config.fact_validity].map(Span::as_seconds), [1800, 900]);
    assert_eq!(config.url(), "http://127.0.0.1:7080");
    assert_eq!(config.store, Path::new("/etc/cs/c.db"));
}

#[test]
fn everything_that_can_be_written_is_taken() {
    let config = parse(&format!(
        r#"{LEAST}listen: "[::1]:0"
socket: run/cs.sock
identity:
  local: [{{ uid: 501, human: a, service: s, agent: g, roles: [r], scope: [web] }}]
upstreams:
  web:
    url: https://tools.example.com/mcp
    headers: {{ Authorization: {{ from_env: WEB_TOKEN }}, X-Team: desk }}
    shared: true
    call_limit: 120
    start_limit: 5
    max_response: 1048576
    tools:
      send: {{ effect: write_outbound, selectors: [/to, /cc] }}
  local_files: {{ command: [./bin/server, --root, ./x], env: {{ TOKEN: "${{env:X}}" }} }}
  editor: {{ wrapped: true, labels: [INTERNAL] }}
wrappers:
  call_tool: {{ server: /server, tool: /name, arguments: /args }}
contracts: ./contracts.yaml
hold: 0
limits: {{ wait: 60, claim: 30, max_body: 65536, max_dependents: 2, session_idle: 10, fact_validity: 20 }}
allowed_hosts: [Gate.example.com]
"#
    ))
    .unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(config.socket.as_deref(), Some(Path::new("/etc/cs/run/cs.sock")));
    assert_eq!(config.contracts.as_deref(), Some(Path::new("/etc/cs/contracts.yaml")));
    assert_eq!(config.limits.permit.as_seconds(), 150);
    let mut faults = Faults::of(&config.file);
    let resolved = upstreams::resolve(
        &config.upstreams,
        |name| (name == "WEB_TOKEN").then(|| "Bearer x".into()),
        &mut faults,
    );
    assert!(faults.is_empty());
    let UpstreamKind::Http { headers, .. } = &resolved["web"].connection.as_ref().unwrap().kind else {
        panic!()
    };
    assert_eq!((headers["Authorization"].as_str(), headers["X-Team"].as_str()), ("Bearer x", "desk"));
    let UpstreamKind::Stdio { command, env, .. } = &resolved["local_files"].connection.as_ref().unwrap().kind
    else {
        panic!()
    };
    assert_eq!(command, &["/etc/cs/bin/server", "--root", "./x"]);
    assert_eq!(env["TOKEN"], "${env:X}");
    assert!(resolved["editor"].connection.is_none());
    assert_eq!(
        resolved["web"].tools["send"].selectors.as_deref(),
        Some(&["/to".to_owned(), "/cc".to_owned()][..])
    );
    let _: ToolName = ToolName::new("web", "send");
}

#[test]
fn a_variable_that_is_not_set_is_named_with_its_place() {
    let text = "upstreams: { web: { command: [x], env: { A: { from_env: NOT_SET_ANYWHERE } } } }\n";
    let config = parse(&format!("{LEAST}{text}")).unwrap_or_else(|faults| panic!("{faults:?}"));
    let error = config.gateway(KeySet::default()).unwrap_err();
    let fault = error.faults.first().unwrap().to_string();
    assert!(
        fault.contains(":5:") && fault.contains("NOT_SET_ANYWHERE") && fault.contains("env.A"),
        "{fault}"
    );
}

#[test]
fn each_fault_has_its_line_its_column_and_a_hint() {
    let cases = [
        ("upstream: {}\n", "5:1: unknown key `upstream` (hint: did you mean `upstreams`?)"),
        ("hold: soon\n", "5:7: "),
        (
            "hold: 99999\n",
            "5:7: `hold: 99999` is out of bounds (hint: it goes from 0 to 3600; 45 where nothing is said)",
        ),
        ("keys: ./other\n", "5:1: the key `keys` is there twice (hint: keep one of them)"),
        (
            "listen: 0.0.0.0:7080\n",
            "5:9: `0.0.0.0:7080` is reached from other machines; that needs TLS, and TLS is not configured (hint: listen on \
             127.0.0.1:7080 and let a TLS proxy on this machine forward to it)",
        ),
        (
            "listen: localhost:7080\n",
            "5:9: `localhost:7080` is not an address with a port (hint: write numbers, as in `127.0.0.1:7080` or `[::1]:7080`)",
        ),
        (
            "upstreams: { My_: { command: [x] } }\n",
            "5:14: `My_` is not a name for an upstream (hint: use a-z, 0-9, `-` and single `_`, beginning with a letter or \
             digit and not ending with `_`)",
        ),
        (
            "upstreams: { a: { command: [x], url: http://y } }\n",
            "5:14: upstream `a` must be reached in exactly one way (hint: give it one of `command: [PROGRAM, ...]`, `url: \
             https://...` and `wrapped: true`)",
        ),
        (
            "upstreams: { a: { wrapped: true, env: { B: c } } }\n",
            "5:41: `env` has no use here (hint: `wrap` starts the server with its own environment)",
        ),
        (
            "upstreams: { a: { command: [x], tools: { t: { effect: writes } } } }\n",
            "5:55: unknown word `writes` (hint: known here: read, egress_read, write_internal, write_outbound, destructive, \
             execute, credential, payment, unknown)",
        ),
        (
            "upstreams: { a: { command: [x], tools: { t: { selectors: [to.name] } } } }\n",
            "5:59: `to.name` is not a JSON pointer (hint: begin it with a slash: `/to/name`)",
        ),
        (
            "upstreams: { a: { command: [x], env: { B: 7 } } }\n",
            "5:40: this should be a text in quotes, or {from_env: NAME}",
        ),
        (
            "hosts: { tokens: [{ name: x }] }\n",
            "5:19: a credential has exactly one of `token_file` and `token_sha256` (hint: keep one of them)",
        ),
        (
            "hosts: { tokens: [{ name: x, token_sha256: abc }] }\n",
            "5:44: `token_sha256` is not a SHA-256 digest (hint: it is 64 hex digits; make it with: printf %s \"$TOKEN\" | \
             sha256sum)",
        ),
        ("allowed_hosts: [\"http://x\"]\n", "5:17: `http://x` is not a host name"),
    ];
    for (text, expected) in cases {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(expected), "{text}\n  found    {}\n  expected {expected}", found[0]);
    }
}

#[test]
fn all_faults_are_given_at_once() {
    let found = faults("hold: 99999\nlisten: 10.0.0.1:1\nlimits: { wait: 0 }\n");
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_missing_key_and_another_version_are_explained() {
    let found = parse("version: 2\nstore: { sqlite: x }\nkeys: k\npolicies: []\n").err().unwrap();
    assert!(found[0].contains("version 2") && found[1].contains("there is no policy"), "{found:?}");
    let found = parse("version: 1\nstore: { sqlite: x }\npolicies: [p]\n").err().unwrap();
    assert!(
        found[0].contains("`keys` is missing") && found[0].contains("countersign keys init"),
        "{found:?}"
    );
}

#[test]
fn a_token_in_two_roles_is_refused_and_both_are_named() {
    let home = tempfile::tempdir().unwrap();
    token(home.path(), "one");
    let text = format!(
        "{LEAST}hosts: {{ tokens: [{{ token_file: tokens/one, name: desk }}] }}\n\
         operators: {{ tokens: [{{ token_file: tokens/one, name: ops }}] }}\n"
    );
    let config =
        Config::parse(&home.path().join("c.yaml"), &text).unwrap_or_else(|faults| panic!("{faults:?}"));
    let fault = config.gateway(KeySet::default()).unwrap_err().faults.remove(0);
    assert_eq!((fault.line, fault.column), (6, 23));
    assert_eq!(
        fault.message,
        "the same token is given to the host desk and to the operator ops; every credential has one role"
    );
}

#[test]
fn a_person_may_be_in_two_groups_with_one_token() {
    let home = tempfile::tempdir().unwrap();
    let text = token(home.path(), "bob");
    let yaml = format!(
        "{LEAST}approvers:\n  a: {{ tokens: [{{ token_file: tokens/bob, name: bob }}] }}\n  \
         b: {{ tokens: [{{ token_file: tokens/bob, name: bob }}] }}\n"
    );
    let config =
        Config::parse(&home.path().join("c.yaml"), &yaml).unwrap_or_else(|faults| panic!("{faults:?}"));
    let settings = config.gateway(KeySet::default()).unwrap();
    let Some(Role::Approver { groups, .. }) = settings.credentials.role(&text) else {
        panic!("not an approver")
    };
    assert_eq!(groups.len(), 2);
}

#[test]
fn a_digest_stands_for_a_token_that_is_kept_elsewhere() {
    let digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let config = parse(&format!("{LEAST}hosts: {{ tokens: [{{ token_sha256: \"{digest}\", name: x }}] }}\n"));
    let settings = config.unwrap_or_else(|faults| panic!("{faults:?}")).gateway(KeySet::default()).unwrap();
    assert_eq!(settings.credentials.role("test").unwrap().to_string(), "the host x");
}

#[test]
fn what_is_allowed_and_probably_not_meant_is_said() {
    let text = "identity: { local: [{ uid: 1, human: a, service: b, agent: c, scope: [fils] }] }\n\
                upstreams: { files: { command: [x] }, editor: { wrapped: true } }\n";
    let config = parse(&format!("{LEAST}{text}")).unwrap_or_else(|faults| panic!("{faults:?}"));
    let said: Vec<String> = config.oddities.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|s| s.contains("`fils`") && s.contains("did you mean `files`?")), "{said:?}");
    assert!(said.iter().any(|s| s.contains("no use without `socket`")), "{said:?}");
    assert!(said.iter().any(|s| s.contains("`editor` is wrapped, and there is no socket")), "{said:?}");
}

#[test]
fn no_fault_shows_a_value_that_may_be_a_secret() {
    let secret = "hunter2hunter2hunter2";
    for text in [
        format!("upstreams: {{ a: {{ command: [x], env: {{ K: [{secret}] }} }} }}\n"),
        format!("upstreams: {{ a: {{ url: http://x, headers: {{ \"bad name\": {secret} }} }} }}\n"),
        format!("hosts: {{ tokens: [{{ name: x, token_sha256: {secret} }}] }}\n"),
    ] {
        let found = faults(&text).join("\n");
        assert!(!found.is_empty() && !found.contains(secret), "{found}");
    }
}

#[test]
fn r7_thresholds_start_from_the_profile_and_are_in_force_where_the_block_is_written() {
    let limits = |more: &str| parse(&format!("{LEAST}{more}")).unwrap().drift;
    let none = limits("");
    assert!(!none.limits.in_force && none.model.is_none());
    let coding = limits("drift: { profile: coding, model: ./model }");
    assert_eq!(coding.model.as_deref(), Some(Path::new("/etc/cs/model")));
    assert_eq!((coding.limits.lexical.alert, coding.limits.lexical.step_up), (9_700, 9_950));
    let embedded = coding.limits.embedded.unwrap();
    assert_eq!((embedded.alert, embedded.step_up), (9_000, 9_500));
    assert_eq!(embedded.model.as_deref(), Some(STARTING_MODEL));
    assert!(coding.limits.in_force);
    let own = limits(&format!(
        "drift:
  profile: research
  model: ./model
  lexical: {{ alert: 8000, step_up: 9000 }}
  embedded: {{ alert: 6000, step_up: 7000, model: '{STARTING_MODEL}' }}
  cumulative: {{ alert: 4000 }}
"
    ));
    assert_eq!((own.limits.lexical.alert, own.limits.cusum), (8_000, 4_000));
    assert_eq!(own.limits.embedded.map(|own| own.step_up), Some(7_000));
    assert!(limits("drift: {}").limits.embedded.is_none(), "without a model no threshold is for one");
}

#[test]
fn r7_thresholds_of_another_model_without_one_or_out_of_order_are_told() {
    let other = faults("drift: { model: ./m, embedded: { alert: 1, step_up: 2, model: 'sha256:other' } }");
    assert!(
        other[0].starts_with(
            "5:63: these thresholds were fitted to the distances of another model, sha256:other"
        ),
        "{other:?}"
    );
    assert!(other[0].contains(STARTING_MODEL) && other[0].contains("countersign drift calibrate"));
    let without =
        faults(&format!("drift: {{ embedded: {{ alert: 1, step_up: 2, model: '{STARTING_MODEL}' }} }}"));
    assert!(without[0].contains("no `drift.model` that measures them"), "{without:?}");
    let order = faults("drift: { lexical: { alert: 9000, step_up: 8000 } }");
    assert!(order[0].contains("`drift.lexical.alert: 9000` is above its `step_up: 8000`"), "{order:?}");
    let bounds = faults("drift: { lexical: { alert: 9000, step_up: 10001 } }");
    assert!(bounds[0].contains("`drift.lexical.step_up: 10001` is out of bounds"), "{bounds:?}");
    let profile = faults("drift: { profile: codign }");
    assert!(profile[0].contains("`codign` is not a profile (hint: did you mean `coding`?)"), "{profile:?}");
    assert!(faults("drift: { embedded: { alert: 1, step_up: 2 } }")[0].contains("`model` is missing"));
}

#[test]
fn r3_reload_who_brings_other_policies_is_said_once_and_from_where_nobody_listens_in() {
    let changes = |text: &str| {
        let config = parse(&format!("{LEAST}{text}")).unwrap_or_else(|faults| panic!("{faults:?}"));
        config.policy_changes
    };
    assert_eq!(changes(""), policy::Changes::Files);
    assert_eq!(changes("policy_changes: operator\n"), policy::Changes::Operators);
    let bundle = "policy_bundle: { url: https://policy.example.com/b.json, keys: ./k.pub }\n";
    let policy::Changes::Bundles(source) = changes(bundle) else { panic!("bundles") };
    assert_eq!((source.every.as_secs(), source.stale_after.as_secs()), (60, 86_400));
    assert_eq!(source.keys, Path::new("/etc/cs/k.pub"));
    for (text, said) in [
        ("policy_changes: operators\n", "`policy_changes: operators` is not known"),
        (
            "policy_bundle: { url: http://policy.example.com/b, keys: k }\n",
            "not an address that bundles can come from",
        ),
        (
            "policy_bundle: { url: https://h/b, keys: k, every: 0 }\n",
            "`policy_bundle.every: 0` is out of bounds",
        ),
        (
            "policy_changes: files\npolicy_bundle: { url: https://h/b, keys: k }\n",
            "`policy_changes` says otherwise",
        ),
    ] {
        let found = faults(text).join("\n");
        assert!(found.contains(said), "{text}: {found}");
    }
}
