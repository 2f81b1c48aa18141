//! Token files: read, and refused when others get at them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The shortest token, in characters.
pub(crate) const SHORTEST: usize = 8;

/// Who else gets at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Its owner alone, by its own mode.
    Closed,
    /// Its owner alone, but only because a folder above it is closed.
    Sheltered,
    /// Other users of this machine can read it.
    Readable,
    /// Other users of this machine can change it.
    Writable,
}

/// Why a token file cannot be used. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Other users can change it, and so make themselves anybody.
    #[error("{} can be changed by other users (mode {mode:04o})", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no token.
    #[error("{} does not hold a token: {why}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
}

impl TokenError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Unreadable { path, source } if source.kind() == io::ErrorKind::NotFound => {
                format!("make one: (umask 077; openssl rand -hex 32 > {})", path.display())
            }
            Self::Unreadable { .. } => "it must be a text file that this user can read".to_owned(),
            Self::Open { path, .. } => format!("run: chmod 600 {}", path.display()),
            Self::Unfit { path, .. } => format!("make a new one: openssl rand -hex 32 > {}", path.display()),
        }
    }
}

/// Reads a token: the trimmed contents of a file.
///
/// # Errors
/// The file is missing, can be changed by other users, or holds no token. One that others can read is taken,
/// with a warning.
pub(crate) fn read_token(path: &Path) -> Result<String, TokenError> {
    let unreadable = |source| TokenError::Unreadable { path: path.to_owned(), source };
    match exposure(path).map_err(unreadable)? {
        Exposure::Closed | Exposure::Sheltered => {}
        Exposure::Readable => {
            let file = path.display();
            tracing::warn!("other users of this machine can read the token in {file}; run: chmod 600 {file}");
        }
        Exposure::Writable => {
            let mode = fs::metadata(path).map_err(unreadable)?.mode() & 0o7777;
            return Err(TokenError::Open { path: path.to_owned(), mode });
        }
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let token = text.trim();
    let unfit = |why| TokenError::Unfit { path: path.to_owned(), why };
    if token.chars().count() < SHORTEST {
        return Err(unfit("it has fewer than 8 characters"));
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(unfit("it has blanks or characters that no header can carry"));
    }
    Ok(token.to_owned())
}

/// Who else gets at a file: its own mode, unless a folder above it lets nobody else through.
pub(crate) fn exposure(path: &Path) -> io::Result<Exposure> {
    let real = path.canonicalize()?;
    let mode = fs::metadata(&real)?.mode();
    if mode & 0o066 == 0 {
        return Ok(Exposure::Closed);
    }
    for folder in real.ancestors().skip(1) {
        if fs::metadata(folder)?.mode() & 0o011 == 0 {
            return Ok(Exposure::Sheltered);
        }
    }
    Ok(if mode & 0o022 == 0 { Exposure::Readable } else { Exposure::Writable })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(folder: &Path, text: &str, mode: u32) -> PathBuf {
        let path = folder.join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_token_is_the_trimmed_contents() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read_token(&file(home.path(), " 0123456789abcdef\n", 0o600)).unwrap(), "0123456789abcdef");
    }

    #[test]
    fn a_file_that_others_can_change_is_refused_with_the_command_that_closes_it() {
        let home = tempfile::tempdir().unwrap();
        // What is above a temporary folder is closed on some machines; the test is about the mode of the file.
        let reachable =
            |folder: &Path| folder.ancestors().all(|f| fs::metadata(f).unwrap().mode() & 0o011 != 0);
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = file(home.path(), "0123456789abcdef", 0o640);
        if reachable(&home.path().canonicalize().unwrap()) {
            assert_eq!(exposure(&path).unwrap(), Exposure::Readable);
            assert!(read_token(&path).is_ok());
        }
        let path = file(home.path(), "0123456789abcdef", 0o660);
        if reachable(&home.path().canonicalize().unwrap()) {
            let error = read_token(&path).unwrap_err();
            assert_eq!(error.hint(), format!("run: chmod 600 {}", path.display()));
        }
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(exposure(&path).unwrap(), Exposure::Sheltered);
        assert_eq!(read_token(&path).unwrap(), "0123456789abcdef");
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_without_showing_it() {
        let home = tempfile::tempdir().unwrap();
        for text in ["short", "", "0123456789 abcdef", "0123456789abcdef\u{e9}"] {
            let error = read_token(&file(home.path(), text, 0o600)).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(
                matches!(error, TokenError::Unfit { .. }) && (text.is_empty() || !said.contains(text)),
                "{said}"
            );
        }
        assert!(read_token(&home.path().join("none")).unwrap_err().hint().contains("umask 077"));
    }
}
