//! One text that somebody wrote: what it says, what it asks for, and what it names.

use super::request::Sentence;
use super::sketch::{Lexed, Run, Sketch};
use super::text::{self, Form, Literal, hash};
use crate::contract::Writer;
use crate::contract::words::Families;
use crate::detect::normal;

/// Literals that are kept of one text.
const MAX_MENTIONS: usize = 64;

/// A text somebody wrote.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) source: usize,
    /// The record it belongs to.
    pub(crate) record: Option<usize>,
    pub(crate) writer: Writer,
    pub(crate) all: Sketch,
    /// Sentences that ask for something to be done, and what.
    pub(crate) asking: Sketch,
    pub(crate) families: Families,
    /// Sentences that ask for something to be looked at; `None` = the same.
    pointing: Option<Sketch>,
    /// Addresses, accounts, links and files in it.
    pub(crate) mentions: Box<[Literal]>,
    /// Figures in it.
    pub(crate) figures: Box<[f64]>,
}

/// A text, read.
pub(crate) struct Read {
    /// Without its place.
    pub(crate) told: Told,
    pub(crate) all: Run,
    pub(crate) asking: Run,
    /// `None` = the same.
    pub(crate) pointing: Option<Run>,
    /// What a third party named, as hashes.
    pub(crate) named: Vec<u64>,
    /// Whether everything that is hidden in it was found.
    pub(crate) complete: bool,
}

impl Told {
    /// Sentences that ask for something to be done or looked at.
    pub(crate) fn pointing(&self) -> &Sketch {
        self.pointing.as_ref().unwrap_or(&self.asking)
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.all.bytes()
            + self.asking.bytes()
            + self.pointing.as_ref().map_or(0, Sketch::bytes)
            + self.mentions.iter().map(|m| size_of::<Literal>() + m.text.len()).sum::<usize>()
            + size_of_val(&*self.figures)
    }
}

/// Reads a text, and what is hidden in it: that is in the text too.
pub(crate) fn read(text: &str, writer: Writer) -> Read {
    let layers = normal::layers(text);
    let mut all = Run::default();
    let mut says = Says::default();
    let mut mentions: Vec<Literal> = Vec::new();
    let (mut figures, mut named) = (Vec::new(), Vec::new());
    says.take(text, &mut all);
    text::named(text, |form, word| match form {
        Form::Number if figures.len() < MAX_MENTIONS => figures.extend(text::number(word)),
        Form::Number => {}
        form if mentions.len() < MAX_MENTIONS => mentions.push(Literal { form, text: word.to_lowercase() }),
        _ => {}
    });
    if writer == Writer::ThirdParty {
        named.extend(mentions.iter().map(|m| hash(&m.text)));
    }
    for (_, text) in &layers.texts {
        says.take(text, &mut all);
        // What was hidden is a third party's, and opens nothing.
        text::named(text, |form, word| {
            if form != Form::Number {
                named.push(hash(&word.to_lowercase()));
            }
        });
    }
    mentions.sort_by(|a, b| a.text.cmp(&b.text));
    mentions.dedup();
    let Says { asking, families, pointing } = says;
    let pointing = (pointing != asking).then_some(pointing);
    let told = Told {
        source: 0,
        record: None,
        writer,
        all: Sketch::of(&all),
        asking: Sketch::of(&asking),
        families,
        pointing: pointing.as_ref().map(Sketch::of),
        mentions: mentions.into(),
        figures: figures.into(),
    };
    Read { told, all, asking, pointing, named, complete: layers.complete }
}

/// What sentences ask for.
#[derive(Default)]
struct Says {
    families: Families,
    asking: Run,
    pointing: Run,
}

impl Says {
    fn take(&mut self, text: &str, all: &mut Run) {
        let mut lexed = Lexed::read(text, all);
        let mut goes_on = false;
        for span in text::spans(text) {
            let (asks, does) = Sentence::asked(text.get(span.0..span.1).unwrap_or_default());
            self.families = self.families.and(does);
            // What is asked for is often spelt out in the sentence behind.
            if !asks.is_empty() || !does.is_empty() || goes_on {
                let part = lexed.part(span);
                if !does.is_empty() || goes_on {
                    self.asking.join(&part);
                }
                if !asks.is_empty() || goes_on {
                    self.pointing.join(&part);
                }
            }
            goes_on = !asks.is_empty();
        }
    }
}
