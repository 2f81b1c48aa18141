//! The model's files, taken from the package that has them, and what is made of wrong ones.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[cfg(feature = "embed")]
mod embedding;

use std::fs;
use std::io::Write as _;

use countersign_connect::embed::files::{self, FilesError, TOKENIZER, WEIGHTS};
use countersign_core::drift::STARTING_MODEL;
use countersign_testkit::model::package;
use flate2::{Compression, write::GzEncoder};

/// An archive as registries give it out, of these files in a folder of its own.
fn archive(named: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, bytes) in named {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len().try_into().unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("package-1/assets/{name}"), *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn the_thresholds_of_core_are_for_the_pinned_model() {
    assert_eq!(files::model_hash(), STARTING_MODEL);
}

#[test]
fn the_model_is_taken_from_a_folder_a_file_or_an_archive_and_installed_whole() {
    let package = package();
    let model = files::read(&package).unwrap();
    for from in [package.join("assets"), package.join("assets").join(WEIGHTS.name)] {
        assert!(files::read(&from).unwrap() == model, "{}", from.display());
    }
    let folder = tempfile::tempdir().unwrap();
    let packed = archive(&[(WEIGHTS.name, model.weights()), (TOKENIZER.name, model.tokenizer())]);
    let path = folder.path().join("package.crate");
    fs::write(&path, &packed).unwrap();
    assert!(files::read(&path).unwrap() == model);
    let installed = folder.path().join("data/model");
    files::install(&model, &installed).unwrap();
    files::install(&model, &installed).unwrap();
    assert!(files::read(&installed).unwrap() == model);
    assert_eq!(fs::read_dir(&installed).unwrap().count(), 2, "nothing is left beside the files");
}

/// Whoever can write the folder can take the model away, not change what it says.
#[test]
fn one_other_byte_makes_it_another_file() {
    let package = package();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert!(matches!(files::read(folder.path()), Err(FilesError::Missing(_))));
    assert!(matches!(files::read(&path("nowhere")), Err(FilesError::Missing(_))));
    files::install(&files::read(&package).unwrap(), folder.path()).unwrap();
    for pinned in [TOKENIZER, WEIGHTS] {
        let right = fs::read(path(pinned.name)).unwrap();
        let mut wrong = right.clone();
        wrong[right.len() / 2] ^= 1;
        fs::write(path(pinned.name), &wrong).unwrap();
        assert!(
            matches!(files::read(folder.path()), Err(FilesError::Other { pinned: p, .. }) if p == pinned)
        );
        fs::write(path(pinned.name), &right).unwrap();
        fs::OpenOptions::new().append(true).open(path(pinned.name)).unwrap().write_all(b" ").unwrap();
        let error = files::read(folder.path()).err().unwrap().to_string();
        assert!(error.contains(pinned.sha256), "{error}");
        fs::write(path(pinned.name), &right).unwrap();
    }
}

#[test]
fn an_archive_without_the_model_or_with_another_is_refused() {
    let reason = |bytes: &[u8]| match files::unpack(bytes) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    };
    assert!(reason(b"no archive").contains("no archive with the model"));
    let tokenizer = fs::read(package().join("assets").join(TOKENIZER.name)).unwrap();
    let without = archive(&[(TOKENIZER.name, &tokenizer)]);
    assert!(reason(&without).contains("there is no model.safetensors in it"));
    let other = archive(&[(TOKENIZER.name, &tokenizer), (WEIGHTS.name, b"other weights")]);
    assert!(reason(&other).contains("model.safetensors is another file than the pinned"));
    assert!(!reason(&without[..without.len() / 2]).is_empty());
}
