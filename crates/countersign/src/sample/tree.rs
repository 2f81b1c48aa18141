//! Paths that stay inside one folder.
//!
//! A path is walked from the top one name at a time, each opened relative to the folder before it and never through a
//! symbolic link, so that no path and nobody who swaps a folder for a link in between leads outside. Every file has
//! exactly one spelling: `notes/today.txt`, never `./notes//today.txt`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::Serialize;

use super::call::ToolError;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder that paths do not leave.
pub(super) struct Tree {
    top: OwnedFd,
}

/// One thing in a folder.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    /// Path from the top folder.
    pub(super) path: String,
    /// What it is; only files can be read, written and deleted.
    pub(super) kind: Kind,
    /// Size of a file in bytes.
    pub(super) bytes: u64,
}

/// A file, a folder or something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    File,
    Folder,
    /// A symbolic link, device or the like, which this server does not touch.
    Other,
}

impl Tree {
    pub(super) fn open(top: &Path) -> Result<Self, ToolError> {
        match rustix::fs::openat(CWD, top, FOLDER, Mode::empty()) {
            Ok(top) => Ok(Self { top }),
            Err(errno) => Err(ToolError::disk("open its folder of files")(errno.into())),
        }
    }

    /// The text of a file.
    pub(super) fn read(&self, path: &str) -> Result<String, ToolError> {
        let (folder, name) = self.parent(path, false)?;
        // Without NONBLOCK the opening of a named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file =
            rustix::fs::openat(&folder, name, flags, Mode::empty()).map(File::from).map_err(at(path))?;
        if !file.metadata().map_err(ToolError::disk("look at the file"))?.is_file() {
            return Err(not_a_file(path));
        }
        let mut text = String::new();
        match file.read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(ToolError::Arguments(format!(
                "`{path}` is not UTF-8 text; this server reads text files only"
            ))),
            Err(error) => Err(ToolError::disk("read the file")(error)),
        }
    }

    /// Puts the file `pending` in the place of `path`, making the folders on the way; says whether it is new.
    pub(super) fn place(&self, pending: &Path, path: &str) -> Result<bool, ToolError> {
        let (folder, name) = self.parent(path, true)?;
        let is_new = match kind(&folder, name) {
            Ok((Kind::File, _)) => false,
            Ok(_) => return Err(not_a_file(path)),
            Err(Errno::NOENT) => true,
            Err(errno) => return Err(at(path)(errno)),
        };
        rustix::fs::renameat(CWD, pending, &folder, name).map_err(at(path))?;
        rustix::fs::fsync(&folder).map_err(at(path))?;
        Ok(is_new)
    }

    /// Removes a file.
    pub(super) fn remove(&self, path: &str) -> Result<(), ToolError> {
        let (folder, name) = self.parent(path, false)?;
        if kind(&folder, name).map_err(at(path))?.0 != Kind::File {
            return Err(not_a_file(path));
        }
        rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(at(path))?;
        rustix::fs::fsync(&folder).map_err(at(path))
    }

    /// Everything below `path` (the top when there is none), by path.
    pub(super) fn list(&self, path: Option<&str>) -> Result<Vec<Entry>, ToolError> {
        let names = path.map(split).transpose()?.unwrap_or_default();
        let shown = path.unwrap_or("the top folder");
        let folder = self.enter(&names, false, shown)?;
        let mut entries = Vec::new();
        gather(&folder, path.unwrap_or_default(), &mut entries).map_err(at(shown))?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// The folder that a path's last name stands in, and that name.
    fn parent<'p>(&self, path: &'p str, make: bool) -> Result<(OwnedFd, &'p str), ToolError> {
        let mut names = split(path)?;
        let name = names.pop().ok_or_else(|| not_a_file(path))?;
        Ok((self.enter(&names, make, path)?, name))
    }

    fn enter(&self, names: &[&str], make: bool, path: &str) -> Result<OwnedFd, ToolError> {
        let top = self.top.try_clone().map_err(ToolError::disk("open its folder of files"))?;
        names.iter().try_fold(top, |folder, name| {
            if make {
                match rustix::fs::mkdirat(&folder, *name, Mode::from_raw_mode(0o755)) {
                    Ok(()) => rustix::fs::fsync(&folder).map_err(at(path))?,
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(at(path)(errno)),
                }
            }
            rustix::fs::openat(&folder, *name, FOLDER, Mode::empty()).map_err(at(path))
        })
    }
}

/// The names of a path, or why it is none.
fn split(path: &str) -> Result<Vec<&str>, ToolError> {
    let names: Vec<&str> = path.split('/').collect();
    if path.contains('\0') || names.iter().any(|name| matches!(*name, "" | "." | "..")) {
        return Err(ToolError::Arguments(format!(
            "`{path}` is not a path of this server; write it relative to the top folder, as in `notes/today.txt`, \
             without a leading or doubled `/` and without `.` or `..`"
        )));
    }
    Ok(names)
}

fn kind(folder: impl AsFd, name: impl rustix::path::Arg) -> Result<(Kind, u64), Errno> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => (Kind::File, u64::try_from(stat.st_size).unwrap_or_default()),
        FileType::Directory => (Kind::Folder, 0),
        _ => (Kind::Other, 0),
    })
}

fn gather(folder: &OwnedFd, prefix: &str, entries: &mut Vec<Entry>) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let shown = OsStr::from_bytes(name.to_bytes()).to_string_lossy();
        let path = if prefix.is_empty() { shown.into_owned() } else { format!("{prefix}/{shown}") };
        let (kind, bytes) = kind(folder, name)?;
        if kind == Kind::Folder {
            gather(&rustix::fs::openat(folder, name, FOLDER, Mode::empty())?, &path, entries)?;
        }
        entries.push(Entry { path, kind, bytes });
    }
    Ok(())
}

fn not_a_file(path: &str) -> ToolError {
    ToolError::Arguments(format!("`{path}` is not a regular file; symbolic links and folders are refused"))
}

/// Says what an error of the operating system means for the path that was asked for.
fn at(path: &str) -> impl Fn(Errno) -> ToolError {
    move |errno| match errno {
        Errno::NOENT => {
            ToolError::Arguments(format!("there is no `{path}`; `list_files` shows what there is"))
        }
        Errno::LOOP | Errno::MLINK | Errno::NOTDIR => ToolError::Arguments(format!(
            "`{path}` leads through or to something that this server does not follow; symbolic links are refused"
        )),
        Errno::NAMETOOLONG => ToolError::Arguments(format!("`{path}` is too long for a path; shorten it")),
        Errno::ISDIR => not_a_file(path),
        other => ToolError::disk(format!("use `{path}`"))(other.into()),
    }
}
