//! Drift (R7): how far an action stands from what the user asked for, as integers.
//!
//! Every distance is in basis points, from 0 (the same) to 10,000 (nothing in common). Two are taken from
//! the user's original request to each action, rendered as a short text by [`rendered`]:
//!
//! - *lexical*, always: the cosine distance of two [`Profile`]s of hashed character n-grams, in integers;
//! - *embedded*, where a model is installed: the cosine distance of two vectors that an adapter made.
//!
//! [`Drift`] carries a session's running figures, [`ProfileName`] the starting [`Thresholds`], [`Limits`] those of a
//! deployment; [`Embedding`] is what a session records of a model's answer.
//!
//! A distance may raise a question, never answer one: whoever writes an action's arguments can bring it
//! close to any request by repeating the request in them. So drift alerts, steps up or defers; a small
//! distance permits nothing, and a large one alone never denies.

mod limits;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::limits::{Embedding, Limits};
use crate::names::ToolName;

/// The distance between two texts that have nothing in common, in basis points.
pub const FARTHEST: u32 = 10_000;
/// Changes whenever [`rendered`] may give another text for the same action: part of the key of every cached vector.
pub const RENDERING_VERSION: u32 = 1;
/// What each action may add to the cumulative sum for nothing, in basis points of lexical distance.
pub const CUSUM_ALLOWANCE: u32 = 9_000;
/// The model that the starting thresholds for embedded distances were measured with.
pub const STARTING_MODEL: &str = "sha256:dabb40d5d98a22372c8921acf048cb54bb8bf6d781b1233b2a360d5125789c7e";

/// What is read of a text for its profile, in characters.
const PROFILED_CHARS: usize = 4_096;
/// The n-grams of a profile, in characters.
const GRAMS: std::ops::RangeInclusive<usize> = 3..=5;
/// Places that n-grams are hashed into.
const BUCKETS: usize = 8_192;

/// Words read of one argument value, characters of one word, words and values of one action.
const WORDS_OF_A_VALUE: usize = 12;
const CHARS_OF_A_WORD: usize = 32;
const WORDS_OF_AN_ACTION: usize = 96;
const VALUES_OF_AN_ACTION: usize = 256;

/// The lexical distance from a request to an action, 0 to 10,000 basis points; 10,000 where either text is empty.
///
/// One minus the cosine, in integers: the same everywhere.
#[must_use]
pub fn lexical_distance(request: &Profile, action: &Profile) -> u32 {
    let lengths = u64::from(request.square).saturating_mul(u64::from(action.square)).isqrt();
    let shared = request.shared(action).saturating_mul(u64::from(FARTHEST));
    let similarity = shared.checked_div(lengths).unwrap_or(0);
    FARTHEST.saturating_sub(u32::try_from(similarity).unwrap_or(FARTHEST))
}

/// The embedded distance between two vectors, 0 to 10,000 basis points, rounded to the nearest.
///
/// `None` where no distance can be told: empty, of different lengths, zero or not finite. Opposite vectors
/// count as 10,000. Sums are taken in order and in double precision: the same everywhere.
#[must_use]
pub fn embedded_distance(a: &[f32], b: &[f32]) -> Option<u32> {
    if a.len() != b.len() || a.iter().chain(b).any(|x| !x.is_finite()) {
        return None;
    }
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let lengths = dot(a, a).sqrt() * dot(b, b).sqrt();
    if lengths <= 0.0 || !lengths.is_finite() {
        return None;
    }
    let distance = (1.0 - dot(a, b) / lengths).clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, reason = "clamped to 0 to 10,000 just before")]
    let points = (distance * f64::from(FARTHEST)).round() as u32;
    Some(points)
}

/// The text that stands for an action: its tool's name as words, then the first words of each argument value.
///
/// Bounded (96 words of at most 32 characters, 12 of one value), without names of arguments, and the same for
/// the same action under one [`RENDERING_VERSION`].
#[must_use]
pub fn rendered(tool: &ToolName, arguments: &Value) -> String {
    let mut text = Rendering { text: String::new(), words: 0, values: 0 };
    text.add(&humanised(tool.tool()));
    text.value(arguments);
    text.text
}

/// The character n-grams of a text, hashed and counted: made once for a request, once for each action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Place and weight, by place. A weight grows with the logarithm of the count.
    weights: Box<[(u16, u16)]>,
    /// The sum of the squared weights.
    square: u32,
}

impl Profile {
    /// Reads the first 4,096 characters of a text: letters and digits in lower case, in words.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut counts = vec![0_u16; BUCKETS];
        for word in words(text) {
            for length in GRAMS {
                for gram in word.windows(length) {
                    let count = &mut counts[place(gram)];
                    *count = count.saturating_add(1);
                }
            }
        }
        let weights: Box<[(u16, u16)]> = (0_u16..).zip(counts).filter_map(weighed).collect();
        let square = weights.iter().map(|(_, weight)| u32::from(*weight).pow(2)).sum();
        Self { weights, square }
    }

    /// The dot product of two profiles.
    fn shared(&self, other: &Self) -> u64 {
        let mut others = other.weights.iter().peekable();
        let mut sum = 0;
        for (place, weight) in &self.weights {
            while others.next_if(|(theirs, _)| theirs < place).is_some() {}
            if let Some((_, theirs)) = others.next_if(|(theirs, _)| theirs == place) {
                sum += u64::from(*weight) * u64::from(*theirs);
            }
        }
        sum
    }
}

/// A session's running figures: three integers.
///
/// - *lexical* and *embedded*: the running maximum over effectful actions, `M' = max(M, d)`. The embedded one is
///   unknown from the first effectful action without a vector on: a maximum over some of them would be too small.
/// - *cumulative sum* (CUSUM) of lexical distances over all actions, `S' = min(10,000, max(0, S + d - 9,000))`: it
///   grows while actions keep having nothing to do with the request and sinks as they return to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    lexical: u32,
    embedded: Option<u32>,
    cusum: u32,
}

impl Default for Drift {
    fn default() -> Self {
        Self::new()
    }
}

impl Drift {
    /// A session without actions: known, and zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { lexical: 0, embedded: Some(0), cusum: 0 }
    }

    /// Takes one action into account. `effectful`: it does more than read, or nobody said.
    pub fn push(&mut self, effectful: bool, lexical: u32, embedded: Option<u32>) {
        let lexical = lexical.min(FARTHEST);
        if effectful {
            self.lexical = self.lexical.max(lexical);
            self.embedded = self.embedded.zip(embedded).map(|(most, this)| most.max(this.min(FARTHEST)));
        }
        self.cusum = self.cusum.saturating_add(lexical).saturating_sub(CUSUM_ALLOWANCE).min(FARTHEST);
    }

    /// The running maxima over effectful actions, lexical and embedded; `None` where one action had no vector.
    #[must_use]
    pub const fn running_max(&self) -> (u32, Option<u32>) {
        (self.lexical, self.embedded)
    }

    /// The cumulative sum over all actions, 0 to 10,000.
    #[must_use]
    pub const fn cusum(&self) -> u32 {
        self.cusum
    }
}

/// A kind of agent, with the thresholds that a deployment of it may start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileName {
    /// Answers people and acts on their accounts.
    Support,
    /// Works on source code: what it calls seldom resembles what it was asked.
    Coding,
    /// Works on data and documents.
    Analyst,
    /// Reads widely and writes little.
    Research,
}

impl ProfileName {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Support, Self::Coding, Self::Analyst, Self::Research];

    /// The word used in configuration and policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Support => "support",
            Self::Coding => "coding",
            Self::Analyst => "analyst",
            Self::Research => "research",
        }
    }

    /// Reads the written word.
    #[must_use]
    pub fn parse(written: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == written)
    }

    /// Where to start with lexical distances; they need no model.
    #[must_use]
    pub const fn lexical(self) -> Thresholds {
        let (alert, step_up) = match self {
            Self::Support | Self::Analyst => (9_300, 9_700),
            Self::Coding => (9_700, 9_950),
            Self::Research => (9_500, 9_800),
        };
        Thresholds { alert, step_up, model: None }
    }

    /// Where to start with embedded distances of [`STARTING_MODEL`].
    #[must_use]
    pub fn embedded(self) -> Thresholds {
        let (alert, step_up) = match self {
            Self::Support | Self::Analyst | Self::Research => (7_000, 8_000),
            Self::Coding => (9_000, 9_500),
        };
        Thresholds { alert, step_up, model: Some(STARTING_MODEL.to_owned()) }
    }

    /// From which cumulative sum on to raise an alert.
    #[must_use]
    pub const fn cusum(self) -> u32 {
        match self {
            Self::Support | Self::Analyst => 5_000,
            Self::Coding | Self::Research => 8_000,
        }
    }
}

/// From which distance on, in basis points, an action is to be noticed or asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// At this distance and beyond: an alert.
    pub alert: u32,
    /// At this distance and beyond: STEP_UP or DEFER.
    pub step_up: u32,
    /// The model whose distances these are; `None` for lexical ones.
    pub model: Option<String>,
}

impl Thresholds {
    /// What a distance of `model` (`None`: lexical) means; `None` when these are thresholds of another model.
    #[must_use]
    pub fn signal(&self, distance: u32, model: Option<&str>) -> Option<Signal> {
        (self.model.as_deref() == model).then_some(match distance {
            far if far >= self.step_up => Signal::StepUp,
            far if far >= self.alert => Signal::Alert,
            _ => Signal::Within,
        })
    }
}

/// What a distance asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Nothing.
    Within,
    /// To be noticed.
    Alert,
    /// To be asked about (STEP_UP or DEFER).
    StepUp,
}

impl Signal {
    /// The word that rules read: `none`, `alert` or `exceeded`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Within => "none",
            Self::Alert => "alert",
            Self::StepUp => "exceeded",
        }
    }
}

/// The words of a text as characters, each with a space before and behind: n-grams know where words begin and end.
fn words(text: &str) -> impl Iterator<Item = Vec<char>> {
    let read: Vec<char> = text.chars().take(PROFILED_CHARS).flat_map(char::to_lowercase).collect();
    let mut rest = read.into_iter().peekable();
    std::iter::from_fn(move || {
        while rest.next_if(|c| !c.is_alphanumeric()).is_some() {}
        rest.peek()?;
        let mut word = vec![' '];
        while let Some(c) = rest.next_if(|c| c.is_alphanumeric()) {
            word.push(c);
        }
        word.push(' ');
        Some(word)
    })
}

/// Where an n-gram is counted: FNV-1a over its code points, folded to a bucket.
fn place(gram: &[char]) -> usize {
    let hash = gram.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, c| {
        (hash ^ u64::from(u32::from(*c))).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let folded = (hash ^ (hash >> 32)) % BUCKETS as u64;
    usize::try_from(folded).unwrap_or(0)
}

/// What is said often is not so much more what a text is about.
fn weighed((place, count): (u16, u16)) -> Option<(u16, u16)> {
    let doublings = u16::try_from(count.checked_ilog2()?).unwrap_or(u16::MAX);
    Some((place, doublings.saturating_add(1)))
}

/// A name as words: `sendMoney`, `send_money` and `files/send-money` are spelled out in lower case.
fn humanised(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 8);
    let mut before = ' ';
    for c in name.chars().take(WORDS_OF_A_VALUE * CHARS_OF_A_WORD) {
        if c.is_uppercase() && (before.is_lowercase() || before.is_numeric()) {
            text.push(' ');
        }
        if c.is_alphanumeric() {
            text.extend(c.to_lowercase());
        } else {
            text.push(' ');
        }
        before = c;
    }
    text
}

struct Rendering {
    text: String,
    words: usize,
    values: usize,
}

impl Rendering {
    fn value(&mut self, value: &Value) {
        if self.full() {
            return;
        }
        self.values += 1;
        match value {
            Value::Null => {}
            Value::Bool(bool) => self.add(if *bool { "true" } else { "false" }),
            Value::Number(number) => self.add(&number.to_string()),
            Value::String(text) => self.add(text),
            Value::Array(values) => self.all(values.iter()),
            Value::Object(members) => self.all(members.values()),
        }
    }

    fn all<'a>(&mut self, mut values: impl Iterator<Item = &'a Value>) {
        while let (false, Some(value)) = (self.full(), values.next()) {
            self.value(value);
        }
    }

    /// Adds the first words of one value. Only so much is read of it as can be used.
    fn add(&mut self, text: &str) {
        const READ: usize = WORDS_OF_A_VALUE * (CHARS_OF_A_WORD + 1);
        let end = text.char_indices().nth(READ).map_or(text.len(), |(at, _)| at);
        for word in text[..end].split_whitespace().take(WORDS_OF_A_VALUE) {
            if self.words == WORDS_OF_AN_ACTION {
                return;
            }
            if self.words > 0 {
                self.text.push(' ');
            }
            self.text.extend(word.chars().take(CHARS_OF_A_WORD));
            self.words += 1;
        }
    }

    const fn full(&self) -> bool {
        self.words >= WORDS_OF_AN_ACTION || self.values >= VALUES_OF_AN_ACTION
    }
}
