//! How a command fails: what kind of failure, what happened, what caused it, and what to do next.
//!
//! A *no* is not a failure: a receipt that does not verify is an answer, given as [`Exit::No`].

use std::error::Error;
use std::fmt;

use countersign_core::policy::Fault;

/// What a command's exit code says. The numbers are a promise to scripts; `docs/src/commands.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; or the answer is yes.
    Ok = 0,
    /// The answer is no: something did not verify, is not ready, was not found, or was refused.
    No = 1,
    /// The command line, or a file named on it, cannot be used.
    Usage = 2,
    /// The configuration, a credential or a policy is faulty.
    Configuration = 3,
    /// The daemon is away, or does not answer as one.
    Away = 4,
    /// The ledger or the keys cannot be used.
    Store = 5,
    /// A fault of this program.
    Bug = 70,
}

impl Exit {
    /// The word in JSON.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::No => "no",
            Self::Usage => "usage",
            Self::Configuration => "configuration",
            Self::Away => "away",
            Self::Store => "store",
            Self::Bug => "bug",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failed command. Never holds a secret or an argument of an action.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// What kind of failure.
    pub(crate) exit: Exit,
    /// What failed, in one line.
    pub(crate) message: String,
    /// Why, from the nearest cause to the farthest.
    pub(crate) causes: Vec<String>,
    /// Faults in files, with their places.
    pub(crate) faults: Vec<Fault>,
    /// What to do next.
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), faults: Vec::new(), hints: Vec::new() }
    }

    /// The answer is no.
    pub(crate) fn no(message: impl Into<String>) -> Self {
        Self::new(Exit::No, message)
    }

    /// The command line, or a file named on it, cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The configuration, a credential or a policy is faulty.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Exit::Configuration, message)
    }

    /// The daemon is away.
    pub(crate) fn away(message: impl Into<String>) -> Self {
        Self::new(Exit::Away, message)
    }

    /// The ledger or the keys cannot be used.
    pub(crate) fn store(message: impl Into<String>) -> Self {
        Self::new(Exit::Store, message)
    }

    /// A fault of this program.
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(Exit::Bug, message)
            .hint("this should not happen; please report it with the command that you ran")
    }

    /// Adds an error and everything that caused it.
    pub(crate) fn cause(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let said = error.to_string();
            // Many errors already say what their source says.
            if !self.causes.last().is_some_and(|last| last.contains(&said)) {
                self.causes.push(said);
            }
            next = error.source();
        }
        self
    }

    /// Adds faults in files.
    pub(crate) fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CommandError {}
