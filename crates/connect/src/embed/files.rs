//! The model's files: pinned by digest, found in a folder or an archive, and put into place whole.
//!
//! Both are assets of the package `pocket-encoder` 0.1.2: the weights of paraphrase-MiniLM-L3-v2 in 4 bits, and its
//! tokenizer. Nothing else of an archive is kept, and nothing is taken by its name alone.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Where the archive with both files is published.
pub const PUBLISHED: &str = "https://static.crates.io/crates/pocket-encoder/pocket-encoder-0.1.2.crate";
/// What the model is called.
pub const NAME: &str = "paraphrase-MiniLM-L3-v2, 4-bit";
/// The longest archive that is read, in bytes, as it is and unpacked.
pub const LONGEST_ARCHIVE: u64 = 64 << 20;

/// The weights.
pub const WEIGHTS: Pinned = Pinned {
    name: "model.safetensors",
    bytes: 9_845_600,
    sha256: "dabb40d5d98a22372c8921acf048cb54bb8bf6d781b1233b2a360d5125789c7e",
};
/// The vocabulary and how texts are divided.
pub const TOKENIZER: Pinned = Pinned {
    name: "tokenizer.json",
    bytes: 466_248,
    sha256: "a9576e4dadfe7f78f071a1c00ba6902cc83ec6ed7e9b590ee974950bd4d54393",
};

/// A file that is right only with these exact bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// What it is called.
    pub name: &'static str,
    /// How long it is.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: &'static str,
}

/// The files of a model, as bytes at their digests: made only by [`read`] and [`unpack`].
#[derive(Clone, PartialEq, Eq)]
pub struct Model {
    weights: Vec<u8>,
    tokenizer: Vec<u8>,
}

impl Model {
    /// The weights.
    #[must_use]
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }

    /// The tokenizer, in JSON.
    #[must_use]
    pub fn tokenizer(&self) -> &[u8] {
        &self.tokenizer
    }
}

/// The name of the model, as distances and thresholds carry it.
#[must_use]
pub fn model_hash() -> String {
    format!("sha256:{}", WEIGHTS.sha256)
}

/// Reads the model from a folder that has both files, or has them in `assets/`; from one of the files, with the other
/// beside it; or from an archive.
///
/// # Errors
/// A file is missing, is another one, or cannot be read.
pub fn read(from: &Path) -> Result<Model, FilesError> {
    let unreadable = |error: io::Error| FilesError::Unreadable { path: from.to_owned(), why: error };
    let found = fs::metadata(from).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FilesError::Missing(from.to_owned()),
        _ => unreadable(error),
    })?;
    if found.is_dir() {
        let assets = from.join("assets");
        let folder = if assets.join(WEIGHTS.name).exists() { &assets } else { from };
        return folder_of(folder);
    }
    let named = |pinned: Pinned| from.file_name().is_some_and(|name| name == pinned.name);
    if named(WEIGHTS) || named(TOKENIZER) {
        return folder_of(from.parent().unwrap_or(Path::new(".")));
    }
    if found.len() > LONGEST_ARCHIVE {
        return Err(FilesError::NoArchive(format!("it is longer than {LONGEST_ARCHIVE} bytes")));
    }
    unpack(&fs::read(from).map_err(unreadable)?)
}

/// Takes the model out of an archive (`.crate`, `.tar.gz`): the two files in whatever folder they are.
///
/// # Errors
/// It is no such archive, is too long, or does not hold the right files.
pub fn unpack(archive: &[u8]) -> Result<Model, FilesError> {
    let unfit = |error: io::Error| FilesError::NoArchive(error.to_string());
    let plain = flate2::read::GzDecoder::new(archive).take(LONGEST_ARCHIVE);
    let mut archive = tar::Archive::new(plain);
    let (mut weights, mut tokenizer) = (None, None);
    for entry in archive.entries().map_err(unfit)? {
        let mut entry = entry.map_err(unfit)?;
        let name = entry.path().map_err(unfit)?.file_name().map(ToOwned::to_owned).unwrap_or_default();
        let place = match name.to_str() {
            Some(name) if name == WEIGHTS.name => &mut weights,
            Some(name) if name == TOKENIZER.name => &mut tokenizer,
            _ => continue,
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unfit)?;
        *place = Some(bytes);
    }
    let there = |bytes: Option<Vec<u8>>, pinned: Pinned| match bytes {
        Some(bytes) => pinned.check(bytes, Path::new(pinned.name)),
        None => Err(FilesError::NoArchive(format!("there is no {} in it", pinned.name))),
    };
    Ok(Model { weights: there(weights, WEIGHTS)?, tokenizer: there(tokenizer, TOKENIZER)? })
}

/// Puts the files into a folder, which is made where it is missing. Each is written beside its place and moved there
/// when it is on disk.
///
/// # Errors
/// The folder cannot be written.
pub fn install(model: &Model, folder: &Path) -> Result<(), FilesError> {
    let unwritable = |error: io::Error| FilesError::Unwritable { path: folder.to_owned(), why: error };
    fs::create_dir_all(folder).map_err(unwritable)?;
    for (pinned, bytes) in [(WEIGHTS, &model.weights), (TOKENIZER, &model.tokenizer)] {
        let mut beside = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
        beside.write_all(bytes).and_then(|()| beside.as_file().sync_all()).map_err(unwritable)?;
        beside.persist(folder.join(pinned.name)).map_err(|error| unwritable(error.error))?;
    }
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(unwritable)
}

fn folder_of(folder: &Path) -> Result<Model, FilesError> {
    Ok(Model { weights: WEIGHTS.read(folder)?, tokenizer: TOKENIZER.read(folder)? })
}

impl Pinned {
    fn read(self, folder: &Path) -> Result<Vec<u8>, FilesError> {
        let path = folder.join(self.name);
        let read = fs::File::open(&path).and_then(|file| {
            let mut bytes = Vec::new();
            // One byte more than there may be shows a longer file.
            file.take(self.bytes + 1).read_to_end(&mut bytes).map(|_| bytes)
        });
        match read {
            Ok(bytes) => self.check(bytes, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FilesError::Missing(path)),
            Err(error) => Err(FilesError::Unreadable { path, why: error }),
        }
    }

    fn check(self, bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, FilesError> {
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if digest == self.sha256 {
            return Ok(bytes);
        }
        Err(FilesError::Other { path: path.to_owned(), pinned: self })
    }
}

/// What is wrong with the model's files.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It is not there.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// It is there and cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
    /// It has other bytes than the ones that are pinned.
    #[error(
        "{} is another file than the pinned {} ({} bytes, SHA-256 {})",
        path.display(), pinned.name, pinned.bytes, pinned.sha256
    )]
    Other {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        pinned: Pinned,
    },
    /// It is neither a folder with the files nor an archive with them.
    #[error("it is no archive with the model: {0}")]
    NoArchive(String),
    /// The folder cannot be written.
    #[error("the model folder {} cannot be written", path.display())]
    Unwritable {
        /// Which folder.
        path: PathBuf,
        /// Why.
        #[source]
        why: io::Error,
    },
}
