//! Where facts come from: who can give what is missing, in words for those who ask why something waits.

use super::measures::Measure;
use super::{Block, Fact, Source};

/// Where a fact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// The call brings it, or leaves it out.
    Call,
    /// Whoever vouches for the caller.
    Identity,
    /// It is computed here from what the session did and saw.
    Session,
    /// It follows from the user's request, which a host alone gives.
    Request,
    /// An embedding model measures it.
    Model,
    /// Somebody gives it: a host, an operator, a resolver; or a rule writes it.
    Somebody,
}

impl Fact {
    /// Where it comes from.
    #[must_use]
    pub const fn provider(&self) -> Provider {
        match &self.source {
            Source::Parameter(_) | Source::Recipient => Provider::Call,
            Source::Party(..) | Source::Delegation | Source::Voucher => Provider::Identity,
            Source::Request | Source::Licensed | Source::DriftLevel => Provider::Request,
            Source::Measure(measure) => match measure {
                Measure::DriftEmbedded | Measure::DriftEmbeddedMax => Provider::Model,
                Measure::DriftLexical | Measure::DriftMax | Measure::DriftCusum => Provider::Request,
                _ => Provider::Session,
            },
            Source::Given(_) => Provider::Somebody,
            _ => Provider::Session,
        }
    }

    /// Whether a call or a person brought it in: content that is not shown without being asked for.
    pub(crate) const fn is_content(&self) -> bool {
        matches!(
            self.source,
            Source::Parameter(_) | Source::Given(_) | Source::Request | Source::Recipient | Source::Entities
        )
    }

    /// The name under which somebody gives it, where somebody has to.
    #[must_use]
    pub fn given_name(&self) -> Option<&str> {
        match &self.source {
            Source::Given(name) => Some(name),
            _ => None,
        }
    }
}

/// What can be done about a missing fact, by its full name as receipts write it.
#[must_use]
pub fn remedy(name: &str) -> String {
    let (block, rest) = match name.split_once('.') {
        Some(("parameters", rest)) => (Block::Parameters, rest),
        Some(("identity", rest)) => (Block::Identity, rest),
        Some(("context", rest)) => (Block::Context, rest),
        _ => (Block::Context, name),
    };
    match name {
        "internal_domains" => {
            return "the policy has to list the organisation's `internal_domains`".to_owned();
        }
        "session.intent" => return "a host has to declare what the user's request covers".to_owned(),
        _ => {}
    }
    let Ok(fact) = Fact::parse(block, rest) else { return "ask the people who write the policy".to_owned() };
    match fact.provider() {
        Provider::Call => {
            format!(
                "call again with the argument `{rest}`, as a value of the type that the rule compares with"
            )
        }
        Provider::Identity => "whoever issues the agent's credential has to put it there".to_owned(),
        Provider::Session => {
            "this session cannot tell it; begin a new one, or ask the people who write the policy".to_owned()
        }
        Provider::Request => {
            "a host has to open the session with the user's request, or add what the user said since"
                .to_owned()
        }
        Provider::Model => "an embedding model has to be configured: `countersign model install`".to_owned(),
        Provider::Somebody => {
            format!("a host, an operator or a resolver has to give the fact `{rest}` to the session")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_can_give_a_missing_fact_is_named() {
        for (name, says) in [
            ("context.maintenance_window", "give the fact `maintenance_window`"),
            ("context.original_request", "a host has to open the session"),
            ("parameters.to.address", "the argument `to.address`"),
            ("identity.agent.roles", "credential"),
            ("context.risk_signals.drift.embedded", "model install"),
            ("human.actions.mail.send", "begin a new one"),
            ("internal_domains", "`internal_domains`"),
        ] {
            assert!(remedy(name).contains(says), "{name}: {}", remedy(name));
        }
    }
}
