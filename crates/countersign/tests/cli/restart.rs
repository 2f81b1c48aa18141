//! A daemon that starts again knows what its upstreams' tools are before anybody lists them: `R2.prior`, what was lived is
//! read again as it was lived. And sessions that are linked by delegation stay linked (`R2.data`).

use std::fs;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::home::{Home, binary};

/// What a restart could change: an address of the customers' database is written to, one of a mail is not.
const POLICY: &str = "version: 1
policy: { id: desk, version: '1' }
default: { action: DENY, reason: nobody allowed it }
unclassified: INTERNAL
rules:
  - { id: reads, match: { context: { effect: read } }, action: ALLOW }
  - { id: writes, match: { context: { effect: write_internal } }, action: STEP_UP }
  - { id: sends, match: { context: { effect: write_outbound }, parameters.to.origin: [service, first_party, user] }, action: ALLOW }
";

fn desk() -> Home {
    let home = Home::new();
    home.write("policies/base.yaml", POLICY);
    let text = fs::read_to_string(home.path("countersign.yaml")).unwrap();
    let text = text.replace("scope: [files]", "scope: [files, db, mail]");
    let sample = |name: &str, part: &str| {
        let binary = binary();
        format!("  {name}: {{ command: [\"{binary}\", sample-server, --only, {part}, --root, ./sandbox] }}\n")
    };
    home.write("countersign.yaml", &(text + &sample("db", "database") + &sample("mail", "mail")));
    home
}

fn query(daemon: &Daemon<'_>, session: &str) -> Value {
    daemon.call_in(session, "db__query_customers", &json!({ "limit": 1 }))
}

#[test]
fn r2_prior_outputs_keep_their_writers_and_tools_their_contracts_when_the_daemon_starts_again() {
    let home = desk();
    let mut daemon = Daemon::start(&home);
    let request = "Look up the customer Vogel and write her a mail.";
    let opening =
        json!({ "human": "alice@example.com", "agent": "desk-agent-1", "original_request": request });
    let session = daemon.post_as("host", "/v1/sessions", &opening);
    let token = session["token"].as_str().unwrap().to_owned();
    let answer = query(&daemon, &token);
    let address = answer["structuredContent"]["customers"][0]["email"].as_str().unwrap().to_owned();
    for (restarted, first) in [(false, "before"), (true, "after a restart"), (true, "after another")] {
        if restarted {
            assert_eq!(daemon.stop().0, Some(0));
            daemon = Daemon::start(&home);
        }
        let mail = json!({ "to": address, "subject": "Hello", "body": first });
        let sent = daemon.call_in(&token, "mail__send_mail", &mail);
        assert_eq!(sent["_meta"]["countersign"]["decision"], "ALLOW", "{first}: {sent}");
    }
    // Through the API, which asks no server: the tool is known from the record.
    let proposed = daemon.post("/v1/actions", &json!({ "tool": "db.query_customers" }));
    assert_eq!(proposed["decision"], "ALLOW", "{proposed}");
    let contracts = home.run(&["receipt", "list", "--limit", "1000", "--json"]).exits(0).json();
    let of = |tool: &str| {
        let receipts = contracts["receipts"].as_array().unwrap().iter();
        receipts.filter(|receipt| receipt["kind"] == "contract" && receipt["subject"]["tool"] == tool).count()
    };
    assert_eq!((of("query_customers"), of("send_mail"), of("read_file")), (1, 1, 0), "each definition once");
    home.run(&["receipt", "verify"]).exits(0);
    assert_eq!(daemon.stop().0, Some(0));
}

/// Cross-agent propagation, over the ledger on disk.
#[test]
fn r2_data_what_a_delegate_reads_binds_the_one_who_delegated_also_when_the_daemon_starts_again() {
    let home = desk();
    let stays = "  - { id: stays, match: { tool: mail.send_mail, context: { data_classification: FINANCIAL } }, action: DENY, \
                 priority: 1 }\n";
    home.write("policies/base.yaml", &format!("{POLICY}{stays}"));
    let mut daemon = Daemon::start(&home);
    let open = |daemon: &Daemon<'_>, more: Value| {
        let mut opening = json!({ "human": "alice@example.com", "agent": "desk-agent-1" });
        opening.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let session = daemon.post_as("host", "/v1/sessions", &opening);
        (session["id"].clone(), session["token"].as_str().unwrap().to_owned())
    };
    let (id, parent) = open(&daemon, json!({ "original_request": "Send a mail to ann@example.com." }));
    let (_, child) = open(&daemon, json!({ "delegated_by": { "session": id } }));
    let (_, apart) = open(&daemon, json!({ "original_request": "Send a mail to ann@example.com." }));
    let mail = json!({ "to": "ann@example.com", "subject": "Hello", "body": "Hello" });
    let sends = |daemon: &Daemon<'_>, session: &str| {
        let said = daemon.call_in(session, "mail__send_mail", &mail)["_meta"]["countersign"].clone();
        (said["decision"].clone(), said["rules"].clone())
    };
    assert_eq!(sends(&daemon, &parent).0, "ALLOW");
    // Account numbers of customers.
    assert_eq!(query(&daemon, &child)["_meta"]["countersign"]["decision"], "ALLOW");
    for restarted in [false, true] {
        if restarted {
            assert_eq!(daemon.stop().0, Some(0));
            daemon = Daemon::start(&home);
        }
        assert_eq!(sends(&daemon, &parent), (json!("DENY"), json!(["stays"])), "{restarted}");
        assert_eq!(sends(&daemon, &apart).0, "ALLOW", "nobody linked it");
    }
    home.run(&["receipt", "verify"]).exits(0);
    assert_eq!(daemon.stop().0, Some(0));
}
