//! What a step of an action's life meets: how the action stood before it.

use super::context::Tracked;
use super::signals::waits_for_context;
use crate::lifecycle::State;

/// What a step of an action's life meets.
#[derive(Clone, Copy)]
pub(super) struct Before {
    /// The action waited for context until now.
    pub(super) waited: bool,
    /// A person has approved it.
    pub(super) approved: bool,
    /// Its arguments are known.
    pub(super) readable: bool,
    /// What the step itself says was erased since.
    pub(super) erased: bool,
}

impl Before {
    /// The first step of a life.
    pub(super) const fn nothing(erased: bool) -> Self {
        Self { waited: false, approved: false, readable: !erased, erased }
    }

    pub(super) fn of(tracked: &Tracked, erased: bool) -> Self {
        let state = tracked.life.state();
        Self {
            waited: waits_for_context(state),
            approved: matches!(state, State::Authorised { approved: true, .. }),
            readable: tracked.readable,
            erased,
        }
    }
}
