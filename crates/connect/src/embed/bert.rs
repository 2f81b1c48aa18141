//! The layers of BERT, as far as MiniLM-L3 has them: three of them, 12 heads, no pooler, one text at a time.

use candle_core::{D, Device, Module as _, Result, Tensor};
use candle_nn::{LayerNorm, Linear, ops::softmax_last_dim};

use super::weights::{Table, Weights};

/// Numbers in a vector.
pub(super) const HIDDEN: usize = 384;
/// Tokens of a text that are read, the two that mark its ends included.
pub(super) const TOKENS: usize = 128;

const LAYERS: usize = 3;
const HEADS: usize = 12;
const INTERMEDIATE: usize = 1_536;
const VOCABULARY: usize = 30_522;
const POSITIONS: usize = 512;
const KINDS: usize = 2;
const EPSILON: f64 = 1e-12;

/// The model. The table of words stays in 4 bits: it is most of the weights, and a text reads few of its rows.
pub(super) struct Bert {
    words: Table,
    positions: Table,
    /// What is added for a token of a first (and here only) text.
    kind: Vec<f32>,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl Bert {
    /// Builds the model.
    ///
    /// # Errors
    /// A tensor is missing or has another shape.
    pub(super) fn new(weights: &Weights) -> Result<Self> {
        let mut kind = Vec::with_capacity(HIDDEN);
        weights.table("embeddings.token_type_embeddings.weight", KINDS, HIDDEN)?.row(0, &mut kind)?;
        let layer = |number| Layer::new(weights, &format!("encoder.layer.{number}"));
        Ok(Self {
            words: weights.table("embeddings.word_embeddings.weight", VOCABULARY, HIDDEN)?,
            positions: weights.table("embeddings.position_embeddings.weight", POSITIONS, HIDDEN)?,
            kind,
            norm: norm(weights, "embeddings.LayerNorm")?,
            layers: (0..LAYERS).map(layer).collect::<Result<_>>()?,
        })
    }

    /// The mean of what the last layer makes of each token: 384 numbers.
    ///
    /// # Errors
    /// A token is not in the vocabulary, or there are none or too many.
    pub(super) fn pooled(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        let tokens = tokens.get(..TOKENS).unwrap_or(tokens);
        let (mut sum, mut places) = (Vec::new(), Vec::new());
        for (position, token) in tokens.iter().enumerate() {
            self.words.row(usize::try_from(*token).unwrap_or(usize::MAX / HIDDEN), &mut sum)?;
            self.positions.row(position, &mut places)?;
        }
        let kinds = self.kind.iter().cycle();
        for ((number, place), kind) in sum.iter_mut().zip(places).zip(kinds) {
            *number += place + kind;
        }
        let mut hidden = self.norm.forward(&Tensor::from_vec(sum, (tokens.len(), HIDDEN), &Device::Cpu)?)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden)?;
        }
        hidden.mean(0)?.to_vec1()
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

impl Layer {
    fn new(weights: &Weights, layer: &str) -> Result<Self> {
        let linear = |name: &str, from, to| linear(weights, &format!("{layer}.{name}"), from, to);
        let norm = |name: &str| norm(weights, &format!("{layer}.{name}"));
        Ok(Self {
            query: linear("attention.self.query", HIDDEN, HIDDEN)?,
            key: linear("attention.self.key", HIDDEN, HIDDEN)?,
            value: linear("attention.self.value", HIDDEN, HIDDEN)?,
            attended: linear("attention.output.dense", HIDDEN, HIDDEN)?,
            attended_norm: norm("attention.output.LayerNorm")?,
            intermediate: linear("intermediate.dense", HIDDEN, INTERMEDIATE)?,
            output: linear("output.dense", INTERMEDIATE, HIDDEN)?,
            output_norm: norm("output.LayerNorm")?,
        })
    }

    /// From tokens by 384 to tokens by 384.
    fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        let attended = self.attended.forward(&self.attend(hidden)?)?;
        let attended = self.attended_norm.forward(&(attended + hidden)?)?;
        let output = self.output.forward(&self.intermediate.forward(&attended)?.gelu_erf()?)?;
        self.output_norm.forward(&(output + attended)?)
    }

    fn attend(&self, hidden: &Tensor) -> Result<Tensor> {
        let tokens = hidden.dim(0)?;
        let width = HIDDEN / HEADS;
        // Tokens by 384 become heads by tokens by 32.
        let heads = |linear: &Linear| {
            linear.forward(hidden)?.reshape((tokens, HEADS, width))?.transpose(0, 1)?.contiguous()
        };
        let keys = heads(&self.key)?.transpose(D::Minus1, D::Minus2)?.contiguous()?;
        #[expect(clippy::cast_precision_loss, reason = "32 is exact")]
        let scores = (heads(&self.query)?.matmul(&keys)? / (width as f64).sqrt())?;
        let mixed = softmax_last_dim(&scores)?.matmul(&heads(&self.value)?)?;
        mixed.transpose(0, 1)?.contiguous()?.reshape((tokens, HIDDEN))
    }
}

fn linear(weights: &Weights, name: &str, from: usize, to: usize) -> Result<Linear> {
    let weight = weights.matrix(&format!("{name}.weight"), to, from)?;
    Ok(Linear::new(weight, Some(weights.vector(&format!("{name}.bias"), to)?)))
}

fn norm(weights: &Weights, name: &str) -> Result<LayerNorm> {
    let weight = weights.vector(&format!("{name}.weight"), HIDDEN)?;
    Ok(LayerNorm::new(weight, weights.vector(&format!("{name}.bias"), HIDDEN)?, EPSILON))
}
