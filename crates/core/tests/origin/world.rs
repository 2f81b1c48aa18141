//! Tools as servers list them, with the contracts derived from that alone, and a session that uses them.

use std::sync::{Arc, LazyLock};

use countersign_core::action::{Action, Contract};
use countersign_core::contract::derive::{Definition, derive};
use countersign_core::decision::{Decision, Ruling};
use countersign_core::lifecycle::{Input, Limits, Output};
use countersign_core::origin::{Argument, Doubt, Evidence, Origin, Origins, Standing, assess};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Context, Entry, Opened, Outcome, Status, What};
use countersign_core::time::Time;
use countersign_testkit::builders::{self, START, World, arguments, identity, policy, ruling, tool};
use serde_json::{Value, json};

/// The user of all sessions.
pub(crate) const USER: &str = "alice@corp.example";

/// The pack as it ships.
pub(crate) static BASELINE: LazyLock<PolicySet> =
    LazyLock::new(|| policy(include_str!("../../../../policies/baseline/baseline.yaml")));

/// Name, description, arguments: `name`, `name[]` for a list, `name:number`.
const TOOLS: &[(&str, &str, &str)] = &[
    ("mail.send_email", "Sends an email", "recipients[]; subject; body"),
    ("mail.get_received_emails", "Returns all received emails", ""),
    ("mail.search_emails", "Searches emails", "query"),
    ("files.read_file", "Reads the content of a file", "path"),
    ("files.append_to_file", "Appends content to a file", "path; content"),
    ("files.list_files", "Lists the files in the drive", ""),
    ("files.delete_file", "Deletes a file", "file_id"),
    ("files.share_file", "Shares a file with somebody", "file_id; email"),
    ("files.create_file", "Creates a file", "filename; content"),
    ("bank.send_money", "Sends a payment", "recipient - IBAN of the recipient; amount:number; subject; date"),
    ("bank.get_transactions", "Lists the most recent transactions", "n:number"),
    ("bank.get_contacts", "Lists the contacts", ""),
    ("web.get_webpage", "Returns the content of a webpage", "url"),
    ("web.post_webpage", "Posts content to a webpage", "url; content"),
    ("account.update_password", "Changes the password of the user", "password"),
    ("shell.run_command", "Runs a shell command", "command"),
    ("chat.get_users", "Lists the users in the workspace", ""),
    ("chat.send_direct_message", "Sends a direct message to a user", "recipient; body"),
    ("chat.create_channel", "Creates a channel", "name"),
    ("chat.send_channel_message", "Sends a message to a channel", "channel; body"),
    ("travel.get_hotels", "Lists the hotels in a city", "city"),
    ("travel.reserve_hotel", "Reserves a room in a hotel", "hotel; start_day; end_day"),
    ("calendar.create_event", "Creates a calendar event", "title; participants[]; start_time; description"),
];

/// The contract derived from a tool's definition.
pub(crate) fn contract(name: &str) -> Arc<Contract> {
    let (_, description, written) =
        TOOLS.iter().find(|(known, ..)| *known == name).unwrap_or_else(|| panic!("no tool {name}"));
    let mut properties = serde_json::Map::new();
    for argument in written.split("; ").filter(|argument| !argument.is_empty()) {
        let (argument, remark) = argument.split_once(" - ").unwrap_or((argument, ""));
        let (key, schema) = match (argument.strip_suffix("[]"), argument.strip_suffix(":number")) {
            (Some(key), _) => (key, json!({"type": "array", "items": {"type": "string"}})),
            (_, Some(key)) => (key, json!({"type": "number"})),
            _ => (argument, json!({"type": "string", "description": remark})),
        };
        properties.insert(key.to_owned(), schema);
    }
    let schema = json!({"type": "object", "properties": properties});
    let (_, bare) = name.split_once('.').unwrap();
    let definition = Definition { name: bare, description, input_schema: Some(&schema), annotations: None };
    Arc::new(derive(&definition))
}

/// A session, with the entries that a ledger would hold.
pub(crate) struct Session {
    pub(crate) context: Context,
    pub(crate) opened: Opened,
    pub(crate) chain: Vec<Entry>,
    actions: u32,
}

impl Session {
    /// A host says what the user asked.
    pub(crate) fn asked(request: &str) -> Self {
        Self::begun(Some(request))
    }

    /// Nobody says what the user asked.
    pub(crate) fn without_request() -> Self {
        Self::begun(None)
    }

    pub(crate) fn begun(request: Option<&str>) -> Self {
        let opened = Opened { request: request.map(Arc::from), ..builders::opened("ses_1", USER, "bot") };
        let context = Context::new(opened.clone(), START, Limits::default());
        Self { context, opened, chain: Vec::new(), actions: 0 }
    }

    /// An action that was permitted, and what it answered.
    pub(crate) fn did(&mut self, name: &str, arguments: &Value, output: &str) -> &mut Self {
        let outcome = Outcome { output: Some(output.into()), ..builders::outcome(Status::Ok, &[]) };
        self.settled(name, arguments, outcome)
    }

    /// An action that was permitted and failed with this error.
    pub(crate) fn failed(&mut self, name: &str, arguments: &Value, error: &str) -> &mut Self {
        let outcome = Outcome { error: Some(error.into()), ..builders::outcome(Status::Error, &[]) };
        self.settled(name, arguments, outcome)
    }

    /// A text that no action asked for reached the agent.
    pub(crate) fn noticed(&mut self, text: &str) -> &mut Self {
        let what = What::Observed { source: "notice".into(), labels: [].into(), text: Some(text.into()) };
        self.context.apply(&what, START).unwrap();
        self.chain.push(Entry { at: START, what, erased: false });
        self
    }

    /// Data of this label reached the agent.
    pub(crate) fn saw(&mut self, label: &str) -> &mut Self {
        let what = What::Observed { source: "notice".into(), labels: [label.into()].into(), text: None };
        self.context.apply(&what, START).unwrap();
        self.chain.push(Entry { at: START, what, erased: false });
        self
    }

    /// The user said something more.
    pub(crate) fn said(&mut self, text: &str) -> &mut Self {
        let what = What::Turn { host: "desk".into(), text: Some(text.into()) };
        self.context.apply(&what, START).unwrap();
        self.chain.push(Entry { at: START, what, erased: false });
        self
    }

    fn settled(&mut self, name: &str, arguments: &Value, outcome: Outcome) -> &mut Self {
        let action = Arc::new(action(&format!("act_{}", self.actions), name, arguments));
        self.actions += 1;
        let identity = Arc::new(identity(USER, "bot"));
        let allowed = Arc::new(ruling(Decision::Allow));
        let (output, _) = self.context.submit(&action, &identity, allowed, START);
        let Output::Record(transition) = output else { panic!("the first ruling is recorded: {output:?}") };
        let what = What::Submitted { action: Arc::clone(&action), identity, transition };
        self.chain.push(Entry { at: START, what, erased: false });
        for input in [Input::Recorded, Input::Settled(outcome)] {
            if let (Output::Record(transition), _) = self.context.handle(&action.id, input, START) {
                let what = What::Moved { action: action.id.clone(), transition };
                self.chain.push(Entry { at: START, what, erased: false });
            }
        }
        let _ = self.context.handle(&action.id, Input::Recorded, START);
        self
    }

    /// Where the arguments of a proposed action come from.
    pub(crate) fn origins(&self, name: &str, arguments: &Value) -> Origins {
        assess(&action("act_next", name, arguments), self.context.seen())
    }

    /// The ruling on a proposed action under a policy.
    pub(crate) fn rules(&mut self, policy: &PolicySet, name: &str, arguments: &Value) -> Ruling {
        let fresh = Context::new(self.opened.clone(), START, Limits::default());
        let mut world = World::under(policy.clone());
        world.action = action("act_next", name, arguments);
        world.context = std::mem::replace(&mut self.context, fresh);
        let ruling = world.decide();
        self.context = world.context;
        ruling
    }

    /// What `policies/baseline` rules, and by which rules.
    pub(crate) fn baseline(&mut self, name: &str, arguments: &Value) -> (&'static str, Vec<String>) {
        let ruling = self.rules(&BASELINE, name, arguments);
        let rules = ruling.because.rules.iter().map(ToString::to_string).collect();
        (word(&ruling), rules)
    }

    /// The same session as its entries alone give it.
    pub(crate) fn replayed(&self) -> Context {
        let mut context = Context::new(self.opened.clone(), START, Limits::default());
        for entry in &self.chain {
            context.replay(entry).unwrap();
        }
        context
    }
}

/// The decision's name.
pub(crate) const fn word(ruling: &Ruling) -> &'static str {
    match ruling.decision {
        Decision::Allow => "ALLOW",
        Decision::Deny => "DENY",
        Decision::StepUp(..) => "STEP_UP",
        Decision::Defer(..) => "DEFER",
    }
}

/// A proposed call of a tool of this world.
pub(crate) fn action(id: &str, name: &str, args: &Value) -> Action {
    Action {
        id: id.into(),
        tool: tool(name),
        original: None,
        arguments: arguments(&args.to_string()),
        contract: contract(name),
        depends_on: Vec::new(),
        submitted_at: START_OF_ACTIONS,
    }
}

const START_OF_ACTIONS: Time = START;

/// The argument at a pointer.
pub(crate) fn at<'a>(origins: &'a Origins, pointer: &str) -> &'a Argument {
    let found = origins.arguments.iter().find(|argument| &*argument.pointer == pointer);
    found.unwrap_or_else(|| panic!("nothing at {pointer}: {origins:?}"))
}

/// The standing of the argument at a pointer.
pub(crate) fn standing(origins: &Origins, pointer: &str) -> Standing {
    at(origins, pointer).standing
}

pub(crate) const fn clear(evidence: Evidence) -> Standing {
    Standing::Clear(evidence)
}

pub(crate) const fn doubtful(doubt: Doubt) -> Standing {
    Standing::Doubtful(doubt)
}

/// A mail as a service lists it, in a list of one.
pub(crate) fn mails(mails: &[(&str, &str, &str)]) -> String {
    let list: Vec<Value> = mails
        .iter()
        .enumerate()
        .map(|(n, (sender, subject, body))| {
            json!({"id_": (n + 1).to_string(), "sender": sender, "recipients": [USER], "subject": subject,
                "body": body, "timestamp": "2026-01-01T10:00:00"})
        })
        .collect();
    Value::from(list).to_string()
}

/// Whether somebody else than the user could have written it, or nobody.
pub(crate) fn foreign(origin: Origin) -> bool {
    matches!(origin, Origin::ThirdParty | Origin::Nobody | Origin::Unknown)
}
