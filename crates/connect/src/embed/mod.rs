//! The embedding model: paraphrase-MiniLM-L3-v2 (Apache-2.0), three layers, vectors of 384 numbers.
//!
//! ```text
//! folder --files--> bytes at their digests --weights--> tensors --bert--> vector --cache--> the port
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`files`] | which files, where they come from, whether they are the right ones |
//! | [`cache`] | the vectors of texts that were embedded before |
//! | `weights` | the 4-bit form of the weights, and back (feature `embed`) |
//! | `bert` | the layers (feature `embed`) |
//! | `minilm` | text to vector (feature `embed`) |

#[cfg(feature = "embed")]
mod bert;
pub mod cache;
pub mod files;
#[cfg(feature = "embed")]
mod minilm;
#[cfg(feature = "embed")]
mod weights;

use std::path::Path;
use std::sync::Arc;

use countersign_engine::ports::Embedder;

pub use cache::Cached;
#[cfg(feature = "embed")]
pub use minilm::MiniLm;

/// Whether this build can run a model.
pub const RUNS: bool = cfg!(feature = "embed");

/// Vectors that are kept: some 1.5 KiB each.
#[cfg(feature = "embed")]
const CACHED: usize = 2_048;

/// Opens the model in a folder, with a cache before it. Takes about a tenth of a second and 30 MB.
///
/// # Errors
/// The model is not there, is another one, or this build cannot run one.
pub fn open(folder: &Path) -> Result<Arc<dyn Embedder>, OpenError> {
    let files = files::read(folder)?;
    run(&files)
}

#[cfg(feature = "embed")]
fn run(files: &files::Model) -> Result<Arc<dyn Embedder>, OpenError> {
    let model = MiniLm::load(files).map_err(|error| OpenError::Unfit(error.to_string()))?;
    Ok(Arc::new(Cached::new(model, CACHED)))
}

#[cfg(not(feature = "embed"))]
fn run(_: &files::Model) -> Result<Arc<dyn Embedder>, OpenError> {
    Err(OpenError::NotBuilt)
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its files are not there, or not the right ones.
    #[error(transparent)]
    Files(#[from] files::FilesError),
    /// This build has no feature `embed`.
    #[error("this build cannot run an embedding model; build it with `--features embed`")]
    NotBuilt,
    /// The files are the right ones and cannot be used all the same.
    #[error("the model cannot be loaded: {0}")]
    Unfit(String),
}
