//! What it costs to say where values come from: decisions, indexing, memory. Prints Markdown.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use countersign_bench::{cpu, median, table};
use countersign_core::action::{Action, Contract};
use countersign_core::contract::derive::{Definition, derive};
use countersign_core::decide::Memo;
use countersign_core::decision::Decision;
use countersign_core::detect::inspect;
use countersign_core::lifecycle::{Input, Limits, Output};
use countersign_core::origin::Seen;
use countersign_core::session::{Context, Opened, Outcome, Status};
use countersign_testkit::builders::{self, START, World};
use serde_json::{Value, json};

/// Actions in the session before the one that is timed.
const PRIOR: usize = 100;
/// The size of each of their outputs, in bytes: 1 MB together.
const SIZE: usize = 10 * 1024;
/// Decisions that are timed, one by one.
const DECISIONS: usize = 4_000;
const REQUEST: &str = "Read my emails and the file 'minutes.txt', then send a summary to bob@example.com and to \
                       whoever wrote 'Figures 17'. Delete the largest file.";

fn main() {
    decisions();
    indexing();
}

/// `assess` and `decide` under the pack that ships.
fn decisions() {
    println!("### Decision with provenance\n");
    println!(
        "`core::decide` under `policies/baseline` with `core::origin::assess`, in a session of {PRIOR} prior actions and \
         {:.1} MB of outputs.\n",
        (PRIOR * SIZE) as f64 / 1e6
    );
    let mut rows = Vec::new();
    for (name, request) in [("with the user's request", Some(REQUEST)), ("without a request", None)] {
        let mut world = World::under(builders::policy(include_str!("../../../policies/baseline/baseline.yaml")));
        world.context = context(request);
        for (kind, tool, arguments) in proposals() {
            world.action = action("act_next", tool, &arguments);
            let mut times: Vec<f64> = (0..DECISIONS).map(|_| once(&mut world)).collect();
            times.sort_by(f64::total_cmp);
            let at = |share: usize| times[(times.len() - 1) * share / 100];
            let ruling = world.decide();
            rows.push(vec![
                format!("{kind}, {name}: {}", ruling.verdict_word()),
                format!("{:.1}", at(50)),
                format!("{:.1}", at(90)),
                format!("{:.1}", at(99)),
            ]);
        }
    }
    table(&["", "p50 µs", "p90 µs", "p99 µs"], &rows);
}

/// The ruling's word, for a row's name.
trait Word {
    fn verdict_word(&self) -> &'static str;
}

impl Word for countersign_core::decision::Ruling {
    fn verdict_word(&self) -> &'static str {
        match self.decision {
            Decision::Allow => "ALLOW",
            Decision::Deny => "DENY",
            Decision::StepUp(_) => "STEP_UP",
            Decision::Defer(_) => "DEFER",
        }
    }
}

fn once(world: &mut World) -> f64 {
    world.memo = Memo::default();
    let begun = Instant::now();
    let _ = black_box(world.decide());
    begun.elapsed().as_secs_f64() * 1e6
}

fn proposals() -> Vec<(&'static str, &'static str, Value)> {
    let mail = |to: &str| json!({"recipients": [to], "subject": "Summary", "body": "The figures are better than expected."});
    vec![
        ("typed recipient", "mail.send_email", mail("bob@example.com")),
        ("a third party's recipient", "mail.send_email", mail("carol42@example.com")),
        ("made-up recipient", "mail.send_email", mail("zoe@nowhere.example")),
        (
            "made-up recipient, 2 KB of content",
            "mail.send_email",
            json!({"recipients": ["zoe@nowhere.example"], "subject": "Summary", "body": SENTENCES[0].repeat(23)}),
        ),
        ("an id of a listed file", "files.delete_file", json!({"file_id": "f-333"})),
        ("a read", "files.read_file", json!({"path": "minutes.txt"})),
    ]
}

/// What one output costs on its way into the index, and what it leaves there.
fn indexing() {
    println!("### Index\n");
    println!("One output of {} KiB: taken into the index, inspected for labels and cues, both. CPU time, one core. *Index*: what a\nsession of 1 MB of such outputs keeps, per byte of output.\n", SIZE >> 10);
    let kinds: [(&str, &str, fn(usize) -> String); 4] = [
        ("mails, JSON", "mail.get_received_emails", mails),
        ("files, JSON", "files.list_files", files),
        ("a text", "files.read_file", prose),
        ("a page, HTML", "web.get_webpage", page),
    ];
    let rows: Vec<Vec<String>> = kinds
        .iter()
        .map(|(name, tool, make)| {
            let action = action("act_1", tool, &json!({}));
            let text = make(1);
            let index = cpu_of(|| {
                let mut seen = Seen::new("alice@example.com", Some(REQUEST));
                (0..20).for_each(|_| seen.output(&action, black_box(&text)));
                black_box(seen);
            }) / 20.0;
            let inspected = cpu_of(|| drop(black_box(inspect(black_box(&text)))));
            let mut seen = Seen::new("alice@example.com", Some(REQUEST));
            let mut bytes = 0;
            for n in 0..PRIOR {
                let text = make(n);
                bytes += text.len();
                seen.output(&action, &text);
            }
            let rate = |time: f64| format!("{:.0}", text.len() as f64 / time);
            vec![
                (*name).to_owned(),
                rate(index),
                rate(inspected),
                rate(index + inspected),
                format!("{:.2}", seen.bytes() as f64 / bytes as f64),
            ]
        })
        .collect();
    table(&["", "`Seen::output`, MB/s", "`inspect`, MB/s", "both, MB/s", "index, bytes per byte"], &rows);
}

/// CPU time of one turn, in microseconds; the median of five takes. The clock of the process counts hundredths of a second.
fn cpu_of(case: impl Fn()) -> f64 {
    const ENOUGH: f64 = 100_000.0;
    let take = || {
        let begun = cpu();
        let mut turns = 0_u32;
        loop {
            (0..20).for_each(|_| case());
            turns += 20;
            let spent = cpu() - begun;
            if spent >= ENOUGH {
                return spent / f64::from(turns);
            }
        }
    };
    median((0..5).map(|_| take()).collect())
}

/// A session in which so many actions were allowed and answered.
fn context(request: Option<&str>) -> Context {
    let opened = Opened { request: request.map(Into::into), ..builders::opened("ses_1", "alice@example.com", "bot") };
    let mut context = Context::new(opened, START, Limits::default());
    let identity = Arc::new(builders::identity("alice@example.com", "bot"));
    for n in 0..PRIOR {
        let (tool, arguments, output) = match n % 4 {
            0 => ("mail.get_received_emails", json!({}), mails(n)),
            1 => ("files.list_files", json!({}), files(n)),
            2 => ("files.read_file", json!({"path": format!("notes-{n}.txt")}), prose(n)),
            _ => ("web.get_webpage", json!({"url": format!("https://example.com/{n}")}), page(n)),
        };
        let action = Arc::new(action(&format!("act_{n:04}"), tool, &arguments));
        let now = builders::second(i64::try_from(n).unwrap_or(0));
        let allowed = Arc::new(builders::ruling(Decision::Allow));
        let (recorded, _) = context.submit(&action, &identity, allowed, now);
        assert!(matches!(recorded, Output::Record(_)), "the first ruling is recorded");
        let outcome = Outcome { output: Some(output.into()), ..builders::outcome(Status::Ok, &["INTERNAL"]) };
        for input in [Input::Recorded, Input::Settled(outcome), Input::Recorded] {
            let (output, _) = context.handle(&action.id, input, now);
            assert!(!matches!(output, Output::Misplaced), "an action takes its usual way");
        }
    }
    context
}

fn action(id: &str, tool: &str, arguments: &Value) -> Action {
    Action { contract: contract(tool), ..builders::action(id, tool, &arguments.to_string()) }
}

fn contract(tool: &str) -> Arc<Contract> {
    let text = json!({"type": "string"});
    let (description, properties) = match tool {
        "mail.send_email" => (
            "Sends an email",
            json!({"recipients": {"type": "array", "items": text}, "subject": text, "body": text}),
        ),
        "mail.get_received_emails" => ("Returns all received emails", json!({})),
        "files.list_files" => ("Lists the files in the drive", json!({})),
        "files.read_file" => ("Reads the content of a file", json!({"path": text})),
        "files.delete_file" => ("Deletes a file", json!({"file_id": text})),
        _ => ("Returns the content of a webpage", json!({"url": text})),
    };
    let schema = json!({"type": "object", "properties": properties});
    let name = tool.split_once('.').map_or(tool, |(_, name)| name);
    Arc::new(derive(&Definition { name, description, input_schema: Some(&schema), annotations: None }))
}

const SENTENCES: [&str; 8] = [
    "Thanks for the update on the quarterly figures, they look much better than we expected.",
    "Could you move our meeting to Thursday at 14:30? The large room is free until five.",
    "I have attached the slides and the draft of the agreement; please have a look at section 4.2.",
    "The delivery of 120 units arrived on 2026-03-14 and was checked in by the warehouse team.",
    "Please write to sales@supplier.example or see www.supplier.example/offers before we renew the licence.",
    "The train leaves at 7:42 and arrives shortly before nine, so we can walk to the office.",
    "Nobody has answered the question about the second floor yet, so I will ask once more.",
    "The workshop went well; the notes are in the shared folder under projects and minutes.",
];

/// Sentences from a place of their own, numbered so that no two outputs are alike.
fn sentences(seed: usize, size: usize) -> String {
    let mut text = String::new();
    for n in seed * 7.. {
        let _ = write!(text, "{} ({}) ", SENTENCES[n % SENTENCES.len()], n * 31 % 9973);
        if text.len() >= size {
            break;
        }
    }
    text
}

fn mails(seed: usize) -> String {
    let list: Vec<Value> = (0..SIZE / 1024)
        .map(|n| {
            let number = seed * 10 + n;
            json!({"id_": number.to_string(), "sender": format!("carol{number}@example.com"), "recipients": ["alice@example.com"],
                "subject": format!("Figures {number}"), "body": sentences(number, 850), "timestamp": "2026-01-01T10:00:00",
                "status": "received", "read": false})
        })
        .collect();
    Value::from(list).to_string()
}

fn files(seed: usize) -> String {
    let list: Vec<Value> = (0..SIZE / 160)
        .map(|n| {
            let number = seed * 64 + n;
            json!({"id_": format!("f-{number}"), "filename": format!("report-{number}.txt"), "owner": "alice@example.com",
                "size": number * 37 % 5000, "last_modified": "2026-03-01T10:00:00", "shared_with": []})
        })
        .collect();
    Value::from(list).to_string()
}

fn prose(seed: usize) -> String {
    sentences(seed, SIZE)
}

fn page(seed: usize) -> String {
    let mut text = String::from("<!doctype html><html><head><title>News</title></head><body>");
    for n in seed.. {
        let sentence = SENTENCES[n % SENTENCES.len()];
        let _ = write!(
            text,
            "<p class=\"item item-{n}\">{sentence} Terms &amp; prices.&nbsp;<a href=\"https://example.com/news/{n}?q=a%20b&amp;page={n}\">more</a></p>\n",
        );
        if text.len() >= SIZE {
            break;
        }
    }
    text.push_str("</body></html>");
    text
}
