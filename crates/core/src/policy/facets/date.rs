//! `date.unix`: a moment, from a date or a time with its offset.

use serde_json::Value;

use super::text_of;

/// Seconds since 1970-01-01T00:00:00Z of `2026-03-01`, taken as midnight UTC, or of an RFC 3339 time.
///
/// A time without an offset is not a moment, and numbers may be seconds or milliseconds: both are `None`.
pub(super) fn unix(value: &Value) -> Option<i64> {
    let text = text_of(value, 64)?;
    if !text.is_ascii() {
        return None;
    }
    let (date, time) = (text.get(..10)?, text.get(10..)?);
    let days = days(date)?;
    let seconds = if time.is_empty() { 0 } else { seconds(time)? };
    Some(days * 86_400 + seconds)
}

/// `2026-03-01`
fn days(date: &str) -> Option<i64> {
    let (year, month, day) = match date.as_bytes() {
        [_, _, _, _, b'-', _, _, b'-', _, _] => {
            (digits(date.get(..4)?)?, digits(date.get(5..7)?)?, digits(date.get(8..)?)?)
        }
        _ => return None,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that the day added in leap years is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// `T12:30:00Z`, `t12:30:00.5+02:00`, ` 12:30:00Z`: seconds since midnight UTC.
fn seconds(time: &str) -> Option<i64> {
    let time = time.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = time.split_at_checked(8)?;
    let [_, _, b':', _, _, b':', _, _] = clock.as_bytes() else { return None };
    let (hour, minute, second) =
        (digits(clock.get(..2)?)?, digits(clock.get(3..5)?)?, digits(clock.get(6..)?)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit())?;
            fraction.get(end..).filter(|_| end > 0)?
        }
        None => rest,
    };
    Some(hour * 3600 + minute * 60 + second - offset_seconds(offset)?)
}

/// `Z` or `+02:00`
fn offset_seconds(offset: &str) -> Option<i64> {
    if matches!(offset, "Z" | "z") {
        return Some(0);
    }
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}
