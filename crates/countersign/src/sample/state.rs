//! The folder that holds the server's state, and the lock that every process over it takes.
//!
//! State is reachable only through a lock: [`View`] reads, [`Change`] also writes. A table is one JSON file, replaced as
//! a whole; a journal is a file of JSON lines. What a write returned from is on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::ToolError;

const LOCK: &str = ".lock";
const PENDING: &str = ".pending";

/// The state folder.
pub(super) struct Root {
    folder: PathBuf,
}

/// The state, shared with other readers for as long as this lives.
pub(super) struct View {
    folder: PathBuf,
    _lock: File,
}

/// The state, held alone for as long as this lives.
pub(super) struct Change(View);

impl Root {
    /// Opens the folder, making it where it is absent.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.canonicalize()? })
    }

    /// Runs `fill` alone over the state, before anything is served.
    pub(super) fn prepare(&self, fill: impl FnOnce(&Change) -> io::Result<()>) -> io::Result<()> {
        fill(&self.change()?)
    }

    /// Waits until nobody writes.
    pub(super) fn view(&self) -> io::Result<View> {
        let lock = self.lock_file()?;
        lock.lock_shared()?;
        Ok(View { folder: self.folder.clone(), _lock: lock })
    }

    /// Waits until nobody reads or writes.
    pub(super) fn change(&self) -> io::Result<Change> {
        let lock = self.lock_file()?;
        lock.lock()?;
        Ok(Change(View { folder: self.folder.clone(), _lock: lock }))
    }

    /// Opened anew for every call, because a lock belongs to an open file: two threads exclude each other as two
    /// processes do.
    fn lock_file(&self) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join(LOCK))
    }
}

impl View {
    /// Whether a file or folder of this name exists.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    /// The path of something in the state folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Reads a table.
    pub(super) fn table<T: DeserializeOwned>(&self, name: &str) -> Result<T, ToolError> {
        fs::read(self.folder.join(name))
            .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .map_err(ToolError::disk(format!("read {name}")))
    }

    /// Reads a journal; one that nobody has written yet is empty.
    pub(super) fn journal<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, ToolError> {
        if !self.holds(name) {
            return Ok(Vec::new());
        }
        fs::read_to_string(self.folder.join(name))
            .and_then(|text| text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect())
            .map_err(ToolError::disk(format!("read {name}")))
    }
}

impl Change {
    /// Replaces a table.
    pub(super) fn save<T: Serialize>(&self, name: &str, table: &T) -> io::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(table)?;
        bytes.push(b'\n');
        self.replace(name, &bytes)
    }

    /// Starts a journal with these entries.
    pub(super) fn start<T: Serialize>(&self, name: &str, entries: &[T]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut bytes, entry)?;
            bytes.push(b'\n');
        }
        self.replace(name, &bytes)
    }

    /// Appends one entry to a journal.
    pub(super) fn append<T: Serialize>(&self, name: &str, entry: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let is_new = !self.holds(name);
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.join(name))?;
        file.write_all(&line)?;
        file.sync_data()?;
        if is_new { self.sync() } else { Ok(()) }
    }

    /// Puts `bytes` on disk under a name of their own, to be renamed into place: readers and crashes see the old content
    /// or the new, never half of it. Callers hold the lock, so one name is enough.
    pub(super) fn pending(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(PENDING);
        let mut file = File::create(&path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(path)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::rename(self.pending(bytes)?, self.folder.join(name))?;
        self.sync()
    }

    /// Makes renamed and new names durable.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

impl Deref for Change {
    type Target = View;

    fn deref(&self) -> &View {
        &self.0
    }
}
