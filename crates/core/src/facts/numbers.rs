//! Numbers compared by value, exactly, across the kinds that JSON has.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Compares by value, exactly: integers as integers, an integer with a fraction without rounding either.
/// `-0.0` equals `0`.
#[must_use]
pub fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => compare_with_float(a, float(b)),
        (None, Some(b)) => compare_with_float(b, float(a)).reverse(),
        (None, None) => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    }
}

/// Equal all the way down, numbers by value.
#[must_use]
pub fn identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b).is_eq(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| identical(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| identical(a, b)))
        }
        _ => a == b,
    }
}

fn integer(n: &Number) -> Option<i128> {
    n.as_u64().map(i128::from).or_else(|| n.as_i64().map(i128::from))
}

fn float(n: &Number) -> f64 {
    n.as_f64().unwrap_or(0.0)
}

fn compare_with_float(whole: i128, float: f64) -> Ordering {
    // Beyond 2^100 no 64-bit integer reaches; below it the whole part of a double fits i128 exactly.
    const FAR: f64 = 1_267_650_600_228_229_401_496_703_205_376.0;
    if float >= FAR {
        return Ordering::Less;
    }
    if float <= -FAR {
        return Ordering::Greater;
    }
    let trunc = float.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^100 fits exactly")]
    let floor = trunc as i128;
    let rest = float - trunc;
    whole.cmp(&floor).then_with(|| 0.0_f64.partial_cmp(&rest).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn number(value: &Value) -> Number {
        value.as_number().unwrap().clone()
    }

    #[test]
    fn numbers_compare_exactly_across_their_kinds() {
        let two_53 = 9_007_199_254_740_992_i64;
        for (a, b, expected) in [
            (json!(two_53 + 1), json!(9_007_199_254_740_992.0), Ordering::Greater),
            (json!(two_53 - 1), json!(9_007_199_254_740_992.0), Ordering::Less),
            (json!(two_53), json!(9_007_199_254_740_992.0), Ordering::Equal),
            (json!(-two_53 - 1), json!(-9_007_199_254_740_992.0), Ordering::Less),
            (json!(u64::MAX), json!(18_446_744_073_709_551_616.0), Ordering::Less),
            (json!(u64::MAX), json!(18_446_744_073_709_549_568.0), Ordering::Greater),
            (json!(u64::MAX), json!(i64::MIN), Ordering::Greater),
            (json!(i64::MIN), json!(-9_223_372_036_854_775_808.0), Ordering::Equal),
            (json!(u64::MAX), json!(1e300), Ordering::Less),
            (json!(i64::MIN), json!(-1e300), Ordering::Greater),
            (json!(0), json!(-0.0), Ordering::Equal),
            (json!(-0.0), json!(0.0), Ordering::Equal),
            (json!(0), json!(5e-324), Ordering::Less),
            (json!(0), json!(-5e-324), Ordering::Greater),
            (json!(-1), json!(-1.5), Ordering::Greater),
            (json!(-2), json!(-1.5), Ordering::Less),
            (json!(1), json!(1.5), Ordering::Less),
            (json!(2), json!(1.5), Ordering::Greater),
            (json!(1.5), json!(2.5), Ordering::Less),
        ] {
            assert_eq!(compare_numbers(&number(&a), &number(&b)), expected, "{a} {b}");
            assert_eq!(compare_numbers(&number(&b), &number(&a)), expected.reverse(), "{b} {a}");
        }
    }
}
