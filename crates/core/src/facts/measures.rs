//! Numbers about the session as a whole, by the names that policies write. [`crate::session::signals`] has the formulas.

use crate::decide::Question;
use crate::time::Span;

/// What `context.compositional_risk` is the sum of, at most 10,000. Only signals that are known in every session are
/// in it, so it is never missing and no part of it is guessed.
pub const COMPOSITION: [Part; 6] = [
    Part { signal: "unusual_sequence", weight: 2, divisor: 5, most: 4_000 },
    Part { signal: "injection_score", weight: 3, divisor: 10, most: 3_000 },
    Part { signal: "scope_expansion", weight: 3, divisor: 20, most: 1_500 },
    Part { signal: "classification_escalation", weight: 500, divisor: 1, most: 1_500 },
    Part { signal: "denials", weight: 300, divisor: 1, most: 1_500 },
    Part { signal: "burst", weight: 1, divisor: 100, most: 1_000 },
];

/// One part of the compositional risk: a signal × weight ÷ divisor, rounded down.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The signal's name under `risk_signals`.
    pub signal: &'static str,
    /// Times this.
    pub weight: u64,
    /// Divided by this.
    pub divisor: u64,
    /// At most this, in basis points.
    pub most: u64,
}

/// A number computed from a session's entries and, where it says so, the action in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "one name each, and its formula stands in one table")]
pub enum Measure {
    InjectionScore,
    ScopeExpansion,
    Escalation,
    EscalationInTurn,
    UnusualSequence,
    Anomaly,
    Velocity,
    Burst,
    DriftLexical,
    DriftMax,
    DriftCusum,
    DriftEmbedded,
    DriftEmbeddedMax,
    CompositionalRisk,
    Turns,
    SinceConfirmation,
    DeferralsPending,
    DeferralsResolved,
    DeferralsExpired,
    SessionAge,
    LastActionAge,
}

impl Measure {
    /// Every one of them.
    pub const ALL: [Self; 21] = [
        Self::InjectionScore,
        Self::ScopeExpansion,
        Self::Escalation,
        Self::EscalationInTurn,
        Self::UnusualSequence,
        Self::Anomaly,
        Self::Velocity,
        Self::Burst,
        Self::DriftLexical,
        Self::DriftMax,
        Self::DriftCusum,
        Self::DriftEmbedded,
        Self::DriftEmbeddedMax,
        Self::CompositionalRisk,
        Self::Turns,
        Self::SinceConfirmation,
        Self::DeferralsPending,
        Self::DeferralsResolved,
        Self::DeferralsExpired,
        Self::SessionAge,
        Self::LastActionAge,
    ];

    /// Its name under `context`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InjectionScore => "risk_signals.injection_score",
            Self::ScopeExpansion => "risk_signals.scope_expansion",
            Self::Escalation => "risk_signals.classification_escalation",
            Self::EscalationInTurn => "risk_signals.classification_escalation_in_turn",
            Self::UnusualSequence => "risk_signals.unusual_sequence",
            Self::Anomaly => "risk_signals.anomaly_score",
            Self::Velocity => "risk_signals.velocity",
            Self::Burst => "risk_signals.burst",
            Self::DriftLexical => "risk_signals.drift.lexical",
            Self::DriftMax => "risk_signals.drift.max",
            Self::DriftCusum => "risk_signals.drift.cusum",
            Self::DriftEmbedded => "risk_signals.drift.embedded",
            Self::DriftEmbeddedMax => "risk_signals.drift.embedded_max",
            Self::CompositionalRisk => "compositional_risk",
            Self::Turns => "turns",
            Self::SinceConfirmation => "actions_since_confirmation",
            Self::DeferralsPending => "deferrals.pending",
            Self::DeferralsResolved => "deferrals.resolved",
            Self::DeferralsExpired => "deferrals.expired",
            Self::SessionAge => "session_age_seconds",
            Self::LastActionAge => "last_action_age_seconds",
        }
    }

    /// Whether it is a share of one, counted in basis points.
    pub(crate) const fn is_share(self) -> bool {
        matches!(
            self,
            Self::InjectionScore
                | Self::ScopeExpansion
                | Self::UnusualSequence
                | Self::Anomaly
                | Self::DriftLexical
                | Self::DriftMax
                | Self::DriftCusum
                | Self::DriftEmbedded
                | Self::CompositionalRisk
        )
    }

    /// The measure of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// Its value at the moment of the question; `None` where it cannot be told.
    #[must_use]
    pub fn read(self, q: &Question<'_>) -> Option<u64> {
        let signals = q.context.signals();
        let seconds = |span: Span| u64::try_from(span.as_seconds()).unwrap_or(0);
        match self {
            Self::InjectionScore => Some(signals.injection_score(q.linked.signs()).into()),
            Self::ScopeExpansion => Some(signals.scope().with(q.action, q.context.tally())),
            Self::Escalation => Some(signals.escalation(q.linked.signs())),
            Self::EscalationInTurn => Some(signals.escalation_in_turn(q.linked.signs())),
            Self::UnusualSequence => Some(signals.unusual(q.action, q.linked.signs())),
            Self::Anomaly => Some(anomaly(q)),
            Self::Velocity => Some(signals.pacing().velocity(q.now)),
            Self::Burst => Some(signals.pacing().burst(q.now)),
            Self::DriftLexical => q.distance().map(u64::from),
            Self::DriftMax => signals.drift().map(|drift| drift.running_max().0.into()),
            Self::DriftCusum => signals.drift().map(|drift| drift.cusum().into()),
            Self::DriftEmbedded => q.context.embedding(&q.action.id)?.distance.map(u64::from),
            Self::DriftEmbeddedMax => signals.drift()?.running_max().1.map(u64::from),
            Self::CompositionalRisk => Some(compositional_risk(q)),
            Self::Turns => Some(signals.turns()),
            Self::SinceConfirmation => Some(signals.since_confirmation()),
            Self::DeferralsPending => Some(q.context.waiting_for_context(&q.action.id)),
            Self::DeferralsResolved => Some(signals.deferrals().resolved),
            Self::DeferralsExpired => Some(signals.deferrals().expired),
            Self::SessionAge => Some(seconds(signals.pacing().age(q.now))),
            Self::LastActionAge => signals.pacing().since_last(q.now).map(seconds),
        }
    }

    /// Whether it was known once and is not any more.
    pub(super) fn may_be_dropped(self, q: &Question<'_>) -> bool {
        let was_there = match self {
            Self::DriftMax | Self::DriftCusum => q.context.opened().request.is_some(),
            // A model that fails, or another one, takes away what was known; where there never was one, nothing was.
            Self::DriftEmbedded => q.context.embedding(&q.action.id).is_some(),
            Self::DriftEmbeddedMax => q.context.signals().was_embedded(),
            _ => false,
        };
        was_there && self.read(q).is_none()
    }
}

/// The sum of the parts, 0 to 10,000 basis points.
fn compositional_risk(q: &Question<'_>) -> u64 {
    let signals = q.context.signals();
    let linked = q.linked.signs();
    let values = [
        signals.unusual(q.action, linked),
        signals.injection_score(linked).into(),
        signals.scope().with(q.action, q.context.tally()),
        signals.escalation(linked),
        q.context.denied(),
        signals.pacing().burst(q.now),
    ];
    let adds =
        |(part, value): (&Part, u64)| (value.saturating_mul(part.weight) / part.divisor).min(part.most);
    COMPOSITION.iter().zip(values).map(adds).sum::<u64>().min(10_000)
}

/// How far the action is from what its session did: the highest of the signals that compare the two, and of a burst
/// a tenth for each time it is faster than before.
fn anomaly(q: &Question<'_>) -> u64 {
    const USUAL: u64 = 10_000;
    let signals = q.context.signals();
    let burst = signals.pacing().burst(q.now).saturating_sub(USUAL) / 10;
    let scope = signals.scope().with(q.action, q.context.tally());
    signals.unusual(q.action, q.linked.signs()).max(scope).max(burst).min(USUAL)
}
