//! What a threshold would have cost: quantiles, and the share of actions and sessions at and beyond it.

use serde::Serialize;

/// The quantiles that are shown, in hundredths.
const QUANTILES: [usize; 5] = [50, 75, 90, 95, 99];

/// The candidates that are always shown, in basis points.
const CANDIDATES: [u32; 9] = [6_000, 7_000, 8_000, 8_500, 9_000, 9_250, 9_500, 9_750, 9_900];

/// One kind of distance over all sessions. Each session is the list of its distances.
#[derive(Serialize)]
pub(super) struct Measure {
    /// What is measured.
    pub(super) name: &'static str,
    /// Distances, over all sessions.
    pub(super) count: usize,
    /// Quantile in hundredths, and the distance there; 100 is the farthest.
    pub(super) quantiles: Vec<(usize, u32)>,
    /// What each candidate threshold would have raised.
    pub(super) rates: Vec<Rate>,
    /// The thresholds that fit.
    pub(super) fitted: Fitted,
}

/// What one threshold would have raised.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Rate {
    /// In basis points.
    pub(super) threshold: u32,
    /// The share of distances at it or beyond, in basis points.
    pub(super) of_actions: u32,
    /// The share of sessions with at least one of them, in basis points.
    pub(super) of_sessions: u32,
    /// The highest share of sessions that these numbers still allow for (95 % confidence), in basis points.
    pub(super) of_sessions_at_most: u32,
}

/// The lowest thresholds that raise no more alarms than asked for.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Fitted {
    pub(super) alert: u32,
    pub(super) step_up: u32,
}

/// The shares of honest sessions, in basis points, that may be alerted of and asked about.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) alert: u32,
    pub(super) step_up: u32,
}

impl Measure {
    /// Measures; `None` when there is no distance at all. `starting` are candidates beside the usual ones.
    pub(super) fn of(
        name: &'static str,
        sessions: &[Vec<u32>],
        wanted: Wanted,
        starting: &[u32],
    ) -> Option<Self> {
        let mut all: Vec<u32> = sessions.iter().flatten().copied().collect();
        all.sort_unstable();
        let farthest = *all.last()?;
        let at =
            |hundredths: usize| all.get((all.len() * hundredths).div_ceil(100).saturating_sub(1)).copied();
        let mut quantiles: Vec<_> = QUANTILES.iter().filter_map(|q| Some((*q, at(*q)?))).collect();
        quantiles.push((100, farthest));
        let fitted = Fitted { alert: fit(sessions, wanted.alert), step_up: fit(sessions, wanted.step_up) };
        let mut candidates: Vec<u32> = CANDIDATES.iter().chain(starting).copied().collect();
        candidates.extend([fitted.alert, fitted.step_up].iter().filter(|fitted| **fitted <= 10_000));
        candidates.sort_unstable();
        candidates.dedup();
        let rates = candidates.into_iter().map(|threshold| rate(sessions, threshold)).collect();
        Some(Self { name, count: all.len(), quantiles, rates, fitted })
    }
}

/// The lowest threshold, in steps of 50 and at most 10,000, at which no more sessions than that alarm; 10,001, which
/// nothing reaches, where there is none.
fn fit(sessions: &[Vec<u32>], wanted: u32) -> u32 {
    let fits = |threshold: &u32| rate(sessions, *threshold).of_sessions <= wanted;
    (0..=10_000).step_by(50).find(fits).unwrap_or(10_001)
}

fn rate(sessions: &[Vec<u32>], threshold: u32) -> Rate {
    let beyond = |distance: &&u32| **distance >= threshold;
    let all = sessions.iter().map(Vec::len).sum();
    let actions = sessions.iter().flatten().filter(beyond).count();
    let alarmed = sessions.iter().filter(|session| session.iter().any(|d| *d >= threshold)).count();
    Rate {
        threshold,
        of_actions: share(actions, all),
        of_sessions: share(alarmed, sessions.len()),
        of_sessions_at_most: at_most(alarmed, sessions.len()),
    }
}

fn share(part: usize, all: usize) -> u32 {
    (part * 10_000).checked_div(all).and_then(|share| u32::try_from(share).ok()).unwrap_or(0)
}

/// The upper end of Wilson's interval at 95 %.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of sessions, and a share from 0 to 1"
)]
fn at_most(part: usize, all: usize) -> u32 {
    const Z: f64 = 1.96;
    if all == 0 {
        return 10_000;
    }
    let (n, p) = (all as f64, part as f64 / all as f64);
    let middle = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let upper = (middle + spread) / (1.0 + Z * Z / n);
    (upper.clamp(0.0, 1.0) * 10_000.0).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted { alert: 2_500, step_up: 0 };

    #[test]
    fn a_threshold_alarms_a_session_with_one_distance_at_it() {
        let sessions = [vec![1_000, 9_000], vec![2_000], vec![3_000], vec![4_000, 4_000]];
        let measure = Measure::of("lexical", &sessions, WANTED, &[9_001]).unwrap();
        assert_eq!(measure.count, 6);
        let at = |threshold| measure.rates.iter().find(|rate| rate.threshold == threshold).unwrap();
        assert_eq!((at(9_000).of_actions, at(9_000).of_sessions), (1_666, 2_500));
        assert_eq!((at(9_001).of_actions, at(9_001).of_sessions), (0, 0));
        assert_eq!((measure.fitted.alert, measure.fitted.step_up), (4_050, 9_050));
        assert_eq!(
            measure.quantiles,
            [(50, 3_000), (75, 4_000), (90, 9_000), (95, 9_000), (99, 9_000), (100, 9_000)]
        );
    }

    #[test]
    fn where_everything_is_as_far_as_can_be_no_threshold_fits() {
        let measure = Measure::of("lexical", &[vec![10_000]], WANTED, &[]).unwrap();
        assert_eq!((measure.fitted.alert, measure.fitted.step_up), (10_001, 10_001));
        assert!(measure.rates.iter().all(|rate| rate.threshold <= 10_000));
        assert!(Measure::of("embedded", &[vec![]], WANTED, &[]).is_none());
    }

    #[test]
    fn few_sessions_without_an_alarm_prove_little() {
        assert!(at_most(0, 10) > 2_500);
        assert!(at_most(0, 1_000) < 50);
        assert_eq!(at_most(0, 0), 10_000);
        assert!(at_most(10, 10) >= 9_999);
    }
}
