//! Child processes over stdio.

use std::time::{Duration, Instant};

use countersign_gateway::mcp::upstream::{
    Answer, Call, CloseReason, Connection, ConnectionLimits, EventKind, Hub, Lost, NotSent, Relay,
    StartFailure, UpstreamError, UpstreamKind,
};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use super::{Bench, events, eventually, raw, runs, start, text, tool};

fn start_failure(error: UpstreamError) -> StartFailure {
    match error {
        UpstreamError::NotSent { reason: NotSent::Start(failure), .. } => failure,
        other => panic!("{other}"),
    }
}

/// Design, "forward exactly the bytes that were judged".
#[tokio::test]
async fn a_call_arrives_exactly_as_it_was_given_and_the_answer_comes_back_exactly() {
    let bench = Bench::new();
    let (server, _events) = start(&bench.config("normal")).await.unwrap();
    assert_eq!(server.server().protocol_version, "2025-11-25");
    assert!(bench.notes().contains("initialize {}"), "no capabilities are declared");
    let params = raw("{ \"name\":\"echo\", \"x\":[1.50,\"\\u00e9\"],\n\"arguments\": {\"a\" : 1e2} }");
    let line = text(server.call(Call::new("tools/call", Some(&params))).await);
    assert!(line.ends_with(r#""method":"tools/call","params":{ "name":"echo", "x":[1.50,"\u00e9"], "arguments": {"a" : 1e2} }}"#), "{line}");
    let reply = tool(&server, "error", "{}").await.unwrap();
    assert_eq!(reply.answer, Answer::Error);
    assert_eq!(reply.body.get(), r#"{"code": -32001, "message": "no", "data": [1.5]}"#);
    assert!(bench.notes().contains("notifications/initialized"));
    server.close().await;
    assert!(matches!(
        tool(&server, "echo", "{}").await.unwrap_err(),
        UpstreamError::NotSent { reason: NotSent::Closed(CloseReason::Stopped), .. }
    ));
}

#[tokio::test]
async fn an_older_version_is_accepted_and_an_unknown_one_is_not() {
    let bench = Bench::new();
    let (server, _events) = start(&bench.config("old")).await.unwrap();
    assert_eq!(server.server().protocol_version, "2024-11-05");
    let failure = start_failure(start(&bench.config("alien")).await.unwrap_err());
    assert!(matches!(failure, StartFailure::Version(version) if version == "1999-01-01"));
}

/// R1.closed: a server that does not start makes calls fail before anything is sent.
#[tokio::test]
async fn a_server_that_does_not_start_is_nothing_sent_with_the_reason() {
    let bench = Bench::new();
    let mut mute = bench.config("mute");
    mute.start_limit = Duration::from_millis(400);
    assert!(matches!(start_failure(start(&mute).await.unwrap_err()), StartFailure::TooSlow { .. }));
    let died = start_failure(start(&bench.config("dies_at_start")).await.unwrap_err());
    assert!(matches!(&died, StartFailure::Ended(CloseReason::Exited(how)) if how == "status 3"), "{died}");
    assert!(matches!(
        start_failure(start(&bench.config("refuses")).await.unwrap_err()),
        StartFailure::Refused
    ));
    let mut absent = bench.config("normal");
    if let UpstreamKind::Stdio { command, .. } = &mut absent.kind {
        *command = vec!["./no-such-program".to_owned(), "secret".to_owned()];
    }
    let error = start(&absent).await.unwrap_err();
    assert!(!error.to_string().contains("secret"));
    assert!(matches!(start_failure(error), StartFailure::Spawn(_)));
    assert!(!format!("{absent:?}").contains("secret"));
}

#[tokio::test]
async fn many_calls_in_flight_each_get_their_own_answer() {
    let bench = Bench::new();
    let (server, _events) = start(&bench.config("normal")).await.unwrap();
    let slow = tool(&server, "sleep", r#"{"seconds":0.5}"#);
    let calls =
        (0..64).map(|n| {
            let server = &server;
            async move {
                text(tool(server, "echo", &format!(r#"{{"n":"<{n}>"}}"#)).await).contains(&format!("<{n}>"))
            }
        });
    let start = Instant::now();
    let quick = async {
        let all = futures_util::future::join_all(calls).await;
        (all.into_iter().all(|right| right), start.elapsed())
    };
    let (slow, (right, elapsed)) = tokio::join!(slow, quick);
    assert!(right && slow.is_ok());
    assert!(elapsed < start.elapsed());
}

#[tokio::test]
async fn a_child_gets_only_the_named_environment_and_its_own_group() {
    let bench = Bench::new();
    let mut config = bench.config("normal");
    if let UpstreamKind::Stdio { env, .. } = &mut config.kind {
        env.insert("GIVEN".to_owned(), "yes".to_owned());
    }
    let (server, _events) = start(&config).await.unwrap();
    let seen: Value = serde_json::from_str(&text(tool(&server, "environment", "{}").await)).unwrap();
    assert_eq!(seen["env"]["GIVEN"], "yes");
    assert_eq!(seen["group"], true);
    assert_eq!(
        std::fs::canonicalize(seen["cwd"].as_str().unwrap()).unwrap(),
        bench.path().canonicalize().unwrap()
    );
    // The interpreter may add its own locale variable.
    let allowed = ["PATH", "HOME", "TMPDIR", "LANG", "GIVEN", "LC_CTYPE"];
    let names: Vec<_> =
        seen["env"].as_object().unwrap().keys().filter(|key| !allowed.contains(&key.as_str())).collect();
    assert!(names.is_empty(), "{names:?}");
    assert!(
        std::env::vars().any(|(name, _)| !allowed.contains(&name.as_str())),
        "there was nothing to hold back"
    );
}

/// Design: a permit whose outcome was lost becomes `unknown`.
#[tokio::test]
async fn a_crash_in_the_middle_of_a_call_is_an_unknown_outcome() {
    let bench = Bench::new();
    let (server, mut received) = start(&bench.config("normal")).await.unwrap();
    let error = tool(&server, "crash", "{}").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unknown { reason: Lost::Connection(_), .. }), "{error}");
    assert!(matches!(tool(&server, "echo", "{}").await.unwrap_err(), UpstreamError::NotSent { .. }));
    assert!(matches!(events(&mut received, 1).await[..], [EventKind::Closed(_)]));
}

#[tokio::test]
async fn an_answer_given_just_before_the_end_still_counts() {
    let bench = Bench::new();
    for _ in 0..5 {
        let (server, _events) = start(&bench.config("normal")).await.unwrap();
        assert_eq!(text(tool(&server, "answer_and_crash", "{}").await), "done");
    }
}

#[tokio::test]
async fn a_call_that_runs_out_of_time_is_unknown_and_its_late_answer_is_reported() {
    let bench = Bench::new();
    let mut config = bench.config("normal");
    config.call_limit = Duration::from_millis(400);
    let (server, mut received) = start(&config).await.unwrap();
    let error = tool(&server, "hold", "{}").await.unwrap_err();
    let UpstreamError::Unknown { call, reason: Lost::TimedOut { .. }, .. } = error else { panic!("{error}") };
    assert_eq!(text(tool(&server, "release", "{}").await), "done");
    match &events(&mut received, 1).await[..] {
        [EventKind::LateAnswer { call: late, reply }] => {
            assert_eq!(*late, call);
            assert!(reply.body.get().contains("late"));
        }
        other => panic!("{other:?}"),
    }
    assert!(
        bench
            .notes()
            .contains(r#""method":"notifications/cancelled","params":{"reason":"timed out","requestId":2}"#),
        "{}",
        bench.notes()
    );
}

#[tokio::test]
async fn a_cancelled_call_ends_at_once_and_the_server_is_told() {
    let bench = Bench::new();
    let (server, _events) = start(&bench.config("normal")).await.unwrap();
    let params = raw(r#"{"name":"hold"}"#);
    let call = Call::new("tools/call", Some(&params));
    let id = call.id;
    let cancel = async {
        while !server.cancel(id, "the client said so") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (outcome, ()) = tokio::join!(server.call(call), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancel.await;
    });
    assert!(matches!(outcome.unwrap_err(), UpstreamError::Unknown { reason: Lost::Cancelled, .. }));
    assert!(!server.cancel(id, "again"));
    // A caller that goes away cancels as well.
    let gone = tokio::time::timeout(Duration::from_millis(200), tool(&server, "hold", "{}")).await;
    assert!(gone.is_err());
    assert_eq!(text(tool(&server, "release", "{}").await), "done");
    let notes = bench.notes();
    assert!(notes.contains("the client said so") && notes.contains("the caller went away"), "{notes}");
}

#[tokio::test]
async fn a_server_that_does_not_read_gets_nothing_more() {
    let bench = Bench::new();
    let mut config = bench.config("normal");
    config.call_limit = Duration::from_secs(1);
    let (server, _events) = start(&config).await.unwrap();
    text(tool(&server, "deaf", "{}").await);
    let big = format!(r#"{{"x":"{}"}}"#, "x".repeat(1 << 20));
    let (first, second) = tokio::join!(tool(&server, "echo", &big), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tool(&server, "echo", "{}").await
    });
    // Part of the first is in the pipe; the second never left us.
    assert!(matches!(first.unwrap_err(), UpstreamError::Unknown { .. }));
    assert!(matches!(second.unwrap_err(), UpstreamError::NotSent { reason: NotSent::Withdrawn(_), .. }));
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_dropped_and_reported() {
    let bench = Bench::new();
    let (server, mut received) = start(&bench.config("normal")).await.unwrap();
    assert_eq!(text(tool(&server, "twice", "{}").await), "first");
    assert!(matches!(&events(&mut received, 1).await[..], [EventKind::SecondAnswer { id }] if id == "2"));
    assert_eq!(text(tool(&server, "foreign", "{}").await), "done");
    let found = events(&mut received, 3).await;
    assert!(found.iter().all(|event| matches!(event, EventKind::ForeignAnswer { .. })), "{found:?}");
    // An answer sent ahead of its question answers nothing.
    assert_eq!(text(tool(&server, "guess", "{}").await), "done");
    assert!(matches!(
        &events(&mut received, 2).await[..],
        [EventKind::ForeignAnswer { .. }, EventKind::ForeignAnswer { .. }]
    ));
    assert!(text(tool(&server, "echo", "{}").await).contains("echo"));
}

/// Design: "answers to server requests included"; a server's own requests are refused and can be recorded.
#[tokio::test]
async fn requests_of_the_server_are_refused_and_reported_and_ping_is_answered() {
    let bench = Bench::new();
    let (server, mut received) = start(&bench.config("normal")).await.unwrap();
    assert_eq!(text(tool(&server, "sampling", "{}").await), "done");
    let methods: Vec<_> = events(&mut received, 3)
        .await
        .into_iter()
        .map(|event| match event {
            EventKind::Refused { method } => method,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(methods, ["sampling/createMessage", "elicitation/create", "roots/list"]);
    eventually("the pong", || bench.notes().contains(r#""id":"q-ping","result":{}"#)).await;
    assert!(bench.notes().contains(r#""id":"q-sampling/createMessage","error":{"code":-32601"#));
}

#[tokio::test]
async fn progress_reaches_the_caller_under_its_own_token() {
    let bench = Bench::new();
    let (server, mut received) = start(&bench.config("normal")).await.unwrap();
    let params = raw(r#"{"name":"progress","_meta":{"progressToken":"mine","other":1}}"#);
    let (relay, mut relayed) = mpsc::channel(16);
    text(server.call(Call::new("tools/call", Some(&params)).relayed(relay)).await);
    let mut seen = Vec::new();
    while let Ok(notice) = relayed.try_recv() {
        seen.push(notice);
    }
    let [Relay::Progress(first), Relay::Progress(_), Relay::Progress(_), Relay::Message(log)] = &seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!(first.get(), r#"{"progressToken": "mine", "progress": 0, "message": "step"}"#);
    assert!(log.get().contains("a log entry"));
    assert!(bench.notes().contains("token 2\n"), "{}", bench.notes());
    assert!(matches!(&events(&mut received, 2).await[..],
        [EventKind::UnmatchedNotice { method }, EventKind::ToolsChanged] if method == "notifications/progress"));
}

#[tokio::test]
async fn on_a_shared_connection_a_log_entry_belongs_to_nobody() {
    let bench = Bench::new();
    let (hub, mut received) = Hub::new();
    let config = bench.config("normal");
    let server = Connection::start(&config, None, &hub, None).await.unwrap();
    let params = raw(r#"{"name":"progress","_meta":{"progressToken":1}}"#);
    let (relay, mut relayed) = mpsc::channel(16);
    text(server.call(Call::new("tools/call", Some(&params)).relayed(relay)).await);
    while let Ok(notice) = relayed.try_recv() {
        assert!(matches!(notice, Relay::Progress(_)));
    }
    let found = events(&mut received, 3).await;
    assert!(
        matches!(&found[0], EventKind::UnmatchedNotice { method } if method == "notifications/message"),
        "{found:?}"
    );
}

#[tokio::test]
async fn garbage_is_reported_and_an_unusable_answer_ends_its_call_at_once() {
    let bench = Bench::new();
    let (server, mut received) = start(&bench.config("garbage")).await.unwrap();
    assert!(matches!(events(&mut received, 2).await[..], [EventKind::Malformed(_), EventKind::Malformed(_)]));
    let begin = Instant::now();
    let error = tool(&server, "duplicate_keys", "{}").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unknown { reason: Lost::BadAnswer(_), .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(text(tool(&server, "echo", "{}").await).contains("echo"));
}

#[tokio::test]
async fn a_flood_or_a_huge_message_ends_the_connection() {
    let bench = Bench::new();
    let (server, mut received) = start(&bench.config("normal")).await.unwrap();
    assert_eq!(text(tool(&server, "notices", r#"{"count":100}"#).await), "done");
    assert_eq!(events(&mut received, 100).await.len(), 100);
    let error = tool(&server, "garbage_flood", "{}").await.unwrap_err();
    assert!(
        matches!(error, UpstreamError::Unknown { reason: Lost::Connection(CloseReason::Flood), .. }),
        "{error}"
    );
    let mut most = 0;
    while let Ok(_event) = received.try_recv() {
        most += 1;
    }
    assert!(most <= 600, "{most} events");

    let mut config = bench.config("normal");
    config.max_response_bytes = 100_000;
    let (server, _events) = start(&config).await.unwrap();
    assert_eq!(text(tool(&server, "big", r#"{"bytes":90000}"#).await).len(), 90_000);
    let error = tool(&server, "huge", r#"{"bytes":200000}"#).await.unwrap_err();
    assert!(
        matches!(
            error,
            UpstreamError::Unknown { reason: Lost::Connection(CloseReason::TooLarge { limit: 100_000 }), .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn the_list_of_tools_follows_pages_within_bounds() {
    let bench = Bench::new();
    let (server, _events) = start(&bench.config("normal")).await.unwrap();
    let tools: Vec<_> = server.list_tools().await.unwrap().iter().map(|tool| tool.get().to_owned()).collect();
    assert_eq!(tools.len(), 3);
    assert_eq!(tools[1], r#"{"name": "t1", "inputSchema": {}}"#);
    let (server, _events) = start(&bench.config("endless")).await.unwrap();
    assert!(matches!(server.list_tools().await.unwrap_err(), UpstreamError::Answered { .. }));
}

#[tokio::test]
async fn stopping_takes_the_whole_group_even_the_stubborn() {
    let bench = Bench::new();
    let (server, _events) = start(&bench.config("normal")).await.unwrap();
    let (leader, child) = (text(tool(&server, "pid", "{}").await), text(tool(&server, "spawn", "{}").await));
    assert!(runs(&leader) && runs(&child));
    server.close().await;
    assert!(!runs(&leader));
    eventually("the end of the grandchild", || !runs(&child)).await;
    assert!(bench.notes().contains("end of input"), "the server could leave by itself");

    let (server, _events) = start(&bench.config("lingers")).await.unwrap();
    let stubborn = text(tool(&server, "stubborn", "{}").await);
    let begin = Instant::now();
    server.close().await;
    assert!(!runs(&stubborn) && begin.elapsed() >= Duration::from_secs(2));

    let (server, _events) = start(&bench.config("lingers")).await.unwrap();
    let dropped = text(tool(&server, "pid", "{}").await);
    drop(server);
    eventually("the end of a dropped connection's child", || !runs(&dropped)).await;
}

#[test]
fn the_end_of_the_runtime_takes_the_group_with_it() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, child) = runtime.block_on(async {
        let (server, _events) = start(&bench.config("lingers")).await.unwrap();
        let child = text(tool(&server, "spawn", "{}").await);
        (server, child)
    });
    assert!(runs(&child));
    runtime.shutdown_background();
    let begin = Instant::now();
    while runs(&child) && begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!runs(&child));
    drop(server);
}

/// What `wrap` needs: the server is somebody else's child, and its frames come over a socket.
#[tokio::test]
async fn a_server_that_somebody_else_started_is_spoken_to_over_its_streams() {
    let bench = Bench::new();
    let UpstreamKind::Stdio { command, .. } = bench.config("normal").kind else { panic!("not stdio") };
    let mut child = tokio::process::Command::new(&command[0])
        .args(&command[1..])
        .current_dir(bench.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (hub, mut received) = Hub::new();
    let limits = ConnectionLimits::of(&bench.config("normal"));
    let (output, input) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let server = Connection::over(output, input, limits.clone(), None, &hub).await.unwrap();
    assert_eq!(text(tool(&server, "answer_and_crash", "{}").await), "done");
    assert!(matches!(events(&mut received, 1).await[..], [EventKind::Closed(_)]));
    server.close().await;
    // A connection that is dropped, or whose handshake is broken off, lets go of its streams.
    let (ours, theirs) = tokio::io::duplex(1024);
    let (read, write) = tokio::io::split(ours);
    let start = Connection::over(read, write, limits.clone(), None, &hub);
    assert!(tokio::time::timeout(Duration::from_millis(100), start).await.is_err());
    let mut theirs = tokio::io::BufReader::new(theirs);
    let rest = tokio::time::timeout(Duration::from_secs(5), theirs.read_to_string(&mut String::new())).await;
    assert!(rest.unwrap().unwrap() > 0);
    let (read, write) = tokio::io::split(tokio::io::empty());
    let failure = start_failure(Connection::over(read, write, limits, None, &hub).await.unwrap_err());
    assert!(matches!(failure, StartFailure::Ended(CloseReason::Ended)), "{failure}");
}
