//! An embedding model of a few lines: a place for each word, the same in every run, and failures on command.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use countersign_engine::ports::{EmbedError, Embedder};

/// Numbers of a vector.
const PLACES: usize = 512;

/// What a question to the model meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meets {
    /// The vector of the text.
    Pass,
    /// An error.
    Failure,
    /// A vector without a number in it.
    Nothing,
    /// A panic.
    Panic,
}

/// Says what a question meets, by its number from 0 and its text. It may block, as a model that is busy does.
type Plan = dyn Fn(usize, &str) -> Meets + Send + Sync;

/// Vectors that count words: texts with the same words lie at 0, texts without one in common at 10,000.
pub struct WordEmbedder {
    model: String,
    asked: AtomicUsize,
    plan: Mutex<Option<std::sync::Arc<Plan>>>,
}

impl WordEmbedder {
    /// A model of this name.
    #[must_use]
    pub fn new(model: &str) -> Self {
        Self { model: model.to_owned(), asked: AtomicUsize::new(0), plan: Mutex::default() }
    }

    /// From now on questions meet what `plan` says; they are counted from 0 again.
    pub fn plan(&self, plan: impl Fn(usize, &str) -> Meets + Send + Sync + 'static) {
        self.asked.store(0, Ordering::SeqCst);
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::sync::Arc::new(plan));
    }

    /// How often it was asked since the plan was made.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Embedder for WordEmbedder {
    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match plan.map_or(Meets::Pass, |plan| plan(number, text)) {
            Meets::Pass => {}
            Meets::Failure => return Err(EmbedError::Failed("it was told to".to_owned())),
            Meets::Nothing => return Ok(Vec::new()),
            Meets::Panic => panic!("the model was told to"),
        }
        let mut vector = vec![0.0_f32; PLACES];
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let hash =
                word.to_lowercase().bytes().fold(5_381_usize, |h, b| h.wrapping_mul(33) ^ usize::from(b));
            vector[hash % PLACES] += 1.0;
        }
        if vector.iter().all(|number| *number == 0.0) { Err(EmbedError::Empty) } else { Ok(vector) }
    }

    fn model_hash(&self) -> &str {
        &self.model
    }
}
