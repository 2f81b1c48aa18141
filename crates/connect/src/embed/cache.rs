//! Vectors of texts that were embedded before: an embedder in front of another one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_core::drift::RENDERING_VERSION;
use countersign_engine::ports::{EmbedError, Embedder};
use sha2::{Digest as _, Sha256};

/// Keeps the vectors that were asked for last, by model, rendering version and text. Errors are not kept.
pub struct Cached<E> {
    inner: E,
    kept: Mutex<Kept>,
}

/// A text as one model reads it: no text is kept.
type Key = [u8; 32];

struct Kept {
    most: usize,
    /// Counts every use; the least of the entries' uses is the one that goes.
    uses: u64,
    vectors: HashMap<Key, (u64, Vec<f32>)>,
}

impl<E: Embedder> Cached<E> {
    /// Keeps at most `most` vectors of `inner`.
    pub fn new(inner: E, most: usize) -> Self {
        Self { inner, kept: Mutex::new(Kept { most, uses: 0, vectors: HashMap::new() }) }
    }

    fn key(&self, text: &str) -> Key {
        let mut digest = Sha256::new();
        digest.update(self.inner.model_hash());
        digest.update(b"\n");
        digest.update(RENDERING_VERSION.to_be_bytes());
        digest.update(text);
        digest.finalize().into()
    }
}

impl<E: Embedder> Embedder for Cached<E> {
    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let key = self.key(text);
        // What another thread left half done is at worst a vector that is not kept.
        if let Some(vector) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).find(&key) {
            return Ok(vector);
        }
        let vector = self.inner.embed(text)?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).keep(key, vector.clone());
        Ok(vector)
    }

    fn model_hash(&self) -> &str {
        self.inner.model_hash()
    }
}

impl Kept {
    fn find(&mut self, key: &Key) -> Option<Vec<f32>> {
        self.uses += 1;
        let (used, vector) = self.vectors.get_mut(key)?;
        *used = self.uses;
        Some(vector.clone())
    }

    fn keep(&mut self, key: Key, vector: Vec<f32>) {
        if self.vectors.len() >= self.most {
            let oldest = self.vectors.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            oldest.map(|oldest| self.vectors.remove(&oldest));
        }
        if self.most > 0 {
            self.vectors.insert(key, (self.uses, vector));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// An embedder of one number, the length of the text, that counts how often it is asked.
    struct Length(AtomicUsize);

    impl Embedder for Length {
        fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let length = u16::try_from(text.len()).ok().filter(|length| *length > 0);
            length.map(|length| vec![f32::from(length)]).ok_or(EmbedError::Empty)
        }

        fn model_hash(&self) -> &str {
            "sha256:length"
        }
    }

    #[test]
    fn a_text_is_embedded_once_until_others_push_it_out() {
        let cached = Cached::new(Length(AtomicUsize::new(0)), 2);
        let asked = || cached.inner.0.load(Ordering::Relaxed);
        for text in ["a", "bb", "a"] {
            cached.embed(text).unwrap();
        }
        assert_eq!(asked(), 2);
        // `bb` was used longest ago and goes.
        assert_eq!(cached.embed("ccc").unwrap(), [3.0]);
        cached.embed("a").unwrap();
        assert_eq!(asked(), 3);
        cached.embed("bb").unwrap();
        assert_eq!(asked(), 4);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let cached = Cached::new(Length(AtomicUsize::new(0)), 2);
        for _ in 0..2 {
            assert_eq!(cached.embed(""), Err(EmbedError::Empty));
        }
        assert_eq!(cached.inner.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_cache_of_nothing_still_answers() {
        let cached = Cached::new(Length(AtomicUsize::new(0)), 0);
        assert_eq!(cached.embed("a"), cached.embed("a"));
    }
}
