//! Payment cards, bank accounts, wallets.

use super::checks::{base58, bech32, distinct, iban, luhn};
use super::detectors::{Detector, IBAN, WALLET, WALLET_CHECKED, WALLET_KEY};
use super::secrets::fresh;

/// Whether digits are a card's: an issuer's range with its lengths, and the Luhn sum.
pub(super) fn card(digits: &[u8]) -> bool {
    let first =
        |count: usize| digits.iter().take(count).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let (two, three, four, six) = (first(2), first(3), first(4), first(6));
    let known = match digits.len() {
        13 => two / 10 == 4,
        14 => matches!(two, 36 | 38 | 39) || matches!(three, 300..=305),
        15 => matches!(two, 34 | 37),
        16 => {
            two / 10 == 4
                || matches!(two, 51..=55 | 62 | 65)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011 | 2200..=2204)
                || matches!(three, 644..=649)
                || matches!(six, 622_126..=622_925 | 508_500..=508_999 | 606_985..=607_984)
        }
        19 => two == 62 || two / 10 == 4,
        _ => false,
    };
    known && luhn(digits) && digits.iter().any(|digit| *digit != digits[0])
}

/// The length of an IBAN by country.
#[rustfmt::skip]
fn iban_length(country: &[u8]) -> Option<usize> {
    Some(match country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"FO" | b"GL" | b"NL" | b"SD" | b"FK" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"XK" | b"MN" => 20,
        b"CH" | b"CR" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"TL" | b"OM" | b"SO" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"BF" | b"CI" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" | b"BI" | b"DJ" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"EG" | b"GT" | b"HU" | b"LB" | b"NI" | b"PL" | b"SV" => 28,
        b"BR" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" | b"YE" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    })
}

/// An IBAN that begins at `at`, in one piece or in groups.
fn iban_at(text: &[u8], at: usize) -> bool {
    let Some([a, b, c, d]) = text.get(at..at + 4) else { return false };
    let country = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
    let Some(length) = iban_length(&country) else { return false };
    if !(c.is_ascii_digit() && d.is_ascii_digit()) || (a.is_ascii_lowercase() != b.is_ascii_lowercase()) {
        return false;
    }
    let mut number = Vec::with_capacity(length);
    let mut rest = text[at..].iter().copied().peekable();
    while number.len() < length {
        match rest.next() {
            Some(byte) if byte.is_ascii_alphanumeric() => number.push(byte.to_ascii_uppercase()),
            Some(b' ' | b'-' | b'.') if rest.peek().is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => return false,
        }
    }
    !rest.next().is_some_and(|byte| byte.is_ascii_alphanumeric()) && iban(&number)
}

/// The IBAN that the digits from `at` on belong to: its country stands up to 14 bytes before them.
pub(super) fn account(text: &[u8], at: usize) -> Option<&'static Detector> {
    const HEAD: usize = 14;
    let head = |from: &usize| text[*from].is_ascii_alphabetic() && fresh(text, *from) && iban_at(text, *from);
    (at.saturating_sub(HEAD)..at).rev().find(head).map(|_| &IBAN)
}

/// What a run of letters and digits is by the form of wallets and their keys.
pub(super) fn wallet(run: &[u8]) -> Option<&'static Detector> {
    match (run, run.len()) {
        ([b'0', b'x', digits @ ..], 42) => {
            (digits.iter().all(u8::is_ascii_hexdigit) && distinct(digits) >= 6).then_some(&WALLET)
        }
        ([b'1' | b'3', ..], 26..=35) => checked(run, &[0, 5], &WALLET_CHECKED),
        ([b'L' | b'D' | b'A', ..], 33..=34) => checked(run, &[48, 30, 22], &WALLET_CHECKED),
        ([b'T', ..], 34) => checked(run, &[65], &WALLET_CHECKED),
        ([b'5' | b'K' | b'L', ..], 51..=52) => checked(run, &[128], &WALLET_KEY),
        ([b'x' | b'y' | b'z', b'p', b'r', b'v', ..], 111) => checked(run, &[4], &WALLET_KEY),
        (
            [b'b' | b'B', b'c' | b'C', b'1', ..] | [b'l' | b'L', b't' | b'T', b'c' | b'C', b'1', ..],
            42..=90,
        ) => bech32(run).then_some(&WALLET_CHECKED),
        _ => None,
    }
}

fn checked(run: &[u8], versions: &[u8], detector: &'static Detector) -> Option<&'static Detector> {
    let version = *base58(run)?.first()?;
    versions.contains(&version).then_some(detector)
}
