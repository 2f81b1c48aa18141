//! Skeletons and layers: what is under a disguise comes out.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use countersign_core::detect::normal::{layers, skeleton};
use countersign_core::detect::{Layer, inspect};

use crate::at;

fn opens(text: &str, layer: Layer, hidden: &str) {
    let layers = layers(text);
    let found = layers.texts.iter().any(|(known, text)| *known == layer && text.contains(hidden));
    assert!(found, "{hidden:?} in {text:?}: {layers:?}");
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_skeleton_of_a_disguised_word_is_the_word() {
    for disguised in [
        "PayPal",
        "ＰａｙＰａｌ",
        "раураӏ".replace('ӏ', "l").as_str(),
        "p\u{200B}ay\u{2060}pal",
        "𝓹𝓪𝔂𝓹𝓪𝓵",
        "ⓟⓐⓨⓟⓐⓛ",
        "🄿🄰🅈🄿🄰🄻",
        "🅿🅰🆈🅿🅰🅻",
        "pàÿpål",
        "p\u{0336}a\u{0336}y\u{0336}pal",
        "pay\u{E0041}pal",
        "\u{202E}paypal\u{202C}",
        "pay\u{FE0F}pal",
        "ᴘᴀʏᴘᴀʟ",
        "ρɑγραl",
        "ᵖᵃʸᵖᵃˡ",
        "pay\u{00AD}pal",
        "рaураl",
    ] {
        assert_eq!(skeleton(disguised), "paypal", "{disguised:?}");
    }
}

#[test]
fn ascii_in_lower_case_is_borrowed() {
    assert!(matches!(skeleton("already plain, 123"), std::borrow::Cow::Borrowed(_)));
    assert_eq!(skeleton("Straße Ωmega Ærø"), skeleton("STRAßE ωMEGA ærØ"));
    assert_eq!(skeleton("東京"), "東京");
    assert_eq!(skeleton("각"), "각", "Hangul is put together again");
}

#[test]
fn every_encoding_is_opened() {
    let hidden = "the vault opens at noon";
    opens(&STANDARD.encode(hidden), Layer::Base64, hidden);
    opens(&format!("x={};", STANDARD_NO_PAD.encode(hidden)), Layer::Base64, hidden);
    opens(&URL_SAFE.encode("~~~the vault opens at noon???"), Layer::Base64, hidden);
    opens(&hex(hidden), Layer::Hex, hidden);
    opens(&hex(hidden).to_uppercase(), Layer::Hex, hidden);
    opens(&format!("0x{}", hex(hidden)), Layer::Hex, hidden);
    let pairs: Vec<String> = hidden.bytes().map(|byte| format!("{byte:02X}")).collect();
    opens(&pairs.join(" "), Layer::Hex, hidden);
    opens(&pairs.join(":"), Layer::Hex, hidden);
    opens(&format!("%{}", pairs.join("%")), Layer::Url, hidden);
    opens(&format!(r"\x{}", pairs.join(r"\x")), Layer::Escape, hidden);
    let each = |form: fn(u32) -> String| hidden.chars().map(|c| form(u32::from(c))).collect::<String>();
    opens(&each(|c| format!("&#{c};")), Layer::Html, hidden);
    opens(&each(|c| format!("&#x{c:X};")), Layer::Html, hidden);
    opens(&each(|c| format!("&#0000{c}")), Layer::Html, hidden);
    opens(&each(|c| format!(r"\u{c:04x}")), Layer::Escape, hidden);
    opens(&each(|c| format!("%u{c:04x}")), Layer::Url, hidden);
    opens(&each(|c| char::from_u32(0xE0000 + c).unwrap().to_string()), Layer::Tags, hidden);
    opens(&each(|c| char::from_u32(0xE0100 + c - 16).unwrap().to_string()), Layer::Tags, hidden);
    let bits: String = hidden
        .bytes()
        .flat_map(|byte| {
            (0..8).rev().map(move |bit| if byte >> bit & 1 == 1 { '\u{200C}' } else { '\u{200B}' })
        })
        .collect();
    opens(&bits, Layer::Tags, hidden);
}

#[test]
fn encodings_are_opened_in_part_of_a_word_and_in_the_middle_of_text() {
    opens("the v%61ult opens", Layer::Url, "the vault opens");
    opens("the v&#97;ult opens &amp; shuts", Layer::Html, "the vault opens & shuts");
    opens("the&Tab;vault&lpar;s&rpar;", Layer::Html, "the\tvault(s)");
    opens(r"the v\u0061ult \ud83d\ude00", Layer::Escape, "the vault 😀");
    opens("caf%C3%A9 noir", Layer::Url, "cafe noir".replace('e', "é").as_str());
}

#[test]
fn base64_is_opened_over_lines_behind_junk_and_in_two_bytes_a_letter() {
    let hidden = "the vault opens at noon, and it closes again when the sun has gone down behind the hills";
    let code = STANDARD.encode(hidden);
    for fold in ["\n", "\r\n", r"\n"] {
        let folded: Vec<&str> =
            code.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        opens(&folded.join(fold), Layer::Base64, hidden);
    }
    for junk in ["x", "xy", "xyz", "data/", "id_", "a-b-"] {
        opens(&format!("{junk}{code}"), Layer::Base64, &hidden[12..]);
    }
    let wide: Vec<u8> = hidden.encode_utf16().flat_map(u16::to_le_bytes).collect();
    opens(&STANDARD.encode(wide), Layer::Base64, hidden);
    let z: String = code.chars().flat_map(|c| [c, '\u{200B}']).collect();
    opens(&z, Layer::Base64, hidden);
}

#[test]
fn encodings_are_opened_three_deep_and_deeper_ones_are_not_complete() {
    let hidden = "the vault opens at noon";
    let twice = STANDARD.encode(hex(hidden));
    opens(&twice, Layer::Hex, hidden);
    let thrice = STANDARD.encode(STANDARD.encode(hex(hidden)));
    opens(&thrice, Layer::Hex, hidden);
    assert!(layers(&thrice).complete);
    assert!(!layers(&STANDARD.encode(thrice)).complete);
    opens("the%2520vault", Layer::Url, "the vault");
    opens("the &amp;#118;ault", Layer::Html, "the vault");
}

#[test]
fn what_is_no_code_gives_nothing() {
    for text in [
        "internationalization and responsibilities",
        "550e8400-e29b-41d4-a716-446655440000",
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "path/to/some/VeryLongDirectoryName/file_name-2",
        "100% sure & 5 \\ 6 &unknown; %zz",
    ] {
        let layers = layers(text);
        assert!(layers.texts.is_empty() && layers.complete, "{text}: {layers:?}");
    }
}

/// R2.default: what nobody could read is not clean.
#[test]
fn what_cannot_be_read_is_not_complete() {
    let noise: Vec<u8> =
        (0..3000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    assert!(
        !inspect(&format!("image: {}", STANDARD.encode(&noise))).complete,
        "a long run of base64 without text"
    );
    assert!(!inspect(&noise.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).complete);
    assert!(!inspect(&String::from_utf8_lossy(&noise)).complete, "bytes that are no text");
    assert!(!inspect("a\0b").complete);
    assert!(inspect("").complete);
}

#[test]
fn a_secret_says_under_which_layer_it_was() {
    let text = format!("see {}", STANDARD.encode("password: hunter2 and more"));
    assert_eq!(at(&inspect(&text), Layer::Base64), ["password"]);
    assert_eq!(at(&inspect(&text), Layer::Plain), [""; 0]);
}
