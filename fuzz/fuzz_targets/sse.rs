//! Event streams: the pieces in which they arrive make no difference, and what we write is read back.
#![no_main]

use countersign_gateway::mcp::sse::{Event, Parser, Received};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let Some((step, stream)) = bytes.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    let pieces = read(stream, usize::from(*step).max(1));
    match (&whole.1, &pieces.1) {
        (true, true) => assert_eq!(whole.0, pieces.0, "pieces make a difference"),
        // A long event may be refused sooner or later, never taken in one case only.
        (false, _) | (_, false) => assert_eq!(whole.1, pieces.1, "pieces decide over the limit"),
    }
    round_trip(stream);
});

fn read(stream: &[u8], step: usize) -> (Vec<Received>, bool) {
    let mut parser = Parser::new(LIMIT);
    let mut events = Vec::new();
    let whole = stream.chunks(step).all(|piece| parser.push(piece, &mut events).is_ok());
    for event in &events {
        assert!(event.data.len() <= LIMIT, "an event beyond the limit");
    }
    let _ = (parser.last_id(), parser.retry());
    parser.reconnect();
    assert!(parser.push(b"data: x\n\n", &mut Vec::new()).is_ok(), "a new connection is a new beginning");
    (events, whole)
}

/// Our messages are one line each; what surrounds them in the stream stays outside.
fn round_trip(data: &[u8]) {
    let data: Vec<u8> = data.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r' | 0)).take(LIMIT / 2).collect();
    let mut events = Vec::new();
    let sent = Event { data: &data, id: Some("7"), ..Event::default() }.encode();
    Parser::new(LIMIT).push(&sent, &mut events).expect("it is short enough");
    assert_eq!(events, [Received { name: "message".to_owned(), data }]);
}
