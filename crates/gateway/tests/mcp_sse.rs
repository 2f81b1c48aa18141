//! Claims about server-sent events: what is encoded comes back, however it is cut, and nothing grows without
//! bound.
#![expect(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::time::Duration;

use countersign_gateway::mcp::sse::{Event, EventTooLarge, KEEP_ALIVE, Parser, Received};
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Vec<Received> {
    let mut events = Vec::new();
    Parser::new(1 << 20).push(bytes, &mut events).unwrap();
    events
}

fn data(events: &[Received]) -> Vec<&str> {
    events.iter().map(|event| std::str::from_utf8(&event.data).unwrap()).collect()
}

#[test]
fn fields_comments_and_line_ends_follow_the_standard() {
    let events = read(
        b"\xef\xbb\xbfdata: a\r\ndata:b\rdata\n\n: note\nevent: ping\ndata:  c\nunknown: x\n\ndata: lost",
    );
    assert_eq!(data(&events), ["a\nb\n", " c"]);
    assert_eq!(events[1].name, "ping");
    assert_eq!(data(&read(b"id: 1\n\ndata:\n\n")), [""]);
}

#[test]
fn the_last_id_and_the_wait_survive_a_reconnection() {
    let mut parser = Parser::new(100);
    let mut events = Vec::new();
    parser.push(b"id: 7\nretry: 250\n\nid: a\0b\nretry: 1x\ndata: half", &mut events).unwrap();
    assert!(events.is_empty());
    parser.reconnect();
    assert_eq!((parser.last_id(), parser.retry()), (Some("7"), Some(Duration::from_millis(250))));
    parser.push(b"data: whole\n\n", &mut events).unwrap();
    assert_eq!(data(&events), ["whole"]);
}

#[test]
fn an_event_over_the_limit_ends_the_stream_however_it_is_made() {
    for bytes in [
        "data: ".to_owned() + &"x".repeat(200),
        "data: xx\n".repeat(100),
        "data\n".repeat(200),
        ":".repeat(200),
    ] {
        let mut parser = Parser::new(64);
        let mut events = Vec::new();
        let mut result = Ok(());
        for byte in bytes.as_bytes() {
            result = result.and_then(|()| parser.push(&[*byte], &mut events));
        }
        assert_eq!(result, Err(EventTooLarge { limit: 64 }));
        assert!(parser.push(b"data: a\n\n", &mut events).is_err() && events.is_empty());
    }
    let mut parser = Parser::new(64);
    let mut events = Vec::new();
    parser.push("data: small\n\n".repeat(100).as_bytes(), &mut events).unwrap();
    assert_eq!(events.len(), 100);
}

#[test]
fn an_id_or_a_name_cannot_add_fields() {
    let bytes = Event { id: Some("1\ndata: evil"), name: Some("n\r\nid: 2"), data: b"d", ..Event::default() }
        .encode();
    let events = read(&bytes);
    assert_eq!(data(&events), ["d"]);
    assert_eq!(events[0].name, "nid: 2");
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back_however_it_is_cut(
        texts in prop::collection::vec("[a-z:\n {}\"é]{0,40}", 1..5),
        cuts in prop::collection::vec(1_usize..9, 1..60),
    ) {
        let mut bytes = KEEP_ALIVE.to_vec();
        for text in &texts {
            bytes.extend(Event { id: Some("i"), name: Some("message"), data: text.as_bytes(), ..Event::default() }.encode());
        }
        let mut parser = Parser::new(1 << 16);
        let mut events = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (part, more) = rest.split_at((*cut).min(rest.len()));
            parser.push(part, &mut events).unwrap();
            rest = more;
            if rest.is_empty() { break }
        }
        prop_assert_eq!(data(&events), texts);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Parser::new(100).push(&bytes, &mut Vec::new());
    }
}
