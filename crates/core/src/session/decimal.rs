//! Exact decimal numbers at or above zero: what counters add up. No float is involved anywhere.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// Parts that one is divided into: 10^18.
const ONE: u64 = 1_000_000_000_000_000_000;
/// Digits after the point.
const FRACTION: usize = 18;
/// Digits before the point: more is no amount of anything.
const WHOLE: usize = 30;
/// The longest written number that is read, in bytes.
const LONGEST: usize = 80;

/// A number at or above zero with at most 18 digits after the point, written `12`, `0.5` or `1234.000001`.
/// [`Decimal::MAX`] stands for more than can be told: it stays what it is, whatever is added or taken away.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal {
    whole: u128,
    parts: u64,
}

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecimal {
    /// Not a number as JSON writes them.
    #[error("not a number as JSON writes them")]
    Malformed,
    /// Below zero.
    #[error("below zero")]
    Negative,
    /// More than 30 digits before the point or 18 after it.
    #[error("more than 30 digits before the point or 18 after it")]
    OutOfRange,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self { whole: 0, parts: 0 };
    /// More than can be told.
    pub const MAX: Self = Self { whole: u128::MAX, parts: 0 };

    /// The sum; [`Self::MAX`] where it is more than can be told.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        // Both are below 10^18, so that their sum fits.
        let parts = self.parts + other.parts;
        let (carry, parts) = if parts >= ONE { (1, parts - ONE) } else { (0, parts) };
        match self.whole.checked_add(other.whole) {
            Some(whole) if whole < u128::MAX - carry => Self { whole: whole + carry, parts },
            _ => Self::MAX,
        }
    }

    /// What is left, at least zero; [`Self::MAX`] stays.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        match self.cmp(&other) {
            _ if self == Self::MAX => self,
            Ordering::Less | Ordering::Equal => Self::ZERO,
            Ordering::Greater if self.parts >= other.parts => {
                Self { whole: self.whole - other.whole, parts: self.parts - other.parts }
            }
            Ordering::Greater => {
                Self { whole: self.whole - other.whole - 1, parts: self.parts + (ONE - other.parts) }
            }
        }
    }

    /// Compares with a number of a policy, by value. A number finer than 18 digits after the point is drawn to those.
    #[must_use]
    pub fn compared_with(self, bound: &Number) -> Ordering {
        match Self::of_number(bound) {
            Ok(bound) => self.cmp(&bound),
            Err(NotDecimal::Negative) => Ordering::Greater,
            Err(NotDecimal::Malformed | NotDecimal::OutOfRange) => {
                let drawn = bound.as_f64().map(|bound| format!("{bound:.18}"));
                // What still cannot be read is larger than any amount.
                drawn.and_then(|text| text.parse().ok()).map_or(Ordering::Less, |bound| self.cmp(&bound))
            }
        }
    }

    /// As a JSON value: exact where it is a whole number within 64 bits, else the nearest double.
    #[must_use]
    pub fn to_value(self) -> Value {
        serde_json::from_str(&self.to_string()).unwrap_or_default()
    }

    /// A JSON number, exactly as its shortest text says; what was written with more digits than a double holds has
    /// to be read from its text.
    ///
    /// # Errors
    /// It is below zero or out of range.
    pub fn of_number(number: &Number) -> Result<Self, NotDecimal> {
        match number.as_u64() {
            Some(whole) => Ok(whole.into()),
            None => number.to_string().parse(),
        }
    }
}

impl From<u64> for Decimal {
    fn from(whole: u64) -> Self {
        Self { whole: whole.into(), parts: 0 }
    }
}

impl FromStr for Decimal {
    type Err = NotDecimal;

    /// Reads a number as JSON writes them, and nothing else: no sign but `-`, no spaces, no grouping, no `0x`.
    fn from_str(text: &str) -> Result<Self, NotDecimal> {
        if text.len() > LONGEST {
            return Err(NotDecimal::OutOfRange);
        }
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (number, exponent) = match rest.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, power(exponent)?),
            None => (rest, 0),
        };
        let (before, after) = match number.split_once('.') {
            Some((_, "")) => return Err(NotDecimal::Malformed),
            Some((before, after)) => (before, after),
            None => (number, ""),
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let padded = before.len() > 1 && before.starts_with('0');
        if before.is_empty() || padded || !digits(before) || !digits(after) {
            return Err(NotDecimal::Malformed);
        }
        let all = [before, after].concat();
        let point = i64::try_from(before.len()).unwrap_or(i64::MAX).saturating_add(exponent);
        let read = placed(all.trim_end_matches('0'), point)?;
        if negative && read != Self::ZERO { Err(NotDecimal::Negative) } else { Ok(read) }
    }
}

/// The exponent; one so large that nothing but zero could be in range is drawn to the nearest that is as large.
fn power(text: &str) -> Result<i64, NotDecimal> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotDecimal::Malformed);
    }
    let size = unsigned.trim_start_matches('0');
    let size = if size.len() > 3 { 1_000 } else { size.parse().unwrap_or(0) };
    Ok(if text.starts_with('-') { -size } else { size })
}

/// The number whose digits stand after so many places before the point (before the digits, where below zero).
fn placed(digits: &str, point: i64) -> Result<Decimal, NotDecimal> {
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(Decimal::ZERO);
    }
    let zeros = i64::try_from(digits.len() - significant.len()).unwrap_or(i64::MAX);
    let point = point - zeros;
    let length = i64::try_from(significant.len()).unwrap_or(i64::MAX);
    let (most, least) = (i64::try_from(WHOLE).unwrap_or(0), i64::try_from(FRACTION).unwrap_or(0));
    if point > most || length - point > least {
        return Err(NotDecimal::OutOfRange);
    }
    // Everything is in range from here on: at most 30 digits before the point and 18 after it.
    let cut = usize::try_from(point.clamp(0, length)).unwrap_or(0);
    let (before, after) = significant.split_at(cut);
    let number = |text: &str| text.bytes().fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let shifted = |text: &str, by: i64| number(text) * 10_u128.pow(u32::try_from(by).unwrap_or(0));
    let whole = shifted(before, (point - length).max(0));
    let parts = shifted(after, if after.is_empty() { 0 } else { least - (length - point) });
    Ok(Decimal { whole, parts: u64::try_from(parts).map_err(|_| NotDecimal::OutOfRange)? })
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parts == 0 {
            return write!(f, "{}", self.whole);
        }
        let parts = format!("{:018}", self.parts);
        write!(f, "{}.{}", self.whole, parts.trim_end_matches('0'))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, NotDecimal> {
        text.parse::<Decimal>().map(|read| read.to_string())
    }

    #[test]
    fn what_json_writes_is_read_exactly() {
        for (text, says) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e999999", "0"),
            ("12", "12"),
            ("100.10", "100.1"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("1.50e+1", "15"),
            ("0.00120e2", "0.12"),
            ("12345678901234567890.123456789", "12345678901234567890.123456789"),
            (
                "999999999999999999999999999999.999999999999999999",
                "999999999999999999999999999999.999999999999999999",
            ),
            ("1e29", "100000000000000000000000000000"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(says), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_not_read() {
        for text in [
            "", "-", "+1", " 1", "1 ", "1,000", "1.", ".5", "01", "0x10", "1e", "e5", "1e+", "NaN", "inf",
            "１", "1_0", "--1", "$5",
        ] {
            assert_eq!(read(text), Err(NotDecimal::Malformed), "{text}");
        }
        for text in [
            "1e30",
            "1e999",
            "1e-19",
            "0.0000000000000000001",
            "1000000000000000000000000000000",
            &"9".repeat(100),
        ] {
            assert_eq!(read(text), Err(NotDecimal::OutOfRange), "{text}");
        }
        for text in ["-1", "-0.5", "-1e3"] {
            assert_eq!(read(text), Err(NotDecimal::Negative), "{text}");
        }
    }

    #[test]
    fn more_than_can_be_told_stays_that() {
        let one = Decimal::from(1);
        assert_eq!(Decimal::MAX.plus(one), Decimal::MAX);
        assert_eq!(Decimal::MAX.minus(one), Decimal::MAX);
        assert_eq!(Decimal::MAX.minus(Decimal::MAX), Decimal::MAX);
        let nearly = Decimal { whole: u128::MAX - 1, parts: ONE - 1 };
        assert_eq!(nearly.plus(Decimal { whole: 0, parts: 1 }), Decimal::MAX);
        assert_eq!(one.minus(Decimal::from(2)), Decimal::ZERO);
    }

    #[test]
    fn a_number_in_a_policy_is_what_it_says() {
        for (number, says) in
            [(serde_json::json!(0.1), "0.1"), (serde_json::json!(u64::MAX), "18446744073709551615")]
        {
            assert_eq!(Decimal::of_number(number.as_number().unwrap()).unwrap().to_string(), says);
        }
        assert_eq!(Decimal::of_number(serde_json::json!(-1).as_number().unwrap()), Err(NotDecimal::Negative));
    }

    #[test]
    fn amounts_compare_with_any_number_of_a_policy() {
        let half: Decimal = "0.5".parse().unwrap();
        for (bound, expected) in [
            (serde_json::json!(0.5), Ordering::Equal),
            (serde_json::json!(-1), Ordering::Greater),
            (serde_json::json!(-1e-30), Ordering::Greater),
            (serde_json::json!(1e-30), Ordering::Greater),
            (serde_json::json!(1e40), Ordering::Less),
            (serde_json::json!(0.500_000_000_000_000_1), Ordering::Less),
        ] {
            assert_eq!(half.compared_with(bound.as_number().unwrap()), expected, "{bound}");
        }
        assert_eq!(
            [half.to_value(), Decimal::from(7).to_value()],
            [serde_json::json!(0.5), serde_json::json!(7)]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn adding_and_taking_away_are_exact(a in any::<u64>(), b in any::<u64>(), c in 0..ONE, d in 0..ONE) {
            let (one, other) = (Decimal { whole: a.into(), parts: c }, Decimal { whole: b.into(), parts: d });
            let sum = one.plus(other);
            prop_assert_eq!(sum, other.plus(one));
            prop_assert_eq!(sum.minus(other), one);
            prop_assert!(sum >= one && sum >= other);
            prop_assert_eq!(sum.to_string().parse::<Decimal>(), Ok(sum));
            let exact = |x: Decimal| x.whole * u128::from(ONE) + u128::from(x.parts);
            prop_assert_eq!(exact(sum), exact(one) + exact(other));
            prop_assert_eq!(one.cmp(&other), exact(one).cmp(&exact(other)));
        }
    }
}
