//! Amounts by their moments in bounded memory, which never tells less than there was.
//!
//! A series keeps at most [`CELLS`] cells, each a span of whole seconds and what was added in it. As long as there
//! are fewer seconds with something in them, every window is exact to the second. Beyond that, the two neighbours
//! whose span is the shortest for their age become one, and what is in a cell counts for every window that reaches
//! into it: **too much, never too little.** By its choice of neighbours a cell is short where it is young: with one
//! action a second for days, a window is answered as if it were at most an eighth longer.

use std::collections::VecDeque;

use super::decimal::Decimal;
use crate::time::{Span, Time};

/// Cells that are kept.
pub const CELLS: usize = 128;

/// What can be added up in a series.
pub(crate) trait Quantity: Copy + Default {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
}

impl Quantity for u64 {
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }

    fn minus(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl Quantity for Decimal {
    fn plus(self, other: Self) -> Self {
        Self::plus(self, other)
    }

    fn minus(self, other: Self) -> Self {
        Self::minus(self, other)
    }
}

/// Amounts by their moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Series<T> {
    /// Oldest first; their spans are disjoint.
    cells: VecDeque<Cell<T>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell<T> {
    /// Seconds since 1970, both ends included.
    from: i64,
    to: i64,
    amount: T,
}

/// The second that a moment lies in. What has no known moment counts in every window.
fn second(at: Option<Time>) -> i64 {
    at.map_or(i64::MAX, |at| at.0.div_euclid(1000))
}

impl<T: Quantity> Series<T> {
    pub(crate) fn add(&mut self, at: Option<Time>, amount: T) {
        let second = second(at);
        // The first cell that does not end before.
        let place = self.cells.partition_point(|cell| cell.to < second);
        match self.cells.get_mut(place) {
            Some(cell) if cell.from <= second => cell.amount = cell.amount.plus(amount),
            _ => {
                self.cells.insert(place, Cell { from: second, to: second, amount });
                if self.cells.len() > CELLS {
                    self.join_two();
                }
            }
        }
    }

    /// Takes away what was added at that moment.
    pub(crate) fn take(&mut self, at: Option<Time>, amount: T) {
        let second = second(at);
        let place = self.cells.partition_point(|cell| cell.to < second);
        if let Some(cell) = self.cells.get_mut(place).filter(|cell| cell.from <= second) {
            cell.amount = cell.amount.minus(amount);
        }
    }

    /// Everything, or what was added within this span before now: in the second in which the span begins, or later.
    pub(crate) fn total(&self, window: Option<Span>, now: Time) -> T {
        let from = window.map_or(i64::MIN, |window| second(Some(Time(now.0.saturating_sub(window.0)))));
        let within = self.cells.iter().rev().take_while(|cell| cell.to >= from);
        within.fold(T::default(), |sum, cell| sum.plus(cell.amount))
    }

    /// Joins the two neighbours whose common span is the shortest for the age of its younger end.
    fn join_two(&mut self) {
        let Some(newest) = self.cells.back().map(|cell| i128::from(cell.to)) else { return };
        let cost = |older: &Cell<T>, younger: &Cell<T>| {
            let to = i128::from(younger.to);
            (to - i128::from(older.from), newest - to + 1)
        };
        let mut best: Option<(usize, (i128, i128))> = None;
        for (place, (older, younger)) in self.cells.iter().zip(self.cells.iter().skip(1)).enumerate() {
            let (length, age) = cost(older, younger);
            if best.is_none_or(|(_, (least, its_age))| length * its_age < least * age) {
                best = Some((place, (length, age)));
            }
        }
        let Some((place, _)) = best else { return };
        let Some(younger) = self.cells.remove(place + 1) else { return };
        if let Some(older) = self.cells.get_mut(place) {
            older.to = younger.to;
            older.amount = older.amount.plus(younger.amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Option<Time> {
        Some(Time(second * 1000 + 7))
    }

    #[test]
    fn a_window_is_exact_to_the_second_as_long_as_every_second_has_a_cell() {
        let mut series = Series::default();
        for n in [5, 0, 60, 3, 3] {
            series.add(at(n), 1_u64);
        }
        let within = |seconds, now| series.total(Some(Span::seconds(seconds)), Time(now));
        assert_eq!((within(60, 60_999), within(60, 61_000), within(0, 60_500)), (5, 4, 1));
        assert_eq!((series.total(None, Time(0)), within(1, 0)), (5, 5), "what lies ahead is not long ago");
    }

    #[test]
    fn what_has_no_moment_counts_in_every_window() {
        let mut series = Series::default();
        series.add(None, 1_u64);
        series.add(at(0), 1_u64);
        assert_eq!(series.total(Some(Span::seconds(1)), Time(1_000_000_000)), 1);
    }

    /// What the header says of a steady use, measured.
    #[test]
    fn a_window_over_a_steady_use_is_answered_as_if_it_were_little_longer() {
        let mut series = Series::default();
        let seconds: i64 = 86_400;
        (0..seconds).for_each(|n| series.add(at(n), 1_u64));
        assert_eq!(series.cells.len(), CELLS);
        for window in [1, 10, 60, 600, 1_800, 3_600, 10_000, 40_000, 80_000] {
            let told = series.total(Some(Span::seconds(window)), Time(seconds * 1000));
            let exact = u64::try_from(window).unwrap();
            assert!(told >= exact && told <= exact + exact / 8 + 1, "{window}: {told}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// `R2.bounded`: whatever was added and given back in whatever order, no window tells too little, the whole is
        /// exact, and memory stays small.
        #[test]
        fn r2_bounded_a_series_never_tells_too_little(
            uses in proptest::collection::vec((0..100_000_i64, 1..9_u64, any::<bool>()), 0..300),
            windows in proptest::collection::vec((0..120_000_i64, 0..110_000_i64), 1..10),
        ) {
            let mut series = Series::default();
            for (second, amount, _) in &uses {
                series.add(at(*second), *amount);
            }
            for (second, amount, _) in uses.iter().filter(|(.., back)| *back) {
                series.take(at(*second), *amount);
            }
            prop_assert!(series.cells.len() <= CELLS);
            let kept = |from: i64| -> u64 {
                uses.iter().filter(|(second, _, back)| !back && *second >= from).map(|(_, amount, _)| amount).sum()
            };
            prop_assert_eq!(series.total(None, Time(0)), kept(0));
            let distinct: std::collections::BTreeSet<i64> = uses.iter().map(|(second, ..)| *second).collect();
            for (window, now) in windows {
                let told = series.total(Some(Span::seconds(window)), Time(now * 1000));
                prop_assert!(told >= kept(now - window));
                prop_assert!(distinct.len() > CELLS || told == kept(now - window));
            }
        }
    }
}
