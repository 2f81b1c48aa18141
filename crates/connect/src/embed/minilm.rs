//! Text to vector: tokens, layers, the mean of the tokens, length one.

use countersign_engine::ports::{EmbedError, Embedder};
use tokenizers::{Tokenizer, TruncationParams};

use super::bert::{Bert, TOKENS};
use super::files::{self, Model};
use super::weights::Weights;

/// Characters of a text that are divided into tokens; 128 tokens of prose are some 600.
const READ: usize = 8_192;

/// paraphrase-MiniLM-L3-v2. Reads the first 128 tokens of a text and gives 384 numbers of length one.
pub struct MiniLm {
    hash: String,
    tokenizer: Tokenizer,
    bert: Bert,
}

impl MiniLm {
    /// Loads the model.
    ///
    /// # Errors
    /// The files are not what they are pinned to be.
    pub fn load(model: &Model) -> Result<Self, EmbedError> {
        let mut tokenizer = Tokenizer::from_bytes(model.tokenizer()).map_err(failed)?;
        tokenizer.with_padding(None);
        let cut = TruncationParams { max_length: TOKENS, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(cut)).map_err(failed)?;
        let bert = Weights::read(model.weights()).and_then(|weights| Bert::new(&weights)).map_err(failed)?;
        Ok(Self { hash: files::model_hash(), tokenizer, bert })
    }
}

impl Embedder for MiniLm {
    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let end = text.char_indices().nth(READ).map_or(text.len(), |(at, _)| at);
        let text = text.get(..end).unwrap_or_default().trim();
        if text.is_empty() {
            return Err(EmbedError::Empty);
        }
        let tokens = self.tokenizer.encode(text, true).map_err(failed)?;
        let pooled = self.bert.pooled(tokens.get_ids()).map_err(failed)?;
        of_length_one(&pooled)
    }

    fn model_hash(&self) -> &str {
        &self.hash
    }
}

fn of_length_one(vector: &[f32]) -> Result<Vec<f32>, EmbedError> {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length <= 0.0 {
        return Err(EmbedError::Failed("its vector has no length".to_owned()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the numbers came from single precision")]
    let scaled = vector.iter().map(|number| (f64::from(*number) / length) as f32);
    Ok(scaled.collect())
}

fn failed(error: impl std::fmt::Display) -> EmbedError {
    EmbedError::Failed(error.to_string())
}
