//! Pacing: how fast a session acts, from the moments of its entries alone.

use std::collections::VecDeque;

use crate::time::{Span, Time};

/// The seconds over which the velocity is taken.
pub const WINDOW_SECONDS: i64 = 60;
/// The pace that every session is granted, in actions a minute: a burst is measured against no slower one.
pub const LEAST_PACE: u64 = 6;
/// The highest burst ratio, in basis points.
pub const MOST_BURST: u64 = 1_000_000;

/// Permitted actions by the second, of the last minute, and how many there were before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pacing {
    began: Time,
    /// Seconds since 1970 and the actions permitted in each, oldest first; at most 61.
    seconds: VecDeque<(i64, u64)>,
    permitted: u64,
    last: Option<Time>,
}

impl Pacing {
    /// A session that begins now.
    #[must_use]
    pub const fn new(began: Time) -> Self {
        Self { began, seconds: VecDeque::new(), permitted: 0, last: None }
    }

    /// An action was permitted.
    pub(crate) fn permitted(&mut self, at: Time) {
        let at = self.last.map_or(at, |last| last.max(at));
        let second = at.0.div_euclid(1000);
        self.last = Some(at);
        self.permitted += 1;
        match self.seconds.back_mut() {
            Some((last, count)) if *last >= second => *count += 1,
            _ => self.seconds.push_back((second, 1)),
        }
        while self.seconds.front().is_some_and(|(first, _)| *first < second - WINDOW_SECONDS) {
            self.seconds.pop_front();
        }
    }

    /// Actions permitted in this second and the 60 before it.
    #[must_use]
    pub fn velocity(&self, now: Time) -> u64 {
        let from = self.moment(now).0.div_euclid(1000) - WINDOW_SECONDS;
        self.seconds.iter().filter(|(second, _)| *second >= from).map(|(_, count)| count).sum()
    }

    /// The velocity against the session's own pace until a minute ago, in basis points: 10,000 is its own pace.
    #[must_use]
    pub fn burst(&self, now: Time) -> u64 {
        let recent = self.velocity(now);
        let before = self.permitted.saturating_sub(recent);
        let window = Span::seconds(WINDOW_SECONDS).0;
        let lived = u64::try_from((self.moment(now) - self.began).0.saturating_sub(window)).unwrap_or(0);
        // Thousandths of an action a minute. What lived less than a minute before has no pace of its own.
        let own = before.saturating_mul(60_000_000) / lived.max(60_000);
        let ratio = recent.saturating_mul(10_000_000) / own.max(LEAST_PACE * 1000);
        ratio.min(MOST_BURST)
    }

    /// How long the session has been there.
    #[must_use]
    pub fn age(&self, now: Time) -> Span {
        self.moment(now) - self.began
    }

    /// How long ago its last action was permitted; `None` where none was.
    #[must_use]
    pub fn since_last(&self, now: Time) -> Option<Span> {
        Some(self.moment(now) - self.last?)
    }

    /// A clock that was put back does not make anything long ago.
    fn moment(&self, now: Time) -> Time {
        now.max(self.last.unwrap_or(self.began)).max(self.began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paced(seconds: impl IntoIterator<Item = i64>) -> Pacing {
        let mut pacing = Pacing::new(Time(0));
        seconds.into_iter().for_each(|second| pacing.permitted(Time(second * 1000 + 7)));
        pacing
    }

    #[test]
    fn the_velocity_counts_this_second_and_the_sixty_before() {
        let pacing = paced([0, 0, 10, 60]);
        assert_eq!(pacing.velocity(Time(60_999)), 4);
        assert_eq!(pacing.velocity(Time(61_000)), 2);
        assert_eq!(pacing.velocity(Time(120_999)), 1);
        assert_eq!(pacing.velocity(Time(121_000)), 0);
    }

    #[test]
    fn a_burst_is_a_multiple_of_the_session_s_own_pace() {
        assert_eq!(paced([]).burst(Time(0)), 0);
        // Six in the first minute is what every session is granted.
        assert_eq!(paced([0, 1, 2, 3, 4, 5]).burst(Time(6_000)), 10_000);
        // Ten minutes at twelve a minute, then 60 in a minute: five times its pace.
        let steady = (0..600).step_by(5);
        let pacing = paced(steady.chain(601..661));
        assert_eq!(pacing.velocity(Time(661_000)), 60);
        let burst = pacing.burst(Time(661_000));
        assert!((49_000..=51_000).contains(&burst), "{burst}");
        assert_eq!(paced(vec![0; 100_000]).burst(Time(0)), MOST_BURST);
    }

    #[test]
    fn a_clock_that_is_put_back_makes_nothing_long_ago_and_memory_stays_small() {
        let mut pacing = paced(0..10_000);
        assert!(pacing.seconds.len() <= 61);
        pacing.permitted(Time(5));
        assert_eq!(pacing.velocity(Time(5)), 62);
        assert_eq!(pacing.since_last(Time(5)), Some(Span(0)));
        assert_eq!(pacing.age(Time(5)), Span(9_999_007));
    }
}
