//! Numbers by value: `1` is `1.0`, sums and products are exact, and what was rounded is never taken for exact.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Number;

/// A number as expressions reckon with it.
#[derive(Clone, Copy, Debug)]
pub(in crate::policy) enum Num {
    /// `digits` divided by ten to the power of `scale`, without needless zeros.
    Exact { digits: i128, scale: u32 },
    /// A double so large or so fine that the text it was read from may have been another number.
    Rounded(f64),
}

/// Places after the point at most: any two numbers can then be set against each other within 128 bits.
const FINEST: u32 = 37;

/// From here on doubles no longer tell whole numbers apart.
const TWO_53: f64 = 9_007_199_254_740_992.0;

impl Num {
    /// A number out of JSON.
    pub(in crate::policy) fn of(number: &Number) -> Self {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        match whole {
            Some(digits) => Self::Exact { digits, scale: 0 },
            None => Self::of_double(number.as_f64().unwrap_or(0.0)),
        }
    }

    pub(in crate::policy) fn whole(number: u64) -> Self {
        Self::Exact { digits: number.into(), scale: 0 }
    }

    /// The decimal that a double is written as.
    pub(in crate::policy) fn of_double(double: f64) -> Self {
        if double.abs() >= TWO_53 {
            return Self::Rounded(double);
        }
        // The shortest text that reads as this double: `-1.25e-3`.
        let text = format!("{double:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let digits: Option<i128> = mantissa.replace('.', "").parse().ok();
        let scale = exponent.parse::<i32>().ok().and_then(|e| i32::try_from(places).ok()?.checked_sub(e));
        match (digits, scale) {
            (Some(digits), Some(scale)) => Self::placed(digits, scale).unwrap_or(Self::Rounded(double)),
            _ => Self::Rounded(double),
        }
    }

    /// Reads what JSON writes without an exponent.
    pub(in crate::policy) fn read(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (before, after) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if before.is_empty()
            || (before.len() > 1 && before.starts_with('0'))
            || !plain(before)
            || !plain(after)
        {
            return None;
        }
        let digits = text.replace('.', "").parse().ok()?;
        Self::placed(digits, i32::try_from(after.len()).ok()?)
    }

    fn placed(mut digits: i128, scale: i32) -> Option<Self> {
        let Ok(mut scale) = u32::try_from(scale) else {
            digits = digits.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?;
            return Some(Self::Exact { digits, scale: 0 });
        };
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        (scale <= FINEST).then_some(Self::Exact { digits, scale })
    }

    /// Which is greater; `None` where rounding may have changed the answer.
    pub(in crate::policy) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Exact { digits: a, scale: s }, Self::Exact { digits: b, scale: t }) => {
                Some(compare_exact((a, s), (b, t)))
            }
            _ => {
                // Each side is at most two steps from what it stands for.
                let (a, b) = (self.double(), other.double());
                let far = |low: f64, high: f64| low.next_up().next_up() < high.next_down().next_down();
                match a.partial_cmp(&b)? {
                    Ordering::Less if far(a, b) => Some(Ordering::Less),
                    Ordering::Greater if far(b, a) => Some(Ordering::Greater),
                    _ => None,
                }
            }
        }
    }

    pub(in crate::policy) fn plus(self, other: Self) -> Option<Self> {
        let (a, b, scale) = aligned(self, other)?;
        Self::placed(a.checked_add(b)?, scale)
    }

    pub(in crate::policy) fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negative()?)
    }

    pub(in crate::policy) fn times(self, other: Self) -> Option<Self> {
        let ((a, s), (b, t)) = (self.exact()?, other.exact()?);
        Self::placed(a.checked_mul(b)?, i32::try_from(s + t).ok()?)
    }

    /// What is left of a whole number, with its sign; `None` for fractions and where it is divided by zero.
    pub(in crate::policy) fn remainder(self, other: Self) -> Option<Self> {
        let digits = self.as_whole()?.checked_rem(other.as_whole()?)?;
        Some(Self::Exact { digits, scale: 0 })
    }

    /// Whether this is so many times another; `None` where rounding hides it.
    pub(in crate::policy) fn is_multiple_of(self, other: Self) -> Option<bool> {
        let (a, b, _) = aligned(self, other)?;
        Some(a.checked_rem(b)? == 0)
    }

    pub(in crate::policy) fn negative(self) -> Option<Self> {
        Some(match self {
            Self::Exact { digits, scale } => Self::Exact { digits: digits.checked_neg()?, scale },
            Self::Rounded(double) => Self::Rounded(-double),
        })
    }

    /// Without its fraction.
    pub(in crate::policy) fn truncated(self) -> Option<Self> {
        let (digits, scale) = self.exact()?;
        Some(Self::Exact { digits: digits / 10_i128.checked_pow(scale)?, scale: 0 })
    }

    pub(in crate::policy) fn as_whole(self) -> Option<i128> {
        self.exact().filter(|(_, scale)| *scale == 0).map(|(digits, _)| digits)
    }

    /// As JSON; `None` where JSON's numbers would round it.
    pub(in crate::policy) fn to_json(self) -> Option<Number> {
        match self {
            Self::Exact { digits, scale: 0 } => {
                let number = i64::try_from(digits).map(Number::from);
                number.or_else(|_| u64::try_from(digits).map(Number::from)).ok()
            }
            Self::Exact { .. } => {
                let number = Number::from_f64(self.double())?;
                (Self::of(&number).compare(self) == Some(Ordering::Equal)).then_some(number)
            }
            Self::Rounded(double) => Number::from_f64(double),
        }
    }

    /// As text; `None` where it was rounded.
    pub(in crate::policy) fn exact_text(self) -> Option<String> {
        self.exact().map(|_| self.to_string())
    }

    const fn exact(self) -> Option<(i128, u32)> {
        match self {
            Self::Exact { digits, scale } => Some((digits, scale)),
            Self::Rounded(_) => None,
        }
    }

    /// The nearest double.
    fn double(self) -> f64 {
        match self {
            // A text is read without the two roundings that a division would take.
            Self::Exact { .. } => self.to_string().parse().unwrap_or(f64::NAN),
            Self::Rounded(double) => double,
        }
    }
}

/// As JSON writes it, without an exponent.
impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Rounded(double) => write!(f, "{double}"),
            Self::Exact { digits, scale: 0 } => write!(f, "{digits}"),
            Self::Exact { digits, scale } => {
                let places = usize::try_from(scale).unwrap_or(0);
                let sign = if digits < 0 { "-" } else { "" };
                let all = format!("{:0>width$}", digits.unsigned_abs(), width = places + 1);
                let (before, after) = all.split_at(all.len() - places);
                write!(f, "{sign}{before}.{after}")
            }
        }
    }
}

/// Both over the same power of ten.
fn aligned(a: Num, b: Num) -> Option<(i128, i128, i32)> {
    let ((a, s), (b, t)) = (a.exact()?, b.exact()?);
    let scale = s.max(t);
    let shift = |digits: i128, from: u32| digits.checked_mul(10_i128.checked_pow(scale - from)?);
    Some((shift(a, s)?, shift(b, t)?, i32::try_from(scale).ok()?))
}

/// Whole parts first, so that nothing overflows.
fn compare_exact((a, s): (i128, u32), (b, t): (i128, u32)) -> Ordering {
    let ten = |power: u32| 10_i128.saturating_pow(power);
    let whole = (a / ten(s)).cmp(&(b / ten(t)));
    let scale = s.max(t);
    let fraction = |digits: i128, from: u32| (digits % ten(from)).saturating_mul(ten(scale - from));
    whole.then_with(|| fraction(a, s).cmp(&fraction(b, t)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::facts::compare_numbers;

    fn num(text: &str) -> Num {
        Num::of(serde_json::from_str::<Value>(text).unwrap().as_number().unwrap())
    }

    #[test]
    fn decimals_are_reckoned_with_as_people_write_them() {
        let sum = num("0.1").plus(num("0.2")).unwrap();
        assert_eq!(sum.compare(num("0.3")), Some(Ordering::Equal));
        let product = num("19.99").times(num("3")).unwrap();
        assert_eq!(
            (product.compare(num("59.97")), product.to_string()),
            (Some(Ordering::Equal), "59.97".into())
        );
        assert_eq!(num("1.5").minus(num("1.50")).unwrap().to_string(), "0");
        assert_eq!(num("-0.05").to_string(), "-0.05");
        assert_eq!(num("-1.5").truncated().unwrap().to_string(), "-1");
        assert!(num("7.5").remainder(num("2")).is_none() && num("7").remainder(num("0")).is_none());
    }

    #[test]
    fn what_was_rounded_is_not_equal_to_anything_near_it() {
        let big = "18446744073709551616";
        for near in [big, "18446744073709551615", "18446744073709551617", "1.8446744073709552e19"] {
            assert_eq!(num(big).compare(num(near)), None, "{near}");
        }
        assert_eq!(num(big).compare(num("5")), Some(Ordering::Greater));
        assert_eq!(num("-1e300").compare(num("-5.5")), Some(Ordering::Less));
        assert_eq!(num("1e-300").compare(num("0.1")), Some(Ordering::Less));
        assert_eq!(num("9007199254740993").compare(num("9007199254740992")), Some(Ordering::Greater));
        assert_eq!(num("18446744073709551615").compare(num("18446744073709551614")), Some(Ordering::Greater));
    }

    #[test]
    fn sums_that_leave_128_bits_are_not_known() {
        let mut number = num("18446744073709551615");
        for _ in 0..2 {
            number = match number.times(number) {
                Some(more) => more,
                None => return,
            };
        }
        panic!("2^256 in 128 bits");
    }

    proptest! {
        #[test]
        fn numbers_compare_as_facts_do_and_come_back_from_their_text(a in numbers(), b in numbers()) {
            let (x, y) = (Num::of(&a), Num::of(&b));
            if let Some(order) = x.compare(y) {
                prop_assert_eq!(order, compare_numbers(&a, &b));
            }
            prop_assert_eq!(x.compare(y), y.compare(x).map(Ordering::reverse));
            if let Some(back) = x.exact().and_then(|_| Num::read(&x.to_string())) {
                prop_assert_eq!(back.compare(x), Some(Ordering::Equal));
            }
            if let (Some(sum), Some(_)) = (x.plus(y), x.exact()) {
                let back = sum.minus(y).unwrap();
                prop_assert_eq!(back.compare(x), Some(Ordering::Equal));
            }
        }
    }

    fn numbers() -> impl Strategy<Value = Number> {
        prop_oneof![
            any::<i64>().prop_map(Number::from),
            any::<u64>().prop_map(Number::from),
            (-20_i64..20).prop_map(Number::from),
            (-2000_i32..2000).prop_map(|n| Number::from_f64(f64::from(n) / 100.0).unwrap()),
            any::<f64>().prop_filter_map("finite", Number::from_f64),
        ]
    }
}
