//! How much was done: rates by tool and the sums of counters, of a session, an agent or a human.
//!
//! Permitted actions count from the moment their ruling is appended, those in flight included, and are given back only
//! on a recorded outcome that nothing was sent. A ruling is appended only onto the heads that it read, so what is asked
//! here holds however many ask at once. Windows may tell too much, never too little ([`super::series`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::counters::{Amount, Correction, CounterDefinition, Counters, Total};
use super::decimal::Decimal;
use super::history::HISTORY;
use super::series::Series;
use crate::decide::Question;
use crate::decision::{Missing, Why};
use crate::names::ToolName;
use crate::time::{Span, Time};

/// Whose use is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Per {
    /// The session's.
    Session,
    /// The agent's, in all its sessions.
    Agent,
    /// The human's, in all their sessions.
    Human,
}

/// Which tools; `None` = all.
pub type Which<'a> = Option<&'a dyn Fn(&ToolName) -> bool>;

/// The fold over what one session or principal was permitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    by_tool: BTreeMap<ToolName, Series<u64>>,
    /// Tools that found no room, together.
    other: Series<u64>,
    counters: Counters,
}

/// How much one [`Usage`] tells apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsageLimits {
    pub(crate) tools: usize,
    pub(crate) counters: usize,
}

/// What is folded in.
impl Usage {
    pub(crate) fn permitted(
        &mut self,
        tool: &ToolName,
        counted: &BTreeMap<Arc<str>, Amount>,
        at: Option<Time>,
        limits: UsageLimits,
    ) {
        let known = self.by_tool.contains_key(tool) || self.by_tool.len() < limits.tools;
        let series = if known { self.by_tool.entry(tool.clone()).or_default() } else { &mut self.other };
        series.add(at, 1);
        self.counters.add(counted, at, limits.counters);
    }

    pub(crate) fn corrected(&mut self, correction: &Correction, limits: UsageLimits) {
        let Correction { tool, at, returned, was, now } = correction;
        if *returned {
            self.by_tool.get_mut(tool).unwrap_or(&mut self.other).take(Some(*at), 1);
        }
        self.counters.take(was, Some(*at));
        self.counters.add(now, Some(*at), limits.counters);
    }
}

/// What is known of it, without a name for what is missing.
impl Usage {
    /// Permitted actions of these tools within the window (`None` = ever).
    #[must_use]
    pub fn rate(&self, which: Which<'_>, window: Option<Span>, now: Time) -> Total<u64> {
        let named = |tool: &ToolName| which.is_none_or(|names| names(tool));
        let kept =
            self.by_tool.iter().filter(|(tool, _)| named(tool)).map(|(_, series)| series.total(window, now));
        let kept = kept.fold(0_u64, u64::saturating_add);
        let other = self.other.total(window, now);
        match which {
            None => Total { at_least: kept.saturating_add(other), whole: true },
            Some(_) => Total { at_least: kept, whole: other == 0 },
        }
    }

    /// What a counter adds up to within the window (`None` = ever).
    #[must_use]
    pub fn sum(&self, counter: &str, window: Option<Span>, now: Time) -> Total<Decimal> {
        self.counters.sum(counter, window, now)
    }
}

impl Per {
    /// The word that policies use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Agent => "agent",
            Self::Human => "human",
        }
    }

    /// The fold of the one whose use is asked for.
    #[must_use]
    pub const fn usage<'a>(self, q: &Question<'a>) -> &'a Usage {
        match self {
            Self::Session => q.context.usage(),
            Self::Agent => q.agent.usage(),
            Self::Human => q.human.usage(),
        }
    }

    /// What a decision waits for where a counter cannot be told: `session.sums.NAME`, `agent.…`, `human.…`.
    fn sum_is_missing(self, counter: &str) -> Missing {
        Missing::fact(format!("{}.sums.{counter}", self.as_str()), Why::Absent)
    }

    /// What a decision waits for where a rate cannot be told.
    fn rate_is_missing(self) -> Missing {
        match self {
            Self::Session => Missing::fact(HISTORY, Why::Absent),
            Self::Agent => Missing::fact("agent.history", Why::Absent),
            Self::Human => Missing::fact("human.history", Why::Absent),
        }
    }
}

/// How many actions of these tools were permitted within the window (`None` = ever), without the one in question.
///
/// # Errors
/// So many tools were used that some are not told apart, and one of those within the window.
pub fn rate(q: &Question<'_>, per: Per, which: Which<'_>, window: Option<Span>) -> Result<u64, Missing> {
    let total = per.usage(q).rate(which, window, q.now);
    if total.whole { Ok(total.at_least) } else { Err(per.rate_is_missing()) }
}

/// What a counter adds up to within the window (`None` = ever), without the action in question. A counter that no
/// action was counted for since it is defined is zero.
///
/// # Errors
/// It counts an action within the window whose amount nobody can tell, or not yet; or no policy in force defines it.
pub fn sum(q: &Question<'_>, per: Per, counter: &str, window: Option<Span>) -> Result<Decimal, Missing> {
    let defined = q.policy.counters().iter().any(|known| *known.name == *counter);
    let total = per.usage(q).sum(counter, window, q.now);
    if defined && total.whole { Ok(total.at_least) } else { Err(per.sum_is_missing(counter)) }
}

/// The same with what the action in question would add: its amount, its upper bound, or zero where only its result
/// will tell and the policy gives no bound. `at_least` holds whatever is missing, so that a limit which it exceeds is
/// exceeded.
#[must_use]
pub fn sum_with(
    q: &Question<'_>,
    per: Per,
    counter: &CounterDefinition,
    window: Option<Span>,
) -> Total<Decimal> {
    let before = per.usage(q).sum(&counter.name, window, q.now);
    match counter.amount(q.action) {
        None | Some(Amount::Result { at_most: None, .. }) => before,
        Some(Amount::Unknown) => Total { whole: false, ..before },
        Some(Amount::Known(amount) | Amount::Result { at_most: Some(amount), .. }) => {
            Total { at_least: before.at_least.plus(amount), ..before }
        }
    }
}

/// What a decision waits for where [`sum_with`] is not whole.
#[must_use]
pub fn missing_sum(per: Per, counter: &CounterDefinition) -> Missing {
    per.sum_is_missing(&counter.name)
}
