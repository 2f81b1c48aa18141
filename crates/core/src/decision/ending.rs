//! How waits end that nobody ends, and who is asked on the way.

use std::collections::BTreeSet;

use crate::decision::Approvers;
use crate::names::ApproverGroup;
use crate::time::{Span, Time};

/// How a wait ends that nobody ends, and who is asked on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// What happens when its time is over.
    pub on_timeout: OnTimeout,
    /// Who is asked then, where somebody is.
    pub then: Approvers,
    /// Who may answer too, after a while.
    pub escalation: Option<Escalation>,
    /// How dangerous the authors of the deciding rules think the action is.
    pub risk_level: Option<RiskLevel>,
}

/// What happens when the time of a wait is over. Never ALLOW.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnTimeout {
    /// The action is refused.
    #[default]
    Deny,
    /// A deferred action becomes a question to people.
    StepUp,
    /// The action is refused, and its session halted.
    Pause,
}

impl OnTimeout {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Deny, Self::StepUp, Self::Pause];

    /// The word that policies and receipts write.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "DENY",
            Self::StepUp => "STEP_UP",
            Self::Pause => "PAUSE",
        }
    }
}

/// Who may answer too when a question has waited for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// How long after the question was asked.
    pub after: Span,
    /// These groups.
    pub to: Vec<ApproverGroup>,
}

/// How dangerous the author of a rule thinks what it speaks of is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RiskLevel {
    /// `LOW`
    Low,
    /// `MEDIUM`
    Medium,
    /// `HIGH`
    High,
    /// `CRITICAL`
    Critical,
}

impl RiskLevel {
    /// Every one of them, the mildest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word that policies and receipts write.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

impl Escalation {
    /// Whether a member of these groups may answer a question that was asked `since`.
    #[must_use]
    pub fn admits(&self, groups: &BTreeSet<ApproverGroup>, since: Time, now: Time) -> bool {
        now - since >= self.after && self.to.iter().any(|group| groups.contains(group))
    }
}
