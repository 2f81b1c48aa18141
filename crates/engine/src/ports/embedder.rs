//! Texts as vectors, from outside: what the embedded distance of drift is measured with (R7).

/// Turns a text into a vector.
///
/// Not trusted to permit anything: a distance made of its vectors can only raise a question. Whoever can replace the
/// model can silence that question, so a model is opened at pinned digests, and thresholds name the one they are for.
pub trait Embedder: Send + Sync {
    /// The vector of the beginning of a text: always of the same length, finite, and the same for the same text.
    ///
    /// Takes milliseconds of computing and never waits: call it where a thread may be busy.
    ///
    /// # Errors
    /// The text has no vector; then its distance is a missing fact.
    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError>;

    /// Which model it is, `sha256:` and the digest of its weights. Vectors of different models are not compared.
    fn model_hash(&self) -> &str;
}

/// Why a text has no vector. Never quotes the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// There is nothing in it that the model could read.
    #[error("the text is empty")]
    Empty,
    /// The model failed.
    #[error("the embedding model failed: {0}")]
    Failed(String),
}
