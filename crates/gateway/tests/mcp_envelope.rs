//! Claims about the envelope parser and the writers: what is accepted has one reading, and nothing is changed
//! unasked.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is the failure report")]

use std::time::Instant;

use countersign_gateway::mcp::envelope::{
    self, Fault, FaultKind, IdKey, Message, Outcome, Peer, ToolCall, parse, progress_token, rewrite_call,
};
use proptest::prelude::*;
use serde_json::value::RawValue;

const LIMIT: usize = envelope::DEFAULT_LIMIT;

fn client(text: &str) -> Result<Message<'_>, Fault> {
    parse(text.as_bytes(), Peer::Client, LIMIT)
}

fn kind(text: &str) -> FaultKind {
    client(text).unwrap_err().kind
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// Wraps `params` into a tools/call.
fn call(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
}

fn tool_call(text: &str) -> Result<(String, String), Fault> {
    match client(text)? {
        Message::Request { params, .. } => {
            ToolCall::read(params).map(|call| (call.name.into_owned(), call.arguments.get().to_owned()))
        }
        other => panic!("not a request: {other:?}"),
    }
}

#[test]
fn the_three_kinds_of_message_keep_their_exact_text() {
    let text = r#" {"jsonrpc":"2.0","id": "a\u0062" ,"method":"tools\/call","params": {"x" : 1.0e0}} "#;
    match client(text).unwrap() {
        Message::Request { id, method, params } => {
            assert_eq!(id.raw().get(), r#""a\u0062""#);
            assert_eq!(id.key(), &IdKey::Text("ab".to_owned()));
            assert_eq!(method, "tools/call");
            assert_eq!(params.unwrap().get(), r#"{"x" : 1.0e0}"#);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        client(r#"{"jsonrpc":"2.0","method":"n","params":null}"#).unwrap(),
        Message::Notification { params: None, .. }
    ));
    let answer = parse(br#"{"jsonrpc":"2.0","id":7,"result":[1 ,2]}"#, Peer::Server, LIMIT).unwrap();
    assert!(
        matches!(answer, Message::Response { outcome: Outcome::Result(body), .. } if body.get() == "[1 ,2]")
    );
    let answer =
        parse(br#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":""}}"#, Peer::Server, LIMIT).unwrap();
    assert!(matches!(answer, Message::Response { outcome: Outcome::Error(_), .. }));
}

#[test]
fn smuggled_keys_are_refused_at_any_depth() {
    for (text, pointer) in [
        (call(r#"{"name":"a","name":"b"}"#), "/params/name"),
        (call(r#"{"name":"a","na\u006de":"b"}"#), "/params/name"),
        (call(r#"{"name":"a","arguments":{"p":1,"p":2}}"#), "/params/arguments/p"),
        (call(r#"{"name":"a","arguments":{"l":[0,{"q":1,"\u0071":2}]}}"#), "/params/arguments/l/1/q"),
        (
            call(r#"{"name":"a","_meta":{"progressToken":1,"progressToken":2}}"#),
            "/params/_meta/progressToken",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#.to_owned(), "/method"),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#.to_owned(), "/id"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","x":{"":1,"":2}}"#.to_owned(), "/x/"),
    ] {
        let fault = client(&text).unwrap_err();
        assert_eq!((fault.kind, fault.pointer.as_str()), (FaultKind::DuplicateKey, pointer), "{text}");
        assert_eq!(fault.code(), -32600);
    }
    let many: String = (0..40).map(|n| format!("\"k{n}\":0,")).collect();
    assert_eq!(kind(&call(&format!(r#"{{{many}"k3":1}}"#))), FaultKind::DuplicateKey);
    assert!(client(&call(&format!(r#"{{{many}"k40":1}}"#))).is_ok());
}

#[test]
fn keys_that_only_look_like_the_protocols_are_refused() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","PARAMS":{}}"#,
        r#"{"jsonrpc":"2.0","Id":1,"method":"ping"}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"param\u{17f}\":{}}",
    ] {
        assert_eq!(kind(text), FaultKind::Lookalike, "{text}");
    }
    for params in [r#"{"name":"a","Name":"b"}"#, "{\"name\":\"a\",\"argument\u{17f}\":{}}"] {
        assert_eq!(tool_call(&call(params)).unwrap_err().kind, FaultKind::Lookalike, "{params}");
    }
    // In a tool's own arguments case is the tool's matter.
    assert!(tool_call(&call(r#"{"name":"a","arguments":{"id":1,"ID":2}}"#)).is_ok());
}

#[test]
fn what_is_not_one_plain_json_object_is_refused() {
    for (text, expected) in [
        ("", FaultKind::Syntax),
        ("   ", FaultKind::Syntax),
        ("\u{feff}{}", FaultKind::ByteOrderMark),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, FaultKind::Batch),
        ("[]", FaultKind::Batch),
        ("1", FaultKind::NotAnObject),
        (r#""text""#, FaultKind::NotAnObject),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, FaultKind::Trailing),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"b"}"#,
            FaultKind::Trailing,
        ),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\0", FaultKind::Trailing),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#, FaultKind::Syntax),
        (r#"{'jsonrpc':"2.0"}"#, FaultKind::Syntax),
        (r#"{"jsonrpc":"2.0"/**/}"#, FaultKind::Syntax),
        ("{\"a\":\"\n\"}", FaultKind::Syntax),
        (r#"{"a":"\x41"}"#, FaultKind::Syntax),
        (r#"{"a":01}"#, FaultKind::Syntax),
        (r#"{"a":+1}"#, FaultKind::Syntax),
        (r#"{"a":.5}"#, FaultKind::Syntax),
        (r#"{"a":1.}"#, FaultKind::Syntax),
        (r#"{"a":NaN}"#, FaultKind::Syntax),
        (r#"{"a":Infinity}"#, FaultKind::Syntax),
        (r#"{"a":"#, FaultKind::Syntax),
        (r#"{"a":1"#, FaultKind::Syntax),
        (r#"{"a" 1}"#, FaultKind::Syntax),
        (r#"{"a":"\ud800"}"#, FaultKind::LoneSurrogate),
        (r#"{"a":"\udc00\ud800"}"#, FaultKind::LoneSurrogate),
        (r#"{"a":"\ud800\u0041"}"#, FaultKind::LoneSurrogate),
        (r#"{"\ud800":1}"#, FaultKind::LoneSurrogate),
        (r#"{"a":1e400}"#, FaultKind::NumberRange),
        (r#"{"a":-1e400}"#, FaultKind::NumberRange),
    ] {
        assert_eq!(kind(text), expected, "{text:?}");
    }
    assert_eq!(kind(&format!(r#"{{"a":{}}}"#, "9".repeat(400))), FaultKind::NumberRange);
    assert_eq!(parse(b"{\"a\":\"\xff\"}", Peer::Client, LIMIT).unwrap_err().kind, FaultKind::NotUtf8);
    assert_eq!(parse(b"{\"a\":\"\xed\xa0\x80\"}", Peer::Client, LIMIT).unwrap_err().kind, FaultKind::NotUtf8);
    let fault = parse(b"{}   ", Peer::Client, 4).unwrap_err();
    assert_eq!(fault.kind, FaultKind::TooLarge { limit: 4 });
}

#[test]
fn messages_that_are_no_clear_kind_are_refused() {
    let shape = |text: &str| matches!(kind(text), FaultKind::Shape(_));
    assert!(shape(r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#));
    assert!(shape(r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":null}"#));
    assert!(shape(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#));
    assert!(shape(r#"{"jsonrpc":"2.0","id":1}"#));
    assert!(shape(r#"{"jsonrpc":"2.0","result":{}}"#));
    assert!(shape(r#"{"jsonrpc":"2.0","id":1,"method":null}"#));
    assert!(shape(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}"#));
    assert!(shape(r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#));
    assert!(shape(r#"{"jsonrpc":"2.0","id":1,"result":{},"params":{}}"#));
    for version in [r#""1.0""#, "2.0", "null", r#""2.0 ""#] {
        let text = format!(r#"{{"jsonrpc":{version},"id":1,"method":"ping"}}"#);
        assert_eq!(kind(&text), FaultKind::Version, "{text}");
    }
    assert_eq!(kind(r#"{"id":1,"method":"ping"}"#), FaultKind::Version);
    for params in ["[]", "1", r#""x""#] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":"q","method":"ping","params":{params}}}"#);
        let fault = client(&text).unwrap_err();
        assert_eq!((fault.code(), fault.id.as_deref()), (-32602, Some(r#""q""#)));
    }
}

#[test]
fn ids_are_strings_or_integers_within_two_to_the_53() {
    let with = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    for id in ["null", "true", "1.0", "1e3", "[]", "{}", "9007199254740992", "-9007199254740992", "1e400"] {
        assert!(matches!(kind(&with(id)), FaultKind::Id | FaultKind::NumberRange), "{id}");
    }
    for id in ["0", "-1", "9007199254740991", r#""""#, r#""\u00e9""#] {
        assert!(client(&with(id)).is_ok(), "{id}");
    }
    let key = |text: &str| match client(text).unwrap() {
        Message::Request { id, .. } => id.key().clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(key(&with(r#""a""#)), key(&with(r#""\u0061""#)));
    assert_eq!(key(&with("0")), key(&with("-0")));
    assert_ne!(key(&with("1")), key(&with(r#""1""#)));
}

#[test]
fn depth_is_bounded_as_in_serde_json() {
    for depth in [126, 127, 128, 129, 100_000] {
        // One level is the envelope's own.
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","x":{}{}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        );
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        assert_eq!(client(&text).is_ok(), theirs, "{depth}");
        assert_eq!(client(&text).is_ok(), depth <= 127);
    }
    assert_eq!(kind(&"{\"a\":".repeat(200_000)), FaultKind::TooDeep);
}

#[test]
fn a_tool_call_gives_exact_arguments_and_empty_ones_when_absent() {
    assert_eq!(
        tool_call(&call(r#"{"arguments": {"a" : 1e2, "b":"\u0041"} ,"n\u0061me":"t\u006fol"}"#)).unwrap(),
        ("tool".to_owned(), r#"{"a" : 1e2, "b":"\u0041"}"#.to_owned())
    );
    assert_eq!(tool_call(&call(r#"{"name":"t"}"#)).unwrap().1, "{}");
    for params in [
        r#"{"arguments":{}}"#,
        r#"{"name":""}"#,
        r#"{"name":1}"#,
        r#"{"name":"t","arguments":null}"#,
        r#"{"name":"t","arguments":[]}"#,
        r#"{"name":"t","arguments":"{}"}"#,
        r#"{"name":"t","_meta":1}"#,
    ] {
        assert_eq!(tool_call(&call(params)).unwrap_err().code(), -32602, "{params}");
    }
    assert_eq!(ToolCall::read(None).unwrap_err().code(), -32602);
    let params = raw(r#"{"_meta":{"progressToken":{}}}"#);
    assert!(progress_token(Some(&params), Peer::Client).is_err());
    let params = raw(r#"{"_meta":{"progressToken":"p"}}"#);
    assert_eq!(progress_token(Some(&params), Peer::Client).unwrap().unwrap().get(), r#""p""#);
}

#[test]
fn rewriting_a_call_changes_only_what_it_is_told_to() {
    let original = call(
        r#"{ "_meta":{"progressToken":7, "k":"\u00e9"}, "name":"files__read", "task":{"ttl":1}, "arguments": {"n":1.50, "s":"\/"} }"#,
    );
    let rewritten = rewrite_call(original.as_bytes(), 42, "read", None).unwrap();
    assert_eq!(
        String::from_utf8(rewritten).unwrap(),
        r#"{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{ "_meta":{"progressToken":7, "k":"\u00e9"}, "name":"read", "task":{"ttl":1}, "arguments": {"n":1.50, "s":"\/"} }}"#
    );
    let edited = rewrite_call(original.as_bytes(), 42, "re\"ad", Some(&raw(r#"{"n":1}"#))).unwrap();
    assert_eq!(
        String::from_utf8(edited).unwrap(),
        r#"{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{ "_meta":{"progressToken":7, "k":"\u00e9"}, "name":"re\"ad", "task":{"ttl":1}, "arguments": {"n":1} }}"#
    );
    let added = rewrite_call(call(r#"{"name":"a"}"#).as_bytes(), 1, "b", Some(&raw("{}"))).unwrap();
    assert!(String::from_utf8(added).unwrap().contains(r#""params":{"name":"b","arguments":{}}"#));
    assert!(rewrite_call(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, 1, "b", None).is_err());
    assert!(rewrite_call(call(r#"{"name":"a","name":"b"}"#).as_bytes(), 1, "b", None).is_err());
}

#[test]
fn answers_carry_the_id_exactly_and_errors_name_no_values() {
    let id = raw(r#""\u0041b""#);
    let answer = envelope::result(&id, &raw(r#"{"x": 1}"#));
    assert_eq!(answer, br#"{"jsonrpc":"2.0","id":"\u0041b","result":{"x": 1}}"#);
    let fault = client(r#"{"jsonrpc":"2.0","id":"q","method":"m","params":["hunter2"]}"#).unwrap_err();
    let text = String::from_utf8(fault.answer()).unwrap();
    assert!(text.contains(r#""id":"q""#) && text.contains("-32602") && !text.contains("hunter2"), "{text}");
    let text = String::from_utf8(client("{").unwrap_err().answer()).unwrap();
    assert!(text.contains(r#""id":null"#) && text.contains("-32700"), "{text}");
    let long = format!(r#"{{"{0}":1,"{0}":2}}"#, "k\\u0000".repeat(5000));
    assert!(client(&long).unwrap_err().to_string().len() < 600);
    let error = envelope::error(None, -1, "a\"b", Some(&raw("[1]")));
    assert_eq!(error, br#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"a\"b","data":[1]}}"#);
}

#[test]
fn one_line_keeps_the_meaning() {
    let text = "{\r\n \"a\":\n\"b\\n\"}";
    let line = envelope::one_line(text.as_bytes());
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
    let (one, two): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(text).unwrap(), serde_json::from_slice(&line).unwrap());
    assert_eq!(one, two);
}

/// Hostile shapes of the largest size take about as long per byte as harmless ones.
#[test]
fn the_largest_bodies_are_read_in_linear_time() {
    type Shape = fn(usize) -> String;
    let shapes: [(&str, Shape); 6] = [
        ("many keys", |n| {
            format!("{{{}\"z\":0}}", (0..n / 12).map(|k| format!("\"{k:07}\":0,")).collect::<String>())
        }),
        ("long string", |n| format!("{{\"a\":\"{}\"}}", "x".repeat(n))),
        ("escapes", |n| format!("{{\"a\":\"{}\"}}", "\\u0041".repeat(n / 6))),
        ("escaped key", |n| format!("{{\"{}\":1}}", "\\n".repeat(n / 2))),
        ("objects", |n| format!("{{\"a\":[{}{{}}]}}", "{\"a\":1},".repeat(n / 8))),
        ("digits", |n| format!("{{\"a\":0.{}}}", "1".repeat(n))),
    ];
    for (name, shape) in shapes {
        let time = |text: String| {
            let start = Instant::now();
            let _ = parse(text.as_bytes(), Peer::Client, usize::MAX);
            start.elapsed()
        };
        let (small, large) = (time(shape(250_000)), time(shape(4_000_000)));
        assert!(
            large < small * 160 + std::time::Duration::from_millis(200),
            "{name}: {small:?} then {large:?}"
        );
    }
}

/// serde_json, told to read everything and to refuse duplicate keys: what our own pass must agree with.
mod oracle {
    use std::collections::HashSet;
    use std::fmt;

    use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

    pub(super) fn accepts(bytes: &[u8]) -> bool {
        serde_json::from_slice::<Strict>(bytes).is_ok()
    }

    struct Strict;

    impl<'de> Deserialize<'de> for Strict {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Strict)
        }
    }

    impl<'de> Visitor<'de> for Strict {
        type Value = Self;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("strict JSON")
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_unit<E>(self) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
            while seq.next_element::<Strict>()?.is_some() {}
            Ok(self)
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            let mut keys = HashSet::new();
            while let Some((key, Strict)) = map.next_entry::<String, Strict>()? {
                if !keys.insert(key) {
                    return Err(A::Error::custom("duplicate"));
                }
            }
            Ok(self)
        }
    }
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        any::<String>().prop_map(|s| serde_json::Value::from(s).to_string()),
        Just(r#""\ud83d\ude00 \/""#.to_owned()),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[ {} ]", items.join(" ,"))),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn message() -> impl Strategy<Value = String> {
    (json(), json(), any::<i32>()).prop_map(|(arguments, meta, id)| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","arguments":{{"x":{arguments}}},"_meta":{{"m":{meta}}}}}}}"#
        )
    })
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec(
        (any::<prop::sample::Index>(), prop::sample::select(&b"\"{}[]:,\\0e-\n u\xffx"[..])),
        0..4,
    );
    (message(), edits, any::<bool>()).prop_map(|(text, edits, insert)| {
        let mut bytes = text.into_bytes();
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            if insert {
                bytes.insert(at, byte);
            } else {
                bytes[at] = byte;
            }
        }
        bytes
    })
}

/// What is read must be the same twice, and must be strict JSON for serde_json as well; a fault must be
/// answerable.
fn check(bytes: &[u8]) {
    match (parse(bytes, Peer::Client, LIMIT), parse(bytes, Peer::Client, LIMIT)) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one, two);
            assert!(oracle::accepts(bytes));
            if let Message::Request { params, .. } = one {
                let _ = ToolCall::read(params);
                let _ = progress_token(params, Peer::Client);
            }
        }
        (Err(one), Err(two)) => {
            assert_eq!(one, two);
            assert!(serde_json::from_slice::<serde_json::Value>(&one.answer()).is_ok());
            let strict = matches!(
                one.kind,
                FaultKind::Syntax
                    | FaultKind::Trailing
                    | FaultKind::NotUtf8
                    | FaultKind::LoneSurrogate
                    | FaultKind::NumberRange
                    | FaultKind::TooDeep
                    | FaultKind::DuplicateKey
                    | FaultKind::ByteOrderMark
            );
            assert!(!strict || !oracle::accepts(bytes), "{one}");
        }
        (one, two) => panic!("read differently: {one:?} {two:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic_and_read_the_same_twice(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn random_json_text_never_panics(text in r#"[\[\]{}:,"\\u0-9eE+.\-a-d ]{0,60}"#) {
        check(text.as_bytes());
        check(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{text}}}"#).as_bytes());
    }

    #[test]
    fn mutated_messages_never_panic_and_agree_with_the_oracle(bytes in mutated()) {
        check(&bytes);
    }

    #[test]
    fn valid_messages_are_accepted_exactly_when_strict(text in message()) {
        prop_assert_eq!(client(&text).is_ok(), oracle::accepts(text.as_bytes()));
    }

    #[test]
    fn a_rewritten_call_keeps_arguments_and_meta(text in message(), name in ".{1,12}") {
        prop_assume!(client(&text).is_ok());
        let rewritten = rewrite_call(text.as_bytes(), 9, &name, None).unwrap();
        let rewritten = String::from_utf8(rewritten).unwrap();
        let before = tool_call(&text).unwrap();
        let after = tool_call(&rewritten).unwrap();
        prop_assert_eq!(after, (name, before.1));
        let meta = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["params"]["_meta"].clone();
        prop_assert_eq!(meta(&text), meta(&rewritten));
    }
}
