//! Injection cues: signs that a text talks to the agent instead of informing it.
//!
//! A cue is a risk signal and a label of its source, never the only gate: honest texts show some of them, and a
//! patient attacker shows none.

/// One kind of sign. Each counts once per inspection, however often it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cue {
    /// "Ignore all previous instructions": what was said before is to stop counting.
    Override,
    /// A message that pretends to come from the system: "SYSTEM:" on a line of its own, "[system message]".
    FakeSystem,
    /// Tokens and headings by which chat templates part the speakers.
    ChatTemplate,
    /// "Do not tell the user": the user is to be kept out.
    Secrecy,
    /// "AI assistant, ...": the reader that is meant is a model, not a person.
    AgentAddressed,
    /// "Your new task is ...", "before you answer, ...": a task for whoever reads it.
    NewTask,
    /// "Call the send tool", "run the following command": a tool is to be used.
    ToolOrder,
    /// "You are now in developer mode": another character with other rules.
    Persona,
    /// "Reveal your system prompt".
    PromptLeak,
    /// "The user has already approved this": a consent that only the user could give.
    FalseConsent,
    /// "Remember this for all future conversations": the order is to outlive the session.
    Persistence,
    /// "</tool_result>", "end of document": the text pretends that it is over.
    FakeBoundary,
    /// A pseudo-tag that shouts, such as `<IMPORTANT>`.
    ShoutingTag,
    /// "Send the contents to https://...", or a picture whose address has room for data.
    Exfiltration,
    /// Characters that show nothing, inside words or carrying text: tags, selectors, zero-width.
    HiddenUnicode,
    /// Overrides of the writing direction: what is read is not what is there.
    BidiOverride,
    /// Words that mix look-alike letters of two scripts.
    Homoglyphs,
    /// Markup that keeps text from a person's sight.
    InvisibleMarkup,
    /// A cue that was found only after decoding what a person cannot read (base64, hex, tags).
    EncodedPayload,
}

impl Cue {
    /// Every cue, in the order in which the book lists them.
    pub const ALL: &'static [Self] = &[
        Self::Override,
        Self::FakeSystem,
        Self::ChatTemplate,
        Self::Secrecy,
        Self::AgentAddressed,
        Self::NewTask,
        Self::ToolOrder,
        Self::Persona,
        Self::PromptLeak,
        Self::FalseConsent,
        Self::Persistence,
        Self::FakeBoundary,
        Self::ShoutingTag,
        Self::Exfiltration,
        Self::HiddenUnicode,
        Self::BidiOverride,
        Self::Homoglyphs,
        Self::InvisibleMarkup,
        Self::EncodedPayload,
    ];

    /// The cue as a label of data, `cue:` and a word: what receipts and rules say.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.row().0
    }

    /// What it adds to the score, in basis points.
    #[must_use]
    pub fn weight(self) -> u32 {
        self.row().1
    }

    /// The cue of a label that [`Cue::label`] gave; `None` of any other word.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cue| cue.label() == label)
    }

    fn row(self) -> (&'static str, u32) {
        match self {
            Self::Override => ("cue:override", 4_500),
            Self::FakeSystem => ("cue:fake_system", 3_500),
            Self::ChatTemplate => ("cue:chat_template", 4_000),
            Self::Secrecy => ("cue:secrecy", 3_500),
            Self::AgentAddressed => ("cue:agent_addressed", 2_500),
            Self::NewTask => ("cue:new_task", 2_000),
            Self::ToolOrder => ("cue:tool_order", 2_000),
            Self::Persona => ("cue:persona", 3_000),
            Self::PromptLeak => ("cue:prompt_leak", 3_000),
            Self::FalseConsent => ("cue:false_consent", 2_000),
            Self::Persistence => ("cue:persistence", 2_000),
            Self::FakeBoundary => ("cue:fake_boundary", 2_500),
            Self::ShoutingTag => ("cue:shouting_tag", 2_500),
            Self::Exfiltration => ("cue:exfiltration", 2_000),
            Self::HiddenUnicode => ("cue:hidden_unicode", 3_000),
            Self::BidiOverride => ("cue:bidi_override", 2_500),
            Self::Homoglyphs => ("cue:homoglyphs", 2_000),
            Self::InvisibleMarkup => ("cue:invisible_markup", 1_000),
            Self::EncodedPayload => ("cue:encoded_payload", 3_500),
        }
    }
}

/// The weights of the cues, each counted once, added up to at most 10,000 basis points.
pub fn injection_score(cues: impl Iterator<Item = Cue>) -> u32 {
    let distinct: std::collections::BTreeSet<Cue> = cues.collect();
    distinct.into_iter().map(Cue::weight).sum::<u32>().min(10_000)
}
