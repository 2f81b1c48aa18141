//! Whether a WHERE restricts anything, or lets every row through.
//!
//! This looks at the shape of the condition, not at the data: `id > 0` is known to be a trick, `total > 3` is taken
//! at its word, and what could well be true of every row is no answer.

use sqlparser::ast::{BinaryOperator, Expr, Query, SetExpr, UnaryOperator, Value};

/// `Some(false)` when every row may pass, `None` when that cannot be told.
pub(super) fn restricts(condition: &Expr) -> Option<bool> {
    match condition {
        Expr::Nested(inner) => restricts(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => either(restricts(left), restricts(right)),
        Expr::BinaryOp { op: BinaryOperator::Or | BinaryOperator::Xor, .. } => alternatives(condition),
        Expr::BinaryOp { left, op, right } => comparison(left, op, right),
        Expr::IsNull(inner) | Expr::IsTrue(inner) | Expr::IsFalse(inner) => Some(names_a_column(inner)),
        Expr::InList { expr, list, negated } => {
            if !names_a_column(expr) || list.iter().any(|one| one == &**expr) {
                return Some(false);
            }
            if *negated { None } else { Some(true) }
        }
        Expr::InSubquery { expr, subquery, negated: false } if names_a_column(expr) => {
            subquery_restricts(subquery)
        }
        Expr::Between { expr, negated: false, low, high } => {
            Some(names_a_column(expr) && !names_a_column(low) && !names_a_column(high))
        }
        Expr::Like { expr, pattern, negated: false, .. }
        | Expr::ILike { expr, pattern, negated: false, .. } => {
            if names_a_column(pattern) {
                None
            } else {
                Some(names_a_column(expr) && !matches_all(pattern))
            }
        }
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Some(names_a_column(condition)),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => negation(expr),
        Expr::Value(_) => Some(false),
        _ if !names_a_column(condition) && !has_subquery(condition) => Some(false),
        _ => None,
    }
}

/// Of two conditions that must both hold, one that restricts is enough.
const fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// Every alternative must restrict, and no two may complete each other.
fn alternatives(condition: &Expr) -> Option<bool> {
    let mut all = Vec::new();
    let mut open = vec![condition];
    while let Some(one) = open.pop() {
        match one {
            Expr::BinaryOp { left, op: BinaryOperator::Or | BinaryOperator::Xor, right } => {
                open.extend([&**left, &**right]);
            }
            Expr::Nested(inner) => open.push(inner),
            other => all.push(other),
        }
    }
    let found: Vec<Option<bool>> = all.iter().map(|one| restricts(one)).collect();
    if found.contains(&Some(false)) {
        return Some(false);
    }
    // `a = 1 OR a <> 1` is every row; alternatives that each name values are not.
    let bounded = all.iter().all(|one| names_values(one));
    let certain = found.iter().all(|one| *one == Some(true));
    (certain && bounded).then_some(true)
}

/// Whether at most finitely many values of a column pass.
fn names_values(condition: &Expr) -> bool {
    match condition {
        Expr::Nested(inner) => names_values(inner),
        Expr::BinaryOp { op: BinaryOperator::Eq, .. }
        | Expr::InList { negated: false, .. }
        | Expr::Between { negated: false, .. } => true,
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => names_values(left) || names_values(right),
        _ => false,
    }
}

fn comparison(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<bool> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq, Spaceship};
    if has_subquery(left) || has_subquery(right) {
        return None;
    }
    if plain(left) == plain(right) || !(names_a_column(left) || names_a_column(right)) {
        return Some(false);
    }
    match op {
        Eq | Spaceship => Some(true),
        // `id > 0`, `0 <= id`, `id <> -1`: true of every row with an ordinary key.
        Gt | GtEq | NotEq if is_not_positive(right) => Some(false),
        Lt | LtEq | NotEq if is_not_positive(left) => Some(false),
        Gt | GtEq | Lt | LtEq => Some(true),
        // `status <> 'closed'` may be meant; whether it holds for every row, nobody can say.
        _ => None,
    }
}

fn negation(inner: &Expr) -> Option<bool> {
    if names_a_column(inner) { None } else { Some(false) }
}

fn subquery_restricts(query: &Query) -> Option<bool> {
    match &*query.body {
        SetExpr::Select(select) => select.selection.as_ref().map_or(Some(false), restricts),
        SetExpr::Values(_) => Some(true),
        _ => None,
    }
}

fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => plain(inner),
        other => other,
    }
}

/// Zero, a negative number, an empty text or NULL.
fn is_not_positive(expr: &Expr) -> bool {
    match plain(expr) {
        Expr::UnaryOp { op: UnaryOperator::Minus, .. } => true,
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().is_ok_and(|number: f64| number <= 0.0),
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                text.trim().is_empty() || text.trim().parse().is_ok_and(|number: f64| number <= 0.0)
            }
            Value::Null => true,
            _ => false,
        },
        _ => false,
    }
}

/// A pattern of nothing but `%`, or an empty text.
fn matches_all(pattern: &Expr) -> bool {
    match plain(pattern) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
                text.chars().all(|c| matches!(c, '%' | '_'))
            }
            _ => false,
        },
        _ => false,
    }
}

fn names_a_column(expr: &Expr) -> bool {
    contains(expr, |one| match one {
        // SQL Server has no literals for these, so its grammar takes them for columns.
        Expr::Identifier(name) => {
            name.quote_style.is_some()
                || !["true", "false"].iter().any(|word| name.value.eq_ignore_ascii_case(word))
        }
        Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => true,
        _ => false,
    })
}

fn has_subquery(expr: &Expr) -> bool {
    contains(expr, |one| matches!(one, Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. }))
}

fn contains(expr: &Expr, sought: impl Fn(&Expr) -> bool) -> bool {
    use std::ops::ControlFlow;
    sqlparser::ast::visit_expressions(expr, |one| {
        if sought(one) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .is_break()
}
