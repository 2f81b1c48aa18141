//! The key folder: what signs receipts, and what seals disclosures.
//!
//! | file | holds | who may read it |
//! |---|---|---|
//! | `signing.key` | an Ed25519 key, PKCS#8 in PEM | its owner only (0600) |
//! | `signing.pub` | the public part, a line as [`countersign_receipt::keys`] reads it | everybody |
//! | `disclosure.key` | 32 random bytes in base64 | its owner only (0600) |
//!
//! A lost key is never replaced in silence: a new signing key would make the old receipts look foreign, and a new
//! disclosure key would leave what was sealed with the old one closed for good.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_receipt::keys::{PublicKey, thumbprint};
use countersign_receipt::sign::{Signer, SignerError};
use countersign_receipt::v1::Algorithm;
use zeroize::Zeroizing;

const SIGNING: &str = "signing.key";
const PUBLIC: &str = "signing.pub";
const DISCLOSURE: &str = "disclosure.key";
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// The keys of one installation, read from their folder.
#[derive(Debug)]
pub struct KeyFolder {
    path: PathBuf,
    signing: SigningKey,
    disclosure: DisclosureKey,
}

impl KeyFolder {
    /// Reads the folder; makes it, and the keys in it, when there is none yet. The folder is then readable by its
    /// owner only.
    ///
    /// # Errors
    /// When a key is unreadable, unsound or open to others, or when some of the keys were there before and are gone.
    pub fn open_or_create(path: &Path) -> Result<Self, KeysError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(path, error)),
            _ => closed(path, 0o022, 0o700)?,
        }
        let [signing, public, disclosure] = [SIGNING, PUBLIC, DISCLOSURE].map(|name| path.join(name));
        if !exists(&signing)? {
            if exists(&public)? {
                return Err(KeysError::Lost { path: signing, beside: public });
            }
            // The order matters: a disclosure key without a signing key was never used.
            if !exists(&disclosure)? {
                write_secret(&disclosure, &DisclosureKey::generate()?.to_text())?;
            }
            write_secret(&signing, &SigningKey::generate()?.to_pem()?)?;
        } else if !exists(&disclosure)? {
            return Err(KeysError::Lost { path: disclosure, beside: signing });
        }
        Self::open(path)
    }

    /// Reads the folder; changes nothing but a missing `signing.pub`, which it writes again.
    ///
    /// # Errors
    /// When a key is missing, unreadable, unsound or open to others, or `signing.pub` is of another key.
    pub fn open(path: &Path) -> Result<Self, KeysError> {
        closed(path, 0o022, 0o700)?;
        let signing = SigningKey::read(&path.join(SIGNING))?;
        let disclosure = DisclosureKey::read(&path.join(DISCLOSURE))?;
        let folder = Self { path: path.to_owned(), signing, disclosure };
        folder.publish()?;
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What signs receipts.
    #[must_use]
    pub const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// What seals disclosures.
    #[must_use]
    pub const fn disclosure(&self) -> &DisclosureKey {
        &self.disclosure
    }

    /// The public parts of all signing keys; the one in use is first.
    #[must_use]
    pub fn public_keys(&self) -> Vec<PublicKey> {
        vec![self.signing.public.clone()]
    }

    /// The keys apart, for those who own them from now on.
    #[must_use]
    pub fn into_parts(self) -> (SigningKey, DisclosureKey) {
        (self.signing, self.disclosure)
    }

    fn publish(&self) -> Result<(), KeysError> {
        let path = self.path.join(PUBLIC);
        let line = self.signing.public.to_line();
        match fs::read_to_string(&path) {
            Ok(text) if text.lines().any(|known| known.trim() == line.trim()) => Ok(()),
            Ok(_) => Err(KeysError::Other { path, signing: self.path.join(SIGNING) }),
            Err(error) if error.kind() == ErrorKind::NotFound => write_new(&path, &line, 0o644),
            Err(error) => Err(failed(&path, error)),
        }
    }
}

/// An Ed25519 key that signs receipts. Prints as its key id.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// A new key from the system's random source.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, KeysError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeysError::Random)?;
        Self::of(pair).ok_or(KeysError::Random)
    }

    /// The public part, under its key id (RFC 7638 thumbprint).
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    fn of(pair: Ed25519KeyPair) -> Option<Self> {
        let bytes: [u8; 32] = pair.public_key().as_ref().try_into().ok()?;
        let public = PublicKey::new(thumbprint(&bytes), &bytes).ok()?;
        Some(Self { pair, public })
    }

    fn read(path: &Path) -> Result<Self, KeysError> {
        let text = read_secret(path)?;
        let unsound = || KeysError::Unsound {
            path: path.to_owned(),
            form: "an Ed25519 key, PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it",
        };
        let body = text.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let body: Zeroizing<String> =
            Zeroizing::new(body.ok_or_else(unsound)?.split_ascii_whitespace().collect());
        let pkcs8 = Zeroizing::new(STANDARD.decode(body.as_bytes()).map_err(|_| unsound())?);
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).map_err(|_| unsound())?;
        Self::of(pair).ok_or_else(unsound)
    }

    fn to_pem(&self) -> Result<Zeroizing<String>, KeysError> {
        // The first version of PKCS#8 is the one that every tool reads.
        let pkcs8 = self.pair.to_pkcs8v1().map_err(|_| KeysError::Random)?;
        let body = Zeroizing::new(STANDARD.encode(pkcs8.as_ref()));
        Ok(Zeroizing::new(format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", body.as_str())))
    }
}

impl Signer for SigningKey {
    fn key_id(&self) -> &str {
        self.public.key_id()
    }

    fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let unusable =
            || SignerError("the key library refused to sign; restart, and look at the key file".to_owned());
        let signature = self.pair.try_sign(message).map_err(|_| unusable())?;
        signature.as_ref().try_into().map_err(|_| unusable())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("key_id", &self.public.key_id()).finish_non_exhaustive()
    }
}

/// The 32 bytes that seal disclosures. Prints nothing of itself.
#[derive(Clone)]
pub struct DisclosureKey(Zeroizing<[u8; 32]>);

impl DisclosureKey {
    /// A new key from the system's random source.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, KeysError> {
        let mut bytes = Zeroizing::new([0; 32]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| KeysError::Random)?;
        Ok(Self(bytes))
    }

    /// Reads `disclosure.key` of a key folder alone, for those who read a ledger and sign nothing.
    ///
    /// # Errors
    /// When it is missing, unsound or open to others.
    pub fn open(folder: &Path) -> Result<Self, KeysError> {
        Self::read(&folder.join(DISCLOSURE))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn read(path: &Path) -> Result<Self, KeysError> {
        let text = read_secret(path)?;
        let unsound = || KeysError::Unsound { path: path.to_owned(), form: "32 bytes in base64" };
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| unsound())?);
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| unsound())?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()) + "\n")
    }
}

impl fmt::Debug for DisclosureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisclosureKey")
    }
}

/// Keys that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// There is no such file.
    #[error("{0} does not exist; `countersign keys init` makes a key folder")]
    Missing(PathBuf),
    /// Others than the owner get at it.
    #[error("{path} has mode {mode:04o}, so others get at it; run: chmod {wanted:o} {path}", path = path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What they should be.
        wanted: u32,
    },
    /// A key is gone that was there before.
    #[error(
        "{} is gone, although {} is there; bring it back from a backup (to begin anew with other keys, use an empty folder)",
        path.display(), beside.display()
    )]
    Lost {
        /// The missing file.
        path: PathBuf,
        /// The file that shows it was there.
        beside: PathBuf,
    },
    /// The public file is of another key.
    #[error("{} is not the public part of {}; remove it if the key was replaced on purpose", path.display(), signing.display())]
    Other {
        /// The public file.
        path: PathBuf,
        /// The key.
        signing: PathBuf,
    },
    /// The file does not hold what it should.
    #[error("{} does not hold {form}", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        form: &'static str,
    },
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Failed {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// There is no randomness to make a key of.
    #[error("the system gives no randomness to make a key of")]
    Random,
}

fn failed(path: &Path, source: io::Error) -> KeysError {
    if source.kind() == ErrorKind::NotFound {
        KeysError::Missing(path.to_owned())
    } else {
        KeysError::Failed { path: path.to_owned(), source }
    }
}

fn exists(path: &Path) -> Result<bool, KeysError> {
    path.try_exists().map_err(|error| failed(path, error))
}

/// Refuses a path that has one of these permissions.
fn closed(path: &Path, forbidden: u32, wanted: u32) -> Result<(), KeysError> {
    let mode = fs::metadata(path).map_err(|error| failed(path, error))?.mode() & 0o7777;
    if mode & forbidden == 0 { Ok(()) } else { Err(KeysError::Open { path: path.to_owned(), mode, wanted }) }
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    closed(path, 0o077, 0o600)?;
    fs::read_to_string(path).map(Zeroizing::new).map_err(|error| failed(path, error))
}

fn write_secret(path: &Path, text: &Zeroizing<String>) -> Result<(), KeysError> {
    write_new(path, text, 0o600)
}

/// Writes a new file whole or not at all: a crash leaves no half key under its name.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), KeysError> {
    let draft = path.with_extension("new");
    let write = || {
        // What an interrupted start left behind was never in use.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link, unlike a rename, never replaces a key that somebody else has just made.
        fs::hard_link(&draft, path)?;
        fs::remove_file(&draft)?;
        File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
    };
    write().map_err(|error| failed(path, error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_folder_is_made_once_and_reads_back_the_same_keys() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys");
        assert!(matches!(KeyFolder::open(&path), Err(KeysError::Missing(_))));
        let made = KeyFolder::open_or_create(&path).unwrap();
        let again = KeyFolder::open_or_create(&path).unwrap();
        assert_eq!(made.signing().key_id(), again.signing().key_id());
        assert_eq!(made.disclosure().bytes(), again.disclosure().bytes());
        assert_eq!(DisclosureKey::open(&path).unwrap().bytes(), made.disclosure().bytes());
        assert_eq!(
            [mode(&path), mode(&path.join(SIGNING)), mode(&path.join(DISCLOSURE))],
            [0o700, 0o600, 0o600]
        );
        let left: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }

    #[test]
    fn what_is_signed_verifies_with_the_public_file() {
        let home = tempfile::tempdir().unwrap();
        let keys = KeyFolder::open_or_create(&home.path().join("keys")).unwrap();
        let text = fs::read_to_string(keys.path().join(PUBLIC)).unwrap();
        let set = countersign_receipt::keys::KeySet::parse(&text).unwrap();
        let signature = keys.signing().sign(b"receipt").unwrap();
        assert!(set.get(keys.signing().key_id()).unwrap().verifies(b"receipt", &signature));
        assert_eq!(keys.public_keys(), set.keys().cloned().collect::<Vec<_>>());
    }

    #[test]
    fn a_key_made_by_openssl_is_taken() {
        let home = tempfile::tempdir().unwrap();
        KeyFolder::open_or_create(home.path()).unwrap();
        let (signing, public) = (home.path().join(SIGNING), home.path().join(PUBLIC));
        // RFC 8410, section 10.3; the public key is in section 10.1.
        let pem = format!(
            "{PEM_BEGIN}\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n{PEM_END}\n"
        );
        fs::write(&signing, pem).unwrap();
        assert!(matches!(KeyFolder::open(home.path()), Err(KeysError::Other { .. })));
        fs::remove_file(&public).unwrap();
        let keys = KeyFolder::open(home.path()).unwrap();
        assert_eq!(
            STANDARD.encode(keys.signing().public().as_bytes()),
            "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
        );
    }

    #[test]
    fn keys_open_to_others_are_refused_with_the_command_that_closes_them() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys");
        KeyFolder::open_or_create(&path).unwrap();
        for name in [SIGNING, DISCLOSURE] {
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o640)).unwrap();
            let said = KeyFolder::open_or_create(&path).unwrap_err().to_string();
            assert!(said.ends_with(&format!("run: chmod 600 {}", path.join(name).display())), "{said}");
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        let said = KeyFolder::open(&path).unwrap_err().to_string();
        assert!(said.ends_with(&format!("run: chmod 700 {}", path.display())), "{said}");
    }

    #[test]
    fn a_lost_key_is_not_replaced_in_silence() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys");
        KeyFolder::open_or_create(&path).unwrap();
        fs::rename(path.join(DISCLOSURE), home.path().join("kept")).unwrap();
        assert!(matches!(KeyFolder::open_or_create(&path), Err(KeysError::Lost { .. })));
        fs::rename(home.path().join("kept"), path.join(DISCLOSURE)).unwrap();
        fs::remove_file(path.join(SIGNING)).unwrap();
        assert!(matches!(KeyFolder::open_or_create(&path), Err(KeysError::Lost { .. })));
    }

    #[test]
    fn an_interrupted_making_is_finished() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys");
        KeyFolder::open_or_create(&path).unwrap();
        let kept = DisclosureKey::open(&path).unwrap();
        fs::remove_file(path.join(SIGNING)).unwrap();
        fs::remove_file(path.join(PUBLIC)).unwrap();
        fs::write(path.join("signing.new"), "half").unwrap();
        assert_eq!(KeyFolder::open_or_create(&path).unwrap().disclosure().bytes(), kept.bytes());
    }

    #[test]
    fn secrets_print_nothing_of_themselves() {
        let keys = (SigningKey::generate().unwrap(), DisclosureKey::generate().unwrap());
        let said = format!("{keys:?}");
        let pem = keys.0.to_pem().unwrap();
        assert!(!said.contains(keys.1.to_text().trim()) && !said.contains(pem.lines().nth(1).unwrap()));
        assert!(said.contains("DisclosureKey") && said.contains(keys.0.key_id()));
    }

    #[test]
    fn files_that_hold_something_else_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys");
        KeyFolder::open_or_create(&path).unwrap();
        for (name, text) in [(DISCLOSURE, "c2hvcnQ="), (SIGNING, "nothing"), (DISCLOSURE, "?")] {
            let kept = fs::read(path.join(name)).unwrap();
            fs::write(path.join(name), text).unwrap();
            assert!(matches!(KeyFolder::open(&path), Err(KeysError::Unsound { .. })), "{name} {text}");
            fs::write(path.join(name), kept).unwrap();
        }
    }
}
