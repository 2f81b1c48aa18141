//! Policy files: found, read, and loaded as one set.
//!
//! A file is named in receipts and faults by its path below the folder that the configuration lists, so that the same
//! policy has the same digest on every machine. Names that begin with a dot are passed over, and so are files of cases
//! (`NAME.test.yaml`); anything else that ends in `.yaml` or `.yml` belongs to the set, however deep it lies: a rule that
//! is not read would be a rule that does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::decision::Decision;
use countersign_core::names::ApproverGroup;
use countersign_core::policy::{Fault, PolicySet, RuleAction};

use crate::commands::policy::is_cases;
use crate::error::CommandError;

/// Deeper folders are a link that leads in a circle.
const DEEPEST: usize = 16;

/// The contents of policy files, by name, and where each lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    contents: Vec<(String, Vec<u8>)>,
    paths: BTreeMap<String, PathBuf>,
}

/// A file or folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub(crate) struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

impl Files {
    /// Reads files, and folders of them.
    ///
    /// # Errors
    /// The first that cannot be read: a part of the policies is no policy.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Unreadable> {
        let mut files = Self::default();
        for path in paths {
            if fs::metadata(path).map_err(|source| Unreadable { path: path.clone(), source })?.is_dir() {
                files.folder(path, path, 0)?;
            } else {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                files.file(name, path)?;
            }
        }
        Ok(files)
    }

    /// Loads what was read as one set.
    ///
    /// # Errors
    /// Everything that is wrong, each fault at the path of its file.
    pub(crate) fn assemble(&self) -> Result<PolicySet, Vec<Fault>> {
        self.assemble_with(None)
    }

    /// The same, with a default for a set in which no file writes one.
    ///
    /// # Errors
    /// As [`Self::assemble`].
    fn assemble_with(&self, otherwise: Option<Decision>) -> Result<PolicySet, Vec<Fault>> {
        PolicySet::assemble_with(self.contents.clone(), otherwise)
            .map_err(|faults| faults.into_iter().map(|fault| self.placed(fault)).collect())
    }

    /// Every file: where it lies and what it holds.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.contents
            .iter()
            .filter_map(|(name, bytes)| Some((self.paths.get(name)?.as_path(), bytes.as_slice())))
    }

    /// Where the file of this name lies; the name itself where there is none.
    pub(crate) fn path_of(&self, name: &Arc<str>) -> Arc<str> {
        self.paths.get(&**name).map_or_else(|| Arc::clone(name), |path| path.display().to_string().into())
    }

    /// The fault at the path of its file.
    pub(crate) fn placed(&self, fault: Fault) -> Fault {
        Fault { file: self.path_of(&fault.file), ..fault }
    }

    fn folder(&mut self, root: &Path, folder: &Path, depth: usize) -> Result<(), Unreadable> {
        let unreadable = |source| Unreadable { path: folder.to_owned(), source };
        if depth > DEEPEST {
            return Err(unreadable(io::Error::other("its folders are nested too deep, or link in a circle")));
        }
        let entries =
            fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
        for entry in entries {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let kind = fs::metadata(&path).map_err(|source| Unreadable { path: path.clone(), source })?;
            if kind.is_dir() {
                self.folder(root, &path, depth + 1)?;
            } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") && !is_cases(&path) {
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                self.file(name, &path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, name: String, path: &Path) -> Result<(), Unreadable> {
        let bytes = fs::read(path).map_err(|source| Unreadable { path: path.to_owned(), source })?;
        self.paths.insert(name.clone(), path.to_owned());
        self.contents.push((name, bytes));
        self.contents.sort();
        Ok(())
    }
}

/// Reads and loads a set; gives also what was read.
///
/// # Errors
/// A file cannot be read, or something in the set is wrong: then everything that is.
pub(crate) fn read_and_load(paths: &[PathBuf]) -> Result<(Files, PolicySet), CommandError> {
    read_and_load_with(paths, None)
}

/// The same, with a default for a set in which no file writes one.
///
/// # Errors
/// As [`read_and_load`].
pub(crate) fn read_and_load_with(
    paths: &[PathBuf],
    otherwise: Option<Decision>,
) -> Result<(Files, PolicySet), CommandError> {
    let files = Files::read(paths).map_err(|error| {
        CommandError::configuration("the policies cannot be read")
            .cause(&error)
            .hint("name readable files or folders under `policies` in the configuration")
    })?;
    if files.contents.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let said = format!("there is no policy file in {}", places.join(", "));
        return Err(CommandError::configuration(said)
            .hint("write one that ends in .yaml; docs/src/policy.md shows how, and `default: DENY` is the least it says"));
    }
    let set = files.assemble_with(otherwise).map_err(|faults| {
        CommandError::configuration("the policies are faulty, so none of them is used").faults(faults)
    })?;
    Ok((files, set))
}

/// Reads and loads a set.
///
/// # Errors
/// As [`read_and_load`].
pub(crate) fn load(paths: &[PathBuf]) -> Result<PolicySet, CommandError> {
    load_with(paths, None)
}

/// Reads and loads a set, with a default for one in which no file writes one.
///
/// # Errors
/// As [`read_and_load`].
pub(crate) fn load_with(paths: &[PathBuf], otherwise: Option<Decision>) -> Result<PolicySet, CommandError> {
    read_and_load_with(paths, otherwise).map(|(_, set)| set)
}

/// The groups that rules ask for approval and nobody is in: such a question would wait until it is refused.
pub(crate) fn unknown_groups(set: &PolicySet, known: &BTreeSet<String>) -> Vec<(Arc<str>, String)> {
    let mut unknown = Vec::new();
    for rule in set.rules() {
        let Some(RuleAction::StepUp(approvers)) = &rule.action else { continue };
        let unmet =
            |clause: &&BTreeSet<ApproverGroup>| !clause.iter().any(|group| known.contains(group.as_str()));
        for clause in approvers.clauses().iter().filter(unmet) {
            let groups: Vec<&str> = clause.iter().map(ApproverGroup::as_str).collect();
            unknown.push((rule.id.as_str().into(), groups.join(" or ")));
        }
    }
    let asks = |action: &RuleAction| matches!(action, RuleAction::StepUp(_));
    let by_default = matches!(set.default_decision(), Decision::StepUp(_));
    if known.is_empty()
        && unknown.is_empty()
        && (by_default || set.rules().iter().any(|r| r.action.iter().any(asks)))
    {
        unknown.push(("default".into(), "any approver".to_owned()));
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_below_a_folder_and_named_from_it() {
        let home = tempfile::tempdir().unwrap();
        let policies = home.path().join("policies");
        fs::create_dir_all(policies.join("team/.hidden")).unwrap();
        for name in ["b.yaml", "team/a.yml", "team/.hidden/x.yaml", ".swap.yaml", "readme.md"] {
            fs::write(policies.join(name), "x").unwrap();
        }
        let files = Files::read(std::slice::from_ref(&policies)).unwrap();
        let names: Vec<&str> = files.contents.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b.yaml", "team/a.yml"]);
        let one = Files::read(&[policies.join("team/a.yml")]).unwrap();
        assert_eq!(one.contents, [("a.yml".to_owned(), b"x".to_vec())]);
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_an_error_and_so_is_a_circle() {
        let home = tempfile::tempdir().unwrap();
        assert!(Files::read(&[home.path().join("none")]).is_err());
        std::os::unix::fs::symlink(home.path(), home.path().join("circle")).unwrap();
        assert!(Files::read(&[home.path().to_owned()]).is_err());
        fs::remove_file(home.path().join("circle")).unwrap();
        std::os::unix::fs::symlink("nowhere", home.path().join("gone.yaml")).unwrap();
        assert!(Files::read(&[home.path().to_owned()]).is_err());
    }
}
