//! What holds for every text.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_core::detect::normal::{GROWTH, SLACK, layers, skeleton};
use countersign_core::detect::{FINDINGS, Layer, inspect, inspect_fields};
use proptest::prelude::*;

/// Text of pieces that the code looks for, mixed with anything.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "[ -~]{0,40}",
        "[A-Za-z0-9+/_-]{0,60}={0,2}",
        "(%[0-9a-fA-F]{2}|&#[0-9]{1,7};|&[a-zA-Z]{1,6};|\\\\u[0-9a-f]{4}){0,12}",
        "[0-9 ().+-]{0,40}",
        "[\u{200B}-\u{200F}\u{202A}-\u{202E}\u{FE00}-\u{FE0F}\u{E0020}-\u{E007E}a-z]{0,20}",
        "[\u{0300}-\u{036F}\u{0430}-\u{044F}\u{1100}-\u{11FF}\u{3131}-\u{318E}\u{AC00}-\u{AC20}]{0,12}",
        prop::sample::select(vec![
            "password: ",
            "eyJ",
            "://",
            "@",
            "ignore all ",
            "system:",
            "-----BEGIN ",
            "sk-",
            "code is ",
            "seed phrase:"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// The same word in other characters.
fn disguise(word: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    for (c, choice) in word.chars().zip(choices.iter().cycle()) {
        let code = u32::from(c);
        let wide = |first: u32| char::from_u32(first + code - u32::from('a')).unwrap();
        match choice % 8 {
            0 => out.push(c),
            1 => out.push(c.to_ascii_uppercase()),
            2 => out.push(char::from_u32(code + 0xFEE0).unwrap()),
            3 => out.push(wide(0x1D41A)),
            4 => out.push(wide(0x24D0)),
            5 => out.extend([c, '\u{200D}']),
            6 => out.extend([c, '\u{0335}', '\u{0301}']),
            _ => out.push(match c {
                'a' => 'а',
                'c' => 'с',
                'e' => 'е',
                'i' => 'і',
                'o' => 'о',
                'p' => 'р',
                's' => 'ѕ',
                'x' => 'х',
                'y' => 'у',
                other => other,
            }),
        }
    }
    out
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn url(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn html(text: &str) -> String {
    text.bytes().map(|byte| format!("&#{byte};")).collect()
}

type Encode = (Layer, fn(&str) -> String);

const ENCODINGS: [Encode; 5] = [
    (Layer::Url, url),
    (Layer::Html, html),
    (Layer::Hex, hex),
    (Layer::Base64, |text| STANDARD.encode(text)),
    (Layer::Base64, |text| URL_SAFE_NO_PAD.encode(text)),
];

proptest! {
    #[test]
    fn any_text_is_inspected(text in texts()) {
        let inspection = inspect(&text);
        prop_assert!(inspection.findings.len() <= FINDINGS);
        for finding in &inspection.findings {
            prop_assert!(inspection.labels.contains(finding.level.as_str()));
            prop_assert!((1..=10_000).contains(&finding.grade));
        }
        prop_assert_eq!(&inspect(&text), &inspection, "R3.deterministic");
    }

    #[test]
    fn any_fields_are_inspected(fields in prop::collection::vec(texts(), 0..5)) {
        let together = inspect_fields(fields.iter().map(String::as_str));
        for field in &fields {
            // What one field holds is not lost among others.
            let alone = inspect(field);
            if together.findings.len() < FINDINGS {
                prop_assert!(alone.complete || !together.complete || field.len() < 300);
            }
        }
    }

    #[test]
    fn a_skeleton_is_its_own_skeleton(text in texts()) {
        let once = skeleton(&text).into_owned();
        prop_assert_eq!(skeleton(&once), once.as_str());
    }

    #[test]
    fn a_disguised_word_has_the_skeleton_of_the_word(word in "[a-z]{1,20}", choices in prop::collection::vec(any::<u8>(), 1..20)) {
        let disguised = disguise(&word, &choices);
        prop_assert_eq!(skeleton(&disguised), word);
    }

    #[test]
    fn decoded_texts_are_bounded_by_the_text(text in texts()) {
        let size: usize = layers(&text).texts.iter().map(|(_, text)| text.len()).sum();
        prop_assert!(size <= GROWTH * text.len() + SLACK);
    }

    #[test]
    fn a_text_comes_out_of_every_encoding_and_of_two(
        secret in "[ -~]{12,60}", first in 0..ENCODINGS.len(), second in 0..ENCODINGS.len(), around in "[ a-z]{0,20}",
    ) {
        let (layer, encode) = ENCODINGS[first];
        let once = format!("{around} {} {around}", encode(&secret));
        prop_assert!(layers(&once).texts.iter().any(|(l, t)| *l == layer && t.contains(&secret)), "{}: {:?}", once, layers(&once));
        let twice = format!("{around} {} {around}", ENCODINGS[second].1(&encode(&secret)));
        prop_assert!(layers(&twice).texts.iter().any(|(_, t)| t.contains(&secret)), "{}: {:?}", twice, layers(&twice));
    }

    #[test]
    fn a_secret_stays_found_under_every_encoding(body in "[A-Z2-7]{16}", first in 0..ENCODINGS.len(), second in 0..ENCODINGS.len()) {
        let key = format!("AKIA{body}");
        prop_assume!(inspect(&key).labels.contains("SECRET"));
        let once = ENCODINGS[first].1(&key);
        prop_assert!(inspect(&once).labels.contains("SECRET"), "{}", once);
        let twice = ENCODINGS[second].1(&once);
        prop_assert!(inspect(&twice).labels.contains("SECRET"), "{}", twice);
    }
}
