//! What the inspection of a tool's output costs, by kind of text. Prints Markdown.

use std::fmt::Write as _;
use std::hint::black_box;

use countersign_bench::{cpu, median, table};
use countersign_core::detect::normal::skeleton;
use countersign_core::detect::{injection_score, inspect};

/// The size of one output, in bytes.
const SIZE: usize = 10 * 1024;
/// Cases take turns so often.
const ROUNDS: usize = 5;

fn main() {
    println!("### Content inspection\n");
    println!(
        "`core::detect::inspect` of one output of {} KiB: every detector, every cue, every layer. CPU time.\n",
        SIZE >> 10
    );
    measure(&[
        ("a mail, plain text", mail()),
        ("a list of records, JSON", records()),
        ("a page, HTML with entities and links", page()),
        ("a source file", source()),
        ("a mail in Russian", russian()),
    ]);
    println!("Hostile outputs of the same size.\n");
    measure(&[
        ("base64 in base64", nested()),
        ("`%25` throughout", fill("%25")),
        ("`&amp;amp;` throughout", fill("&amp;amp;")),
        ("zero-width characters throughout", fill("a\u{200B}")),
        ("combining marks throughout", fill("\u{0301}")),
        ("addresses throughout", fill("bob@example.com ")),
        ("`ignore all ` throughout", fill("ignore all ")),
        ("`password: ` throughout", fill("password: ")),
        ("numbers throughout", fill("4111 1111 1111 1112 ")),
    ]);
}

fn measure(texts: &[(&str, String)]) {
    let mut cases: Vec<Box<dyn Fn()>> = Vec::new();
    for (_, text) in texts {
        cases.push(Box::new(|| drop(black_box(inspect(black_box(text))))));
        cases.push(Box::new(|| drop(black_box(skeleton(black_box(text))))));
    }
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (case, times) in cases.iter().zip(&mut times) {
            times.push(cpu_of(case));
        }
    }
    let times: Vec<f64> = times.into_iter().map(median).collect();
    let rows: Vec<Vec<String>> = texts
        .iter()
        .zip(times.chunks(2))
        .map(|((name, text), times)| {
            let rate = |time: f64| format!("{:.0}", text.len() as f64 / time);
            let inspection = inspect(text);
            vec![
                (*name).to_owned(),
                format!("{:.1}", times[0]),
                rate(times[0]),
                rate(times[1]),
                inspection.findings.len().to_string(),
                injection_score(inspection.cues.iter().copied()).to_string(),
            ]
        })
        .collect();
    table(&["", "CPU µs", "MB/s", "`skeleton` alone, MB/s", "findings", "injection score"], &rows);
}

/// CPU time of one turn, in microseconds. The clock of the process counts hundredths of a second, so turns are many.
fn cpu_of(case: &dyn Fn()) -> f64 {
    const ENOUGH: f64 = 100_000.0;
    const AT_ONCE: u32 = 100;
    let begun = cpu();
    let mut turns = 0;
    loop {
        (0..AT_ONCE).for_each(|_| case());
        turns += AT_ONCE;
        let spent = cpu() - begun;
        if spent >= ENOUGH {
            return spent / f64::from(turns);
        }
    }
}

/// The piece again and again.
fn fill(piece: &str) -> String {
    piece.repeat(SIZE / piece.len())
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(SIZE));
    text
}

const SENTENCES: [&str; 12] = [
    "Thanks for the update on the quarterly figures, they look much better than we expected.",
    "Could you move our meeting to Thursday at 14:30? The large room is free until five.",
    "I have attached the slides and the draft of the agreement; please have a look at section 4.2.",
    "The delivery of 120 units arrived on 2026-03-14 and was checked in by the warehouse team.",
    "We should decide soon whether to renew the licence or to look for another supplier.",
    "Please let me know if the numbers in row 17 are right, I could not find the source.",
    "The train leaves at 7:42 and arrives shortly before nine, so we can walk to the office.",
    "As discussed, the budget for travel is 4,500 EUR for the whole of next year.",
    "Nobody has answered the question about the second floor yet, so I will ask once more.",
    "The workshop went well; the notes are in the shared folder under projects and minutes.",
    "He will be on holiday from Monday on, and his colleague takes over in the meantime.",
    "It would be good to have a short summary before the board sees the whole document.",
];

fn mail() -> String {
    let mut text = String::from(
        "From: Alice Example <alice@example.com>\nTo: Bob Example <bob@example.org>\nSubject: Figures\n\n",
    );
    for (n, sentence) in SENTENCES.iter().cycle().enumerate() {
        text.push_str(sentence);
        text.push_str(if n % 4 == 3 { "\n\n" } else { " " });
        if text.len() >= SIZE {
            break;
        }
    }
    cut(text)
}

fn records() -> String {
    let mut text = String::from("[");
    for n in 0.. {
        let sentence = SENTENCES[n % SENTENCES.len()];
        let _ = write!(
            text,
            r#"{{"id":{},"uuid":"550e8400-e29b-41d4-a716-4466554{:05}","title":"{}","amount":{}.{:02},"currency":"EUR","created_at":"2026-03-{:02}T10:{:02}:00Z","status":"open","participants":["carol{n}@example.com"],"ok":true}},"#,
            1000 + n,
            n * 7 % 100_000,
            &sentence[..sentence.len().min(60)],
            n * 37 % 5000,
            n % 100,
            n % 28 + 1,
            n % 60,
        );
        if text.len() >= SIZE {
            break;
        }
    }
    cut(text)
}

fn page() -> String {
    let mut text = String::from("<!doctype html><html><head><title>News</title></head><body>");
    for (n, sentence) in SENTENCES.iter().cycle().enumerate() {
        let _ = write!(
            text,
            "<p class=\"item item-{n}\">{sentence} Terms &amp; prices.&nbsp;<a href=\"https://example.com/news/{n}?q=a%20b&amp;page={n}\">more</a></p>\n",
        );
        if text.len() >= SIZE {
            break;
        }
    }
    cut(text)
}

fn source() -> String {
    let mut text = String::new();
    for n in 0.. {
        let _ = write!(
            text,
            "/// Counts what the reader of part {n} has seen.\npub fn count_{n}(reader: &mut Reader, limit: usize) -> Result<usize, Error> {{\n    let mut total = 0;\n    while let Some(token) = reader.next()? {{\n        if token.kind == Kind::Word && total < limit {{\n            total += token.length();\n        }}\n    }}\n    Ok(total)\n}}\n\n",
        );
        if text.len() >= SIZE {
            break;
        }
    }
    cut(text)
}

fn russian() -> String {
    cut("Спасибо за письмо. Мы встретимся в четверг в 14:30, если поезд придёт вовремя. Отчёт лежит в общей папке. ".repeat(80))
}

/// Base64 of base64 of text.
fn nested() -> String {
    let once = base64(mail()[..SIZE / 2].as_bytes());
    cut(base64(once.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = |three: &[u8]| {
        let number =
            three.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[number >> shift & 63]))
    };
    bytes.chunks_exact(3).flat_map(sextets).collect()
}
