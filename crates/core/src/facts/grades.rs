//! How sure facts are: the evidence grades of which a rule's confidence is the lowest (`R3.confidence`).
//!
//! | grade | facts |
//! |---|---|
//! | 10,000 | what is read as it is: arguments, identity, counters, history, what somebody gave or reviewed |
//! | 9,000 | labels of data: declared by sources, or found by detectors, of which the weakest that may have spoken counts |
//! | 8,500 | where arguments come from, licences, slots; numbers that add up a session's history |
//! | 7,500 | what a tool's contract says, where it was derived from its definition |
//! | 6,000 | injection cues; embedded distances |
//! | 5,000 | lexical distances |

use super::measures::Measure;
use super::{Fact, Source};
use crate::decide::Question;

impl Fact {
    /// How sure the fact is, in basis points.
    #[must_use]
    pub fn grade(&self, q: &Question<'_>) -> u32 {
        match &self.source {
            Source::Labels | Source::Flows => 9_000,
            Source::Origin(..)
            | Source::Licensed
            | Source::Slot
            | Source::SelectorOrigins
            | Source::Doubts => 8_500,
            // A contract without a derived meaning was declared by a person.
            Source::Effect | Source::Recipient if q.action.contract.meaning.is_some() => 7_500,
            Source::Measure(measure) => match measure {
                Measure::InjectionScore | Measure::DriftEmbedded => 6_000,
                Measure::DriftLexical | Measure::DriftMax | Measure::DriftCusum => 5_000,
                measure if measure.is_share() => 8_500,
                _ => 10_000,
            },
            _ => 10_000,
        }
    }
}
