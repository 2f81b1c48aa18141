//! `amount.*`: a sum of money or a quantity, where its notation means one number.
//!
//! `1,234` is one thousand and something to some and one and something to others, and so is `1.234`: neither has
//! an answer. `$` and `¥` are several currencies: the value is known, the currency is not.

use serde_json::{Number, Value};

use super::text_of;

/// A number and what it counts.
#[derive(Debug, PartialEq)]
pub(super) struct Amount {
    /// The number itself, not cut.
    pub(super) value: Number,
    /// Three upper-case letters of ISO 4217.
    pub(super) currency: Option<String>,
}

/// Digits that a floating-point number keeps.
const EXACT: usize = 15;

/// Reads a number, or a text that holds one and perhaps a currency.
pub(super) fn read(value: &Value) -> Option<Amount> {
    if let Value::Number(number) = value {
        return Some(Amount { value: number.clone(), currency: None });
    }
    let text = text_of(value, 64)?.trim();
    let start = text.find(|c: char| c.is_ascii_digit() || c == '.')?;
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (before, number, after) = (text.get(..start)?, text.get(start..end)?, text.get(end..)?);
    let (before, negative) = signed(before.trim());
    let currency = match (unit(before)?, unit(after)?) {
        (Unit::None, found) | (found, Unit::None) => found,
        // `$5.00 USD`
        (Unit::Several(several), Unit::Known(code)) if several.contains(&code) => Unit::Known(code),
        _ => return None,
    };
    Some(Amount {
        value: numeral(number, negative)?,
        currency: if let Unit::Known(code) = currency { Some(code.to_owned()) } else { None },
    })
}

/// A minus before or after the currency.
fn signed(before: &str) -> (&str, bool) {
    match before.strip_prefix('-').or_else(|| before.strip_suffix('-')) {
        Some(rest) => (rest, true),
        None => (before, false),
    }
}

enum Unit {
    None,
    Known(&'static str),
    /// A sign that several currencies share.
    Several(&'static [&'static str]),
}

fn unit(text: &str) -> Option<Unit> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Unit::None);
    }
    if let Some((_, code)) = SIGNS.iter().find(|(sign, _)| *sign == text) {
        return Some(Unit::Known(code));
    }
    if let Some((_, codes)) = SHARED.iter().find(|(sign, _)| *sign == text) {
        return Some(Unit::Several(codes));
    }
    let code = text.to_ascii_uppercase();
    let at = CODES.binary_search(&&*code).ok()?;
    CODES.get(at).map(|code| Unit::Known(code))
}

/// The one number that digits and separators mean.
fn numeral(text: &str, negative: bool) -> Option<Number> {
    let plain = plain_numeral(text)?;
    let signed = if negative { format!("-{plain}") } else { plain.clone() };
    if !plain.contains('.') {
        return signed.parse::<i64>().ok().map(Number::from);
    }
    let significant = plain.bytes().filter(u8::is_ascii_digit).skip_while(|b| *b == b'0').count();
    if significant > EXACT {
        return None;
    }
    Number::from_f64(signed.parse().ok()?)
}

/// Without marks between thousands, with a point before decimals.
fn plain_numeral(text: &str) -> Option<String> {
    let text: String = text.chars().map(|c| if is_gap(c) { ' ' } else { c }).collect();
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.' | ' ' | '\'')) {
        return None;
    }
    let (whole, decimals) = match text.rfind([',', '.']) {
        Some(at) if is_decimal_mark(&text, at)? => (text.get(..at)?, text.get(at + 1..)?),
        _ => (text.as_str(), ""),
    };
    let whole = ungrouped(whole)?;
    let plain = decimals.bytes().all(|b| b.is_ascii_digit());
    if !plain || (whole.is_empty() && decimals.is_empty()) {
        return None;
    }
    let whole = if whole.is_empty() { "0".to_owned() } else { whole };
    Some(if decimals.is_empty() { whole } else { format!("{whole}.{decimals}") })
}

/// Whether the last comma or point stands before decimals; `None` when it could also divide thousands.
fn is_decimal_mark(text: &str, at: usize) -> Option<bool> {
    let (before, after) = (text.get(..at)?, text.get(at + 1..)?);
    let mark = text.get(at..=at)?;
    if before.contains(mark) {
        return Some(false);
    }
    if before.contains([',', '.', ' ', '\'']) || after.len() != 3 {
        return Some(true);
    }
    // `1234.567` has no thousands, `0.125` no thousand.
    if before.len() > 3 || before.is_empty() || before.starts_with('0') { Some(true) } else { None }
}

/// Digits in groups of three with one kind of mark, or without marks.
fn ungrouped(whole: &str) -> Option<String> {
    let Some(mark) = whole.chars().find(|c| !c.is_ascii_digit()) else { return Some(whole.to_owned()) };
    let mut groups = whole.split(mark);
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
    let mut plain = first.to_owned();
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        plain.push_str(group);
    }
    plain.bytes().all(|b| b.is_ascii_digit()).then_some(plain)
}

/// Blanks that typographers put between thousands.
const fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}')
}

const SIGNS: [(&str, &str); 14] = [
    ("€", "EUR"),
    ("£", "GBP"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("₺", "TRY"),
    ("₴", "UAH"),
    ("₽", "RUB"),
    ("₪", "ILS"),
    ("₫", "VND"),
    ("₦", "NGN"),
    ("₱", "PHP"),
    ("US$", "USD"),
    ("A$", "AUD"),
    ("R$", "BRL"),
];

const SHARED: [(&str, &[&str]); 3] = [
    ("$", &["AUD", "CAD", "HKD", "MXN", "NZD", "SGD", "USD"]),
    ("¥", &["CNY", "JPY"]),
    ("kr", &["DKK", "ISK", "NOK", "SEK"]),
];

/// ISO 4217, sorted.
#[rustfmt::skip]
const CODES: [&str; 155] = [
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD",
    "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP",
    "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR",
    "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF",
    "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW",
    "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD",
    "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK",
    "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB",
    "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC",
    "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD",
    "UYU", "UZS", "VED", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XOF", "XPF", "YER", "ZAR", "ZMW",
    "ZWG",
];
