//! Numbers by their form and check digits: telephones, cards, IBANs, ids of countries.

use super::checks::{luhn, verhoeff, weighted};
use super::detectors::{CARD, Detector, NATIONAL_ID, NATIONAL_ID_NAMED, PHONE, SSN};
use super::financial;
use super::personal::Context;
use super::runs::Class;

/// More digits than any number here has.
const MOST: usize = 20;
/// More groups than any number here has.
const GROUPS: usize = 8;
/// The shortest number here: a telephone number within a town.
const FEWEST: usize = 7;

/// A number as it is written: groups of digits with one or two characters between them.
struct Number {
    digits: [u8; MOST],
    count: usize,
    /// Lengths of the groups, and what stands before each.
    groups: [u8; GROUPS],
    signs: [u8; GROUPS],
    parts: usize,
    plus: bool,
}

/// What the numbers in a run of digits and separators are; `near` says what words before them call them.
pub(super) fn numbers(
    text: &[u8],
    (start, end): (usize, usize),
    near: impl Fn(usize) -> [bool; 4],
    mut found: impl FnMut(&'static Detector),
) {
    let mut at = start;
    while at < end {
        if !text[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let glued =
            at > 0 && (text[at - 1].is_ascii_alphabetic() || text[at - 1] == b'_') && !escaped(text, at);
        let group = Class::DIGIT.length(text, at, end - at);
        if !glued {
            longest(text, at, end, &near(at), &mut found);
        }
        at += group;
    }
}

fn escaped(text: &[u8], at: usize) -> bool {
    matches!(text[..at], [.., b'\\', b'n' | b't' | b'r'])
}

/// Tries the number that begins here after one group, after two, and so on.
fn longest(
    text: &[u8],
    start: usize,
    end: usize,
    near: &[bool; 4],
    found: &mut impl FnMut(&'static Detector),
) {
    let before = |back: usize| start.checked_sub(back).map(|at| text[at]);
    let mut number = Number {
        digits: [0; MOST],
        count: 0,
        groups: [0; GROUPS],
        signs: [0; GROUPS],
        parts: 0,
        plus: before(1) == Some(b'+') || (before(1) == Some(b'(') && before(2) == Some(b'+')),
    };
    let (mut at, mut sign) = (start, if before(1) == Some(b'(') { b'(' } else { 0 });
    while at < end && number.push(text, &mut at, end, sign) {
        let after = text.get(at).copied().unwrap_or(b' ');
        if number.count >= FEWEST
            && !after.is_ascii_alphanumeric()
            && after != b'_'
            && let Some(detector) = number.means(near)
        {
            found(detector);
        }
        let gap = text[at..end].iter().take(3).take_while(|byte| !byte.is_ascii_digit()).count();
        sign = match &text[at..at + gap] {
            [one] => *one,
            [b')', b' '] | [b' ', b'('] | [b')', b'-'] => b')',
            _ => return,
        };
        at += gap;
    }
}

impl Number {
    /// Takes the group of digits at `at`; false if there is no room.
    fn push(&mut self, text: &[u8], at: &mut usize, end: usize, sign: u8) -> bool {
        let length = Class::DIGIT.length(text, *at, (end - *at).min(MOST + 1));
        if length == 0 || self.count + length > MOST || self.parts == GROUPS {
            return false;
        }
        for byte in &text[*at..*at + length] {
            self.digits[self.count] = byte - b'0';
            self.count += 1;
        }
        self.groups[self.parts] = u8::try_from(length).unwrap_or(u8::MAX);
        self.signs[self.parts] = sign;
        self.parts += 1;
        *at += length;
        true
    }

    fn means(&self, near: &[bool; 4]) -> Option<&'static Detector> {
        let [phone, ssn, card, national] = *near;
        let digits = &self.digits[..self.count];
        let groups = &self.groups[..self.parts];
        let signs = &self.signs[1..self.parts.max(1)];
        let dashed = !signs.is_empty() && signs.iter().all(|sign| *sign == b'-');
        let even = signs.iter().all(|sign| *sign == signs[0] && matches!(sign, b' ' | b'-' | b'.'));
        let cards: [&[u8]; 5] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[8, 8]];
        if (self.parts == 1 || (even && (card || cards.contains(&groups)))) && financial::card(digits) {
            return Some(&CARD);
        }
        if groups == [3, 2, 4] && (dashed || (ssn && even)) && social_security(digits) {
            return Some(&SSN);
        }
        if let Some(detector) = national_id(digits, groups, signs, national || ssn) {
            return Some(detector);
        }
        self.telephone(digits, groups, phone).then_some(&PHONE)
    }

    fn telephone(&self, digits: &[u8], groups: &[u8], named: bool) -> bool {
        let signs = &self.signs[..self.parts];
        let slashed = signs[1..].contains(&b'/');
        let known = matches!(digits.first(), Some(1..=9)) && (9..=15).contains(&digits.len());
        if self.plus {
            return known && !slashed;
        }
        let area = |at: usize| digits.get(at).is_some_and(|digit| *digit >= 2);
        let american = match groups {
            [3, 3, 4] => area(0) && area(3) && signs[1] != b' ' || signs[0] == b'(',
            [1, 3, 3, 4] => digits[0] == 1 && area(1) && area(4),
            _ => false,
        };
        (american && !slashed)
            || (named && !slashed && (7..=15).contains(&digits.len()) && !date(digits, groups))
    }
}

fn date(digits: &[u8], groups: &[u8]) -> bool {
    matches!(groups, [4, 2, 2] | [2, 2, 4] | [1 | 2, 1 | 2, 4]) || (groups == [8] && digits[..2] == [2, 0])
}

fn social_security(digits: &[u8]) -> bool {
    let number = |range: &[u8]| range.iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let (area, group, serial) = (number(&digits[..3]), number(&digits[3..5]), number(&digits[5..9]));
    // From 900 on: taxpayers without a social security number, whose group is 50 or more.
    area != 0 && area != 666 && (area < 900 || group >= 50) && group != 0 && serial != 0
}

/// Ids with check digits. Those whose form is their own need no word that names them.
fn national_id(digits: &[u8], groups: &[u8], signs: &[u8], named: bool) -> Option<&'static Detector> {
    let all = |sign: u8| !signs.is_empty() && signs.iter().all(|one| *one == sign);
    let alone = groups.len() == 1;
    let checked = match digits.len() {
        // Canada's SIN, Dutch BSN and Australian TFN only where they are named.
        9 if named => luhn(digits) || dutch(digits) || australian(digits),
        // Sweden: yymmdd-nnnn.
        10 if groups == [6, 4] && all(b'-') => birthday(&digits[..6]) && luhn(digits),
        12 if groups == [8, 4] && all(b'-') => birthday(&digits[2..8]) && luhn(&digits[2..]),
        10 if named => british_health(digits),
        // Brazil: 000.000.000-00.
        11 if groups == [3, 3, 3, 2] && signs == [b'.', b'.', b'-'] => brazilian(digits),
        11 if named => {
            brazilian(digits) || polish(digits) || norwegian(digits) || german(digits) || turkish(digits)
        }
        // India: 0000 0000 0000.
        12 if groups == [4, 4, 4] || (alone && named) => digits[0] >= 2 && verhoeff(digits),
        // South Korea: yymmdd-nnnnnnn.
        13 if groups == [6, 7] && all(b'-') => birthday(&digits[..6]) && korean(digits),
        15 if named => french(digits),
        // China: the date of birth inside makes it its own.
        18 if alone => {
            matches!(digits[6..8], [1, 9] | [2, 0]) && birthday(&digits[8..14]) && chinese(digits, digits[17])
        }
        _ => false,
    };
    let strong = matches!(digits.len(), 11 | 15 | 18);
    checked.then_some(if strong {
        &NATIONAL_ID
    } else if named {
        &NATIONAL_ID_NAMED
    } else {
        &NATIONAL_ID
    })
}

fn birthday(yymmdd: &[u8]) -> bool {
    let (month, day) = (yymmdd[2] * 10 + yymmdd[3], yymmdd[4] * 10 + yymmdd[5]);
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

fn dutch(digits: &[u8]) -> bool {
    (weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) + 10 * u32::from(digits[8])).is_multiple_of(11)
}

fn australian(digits: &[u8]) -> bool {
    weighted(digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
}

fn british_health(digits: &[u8]) -> bool {
    (11 - weighted(&digits[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 == u32::from(digits[9])
}

fn brazilian(digits: &[u8]) -> bool {
    let check = |count: usize| {
        let weights: Vec<u32> = (2..2 + u32::try_from(count).unwrap_or(0)).rev().collect();
        weighted(&digits[..count], &weights) * 10 % 11 % 10 == u32::from(digits[count])
    };
    digits.iter().any(|digit| *digit != digits[0]) && check(9) && check(10)
}

fn polish(digits: &[u8]) -> bool {
    weighted(digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

fn norwegian(digits: &[u8]) -> bool {
    weighted(&digits[..10], &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

fn german(digits: &[u8]) -> bool {
    let product = digits[..10].iter().fold(10, |product, digit| match (product + u32::from(*digit)) % 10 {
        0 => 20 % 11,
        sum => sum * 2 % 11,
    });
    digits[0] != 0 && (11 - product) % 10 == u32::from(digits[10])
}

fn turkish(digits: &[u8]) -> bool {
    let odd = weighted(digits, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(digits, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let sum = weighted(digits, &[1; 10]);
    digits[0] != 0 && (odd * 7 + 90 - even) % 10 == u32::from(digits[9]) && sum % 10 == u32::from(digits[10])
}

fn korean(digits: &[u8]) -> bool {
    (11 - weighted(&digits[..12], &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10 == u32::from(digits[12])
}

fn french(digits: &[u8]) -> bool {
    let number = |range: &[u8]| range.iter().fold(0_u64, |number, digit| number * 10 + u64::from(*digit));
    matches!(digits[0], 1 | 2) && 97 - number(&digits[..13]) % 97 == number(&digits[13..])
}

/// China's check character, ten of which is written `X`.
pub(super) fn chinese(digits: &[u8], check: u8) -> bool {
    let sum = weighted(&digits[..17], &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    (12 - sum % 11) % 11 == u32::from(check)
}

/// The place of a context in what `near` gives.
pub(super) fn place(context: Context) -> usize {
    match context {
        Context::Phone => 0,
        Context::Ssn => 1,
        Context::Card => 2,
        Context::NationalId => 3,
    }
}

/// Ids of letters and digits: a run of them, without separators.
pub(super) fn mixed(run: &[u8]) -> Option<&'static Detector> {
    let upper = run.to_ascii_uppercase();
    let number = |range: &[u8]| {
        range.iter().try_fold(0_u32, |number, byte| Some(number * 10 + char::from(*byte).to_digit(10)?))
    };
    let checked = match upper.as_slice() {
        // Spain: eight digits, or X, Y, Z and seven, with a letter of 23.
        [head @ b'0'..=b'9' | head @ b'X'..=b'Z', digits @ .., check] if upper.len() == 9 => {
            let first = if head.is_ascii_digit() { u32::from(head - b'0') } else { u32::from(head - b'X') };
            number(digits).is_some_and(|rest| {
                let letter = b"TRWAGMYFPDXBNJZSQVHLCKE"[((first * 10_000_000 + rest) % 23) as usize];
                letter == *check && run[8].is_ascii_uppercase()
            })
        }
        _ if upper.len() == 16 => italian(&upper),
        _ if upper.len() == 18 && upper[17] == b'X' => {
            let digits: Vec<u8> = upper[..17].iter().map(|byte| byte.wrapping_sub(b'0')).collect();
            digits.iter().all(|digit| *digit < 10) && birthday(&digits[8..14]) && chinese(&digits, 10)
        }
        _ => false,
    };
    checked.then_some(&NATIONAL_ID)
}

/// Italy's codice fiscale: its form, and the check letter.
fn italian(code: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let shape = b"AAAAAA00A00A000A";
    let fits = code.iter().zip(shape).all(|(byte, like)| match like {
        b'A' => byte.is_ascii_uppercase(),
        // Where two people would have the same code, letters stand for digits.
        _ => byte.is_ascii_digit() || (b'L'..=b'V').contains(byte),
    });
    let value = |byte: u8| usize::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' });
    let sum = || {
        code[..15].iter().enumerate().map(|(at, byte)| {
            let value = value(*byte);
            if at % 2 == 0 { ODD[value] } else { u32::try_from(value).unwrap_or(0) }
        })
    };
    fits && sum().sum::<u32>() % 26 == u32::from(code[15] - b'A')
}
