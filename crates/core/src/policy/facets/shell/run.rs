//! What a command runs in turn.

use super::Found;
use super::options::{Options, after_options};
use super::tables::{INTERPRETERS, LOCAL, OPAQUE, SHELLS, WRAPPERS, Wrapper, is_trusted_name};
use super::word::{Word, is_name};

/// Arguments that only print something about a program.
const ABOUT: [&str; 5] = ["--help", "--version", "-V", "-h", "-v"];

const SHELL_OPTIONS: Options = Options {
    flags: "abefhiklmnpruvxBCEHPTc",
    valued: "",
    long_flags: &["--login", "--noediting", "--noprofile", "--norc", "--posix"],
    long_valued: &[],
};

const XARGS: Options = Options {
    flags: "0oprtx",
    valued: "adELnPs",
    long_flags: &["--null", "--no-run-if-empty", "--verbose", "--exit", "--interactive"],
    long_valued: &["--arg-file", "--delimiter", "--max-args", "--max-procs", "--max-lines", "--max-chars"],
};

impl Found {
    /// Records a command, its arguments, and what it runs.
    pub(super) fn run(&mut self, words: &[Word], depth: usize) {
        let [name, arguments @ ..] = words else { return };
        let Some(name) = name.text.as_deref() else {
            self.opaque = true;
            return;
        };
        if depth > super::DEEPEST {
            self.opaque = true;
            return;
        }
        let base = name.rsplit('/').next().unwrap_or(name);
        self.commands.extend([name.to_owned(), base.to_owned()]);
        arguments.iter().for_each(|word| self.arguments.add(word.text.as_deref()));
        self.hosts_in(base, arguments);
        if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == base) {
            return self.wrapped(wrapper, arguments, depth);
        }
        match base {
            _ if SHELLS.contains(&base) => self.shell(arguments, depth),
            _ if OPAQUE.binary_search(&base).is_ok() => self.opaque |= !is_about(arguments),
            _ if is_interpreter(base) => self.opaque |= !runs_a_file(base, arguments),
            "xargs" => self.appended(arguments, depth),
            "find" | "fdfind" | "fd" => self.find(arguments, depth),
            "trap" => self.trap(arguments, depth),
            "declare" | "export" | "local" | "readonly" | "typeset" => {
                self.opaque |= !declares_plainly(arguments)
            }
            "read" | "unset" | "getopts" | "mapfile" | "readarray" => {
                self.opaque |= !names_plainly(arguments)
            }
            "test" | "[" => self.opaque |= mentions(arguments, "-v") || mentions(arguments, "-R"),
            "printf" => {
                self.opaque |= arguments.first().is_none_or(|word| word.text.as_deref() == Some("-v"))
            }
            "set" | "shopt" => {}
            _ => self.careful(base, arguments, depth),
        }
    }

    /// A file that a redirection writes; the null device and the streams of the command are none.
    pub(super) fn writes_to(&mut self, word: &Word) {
        match word.text.as_deref() {
            Some("/dev/null" | "/dev/stdout" | "/dev/stderr" | "/dev/tty") => {}
            other => {
                other.iter().for_each(|path| self.device(path));
                self.redirects.add(other);
                self.hosts.partial |= other.is_none();
            }
        }
    }

    /// A file that a redirection reads.
    pub(super) fn reads_from(&mut self, word: &Word) {
        match word.text.as_deref() {
            Some("/dev/null" | "/dev/stdin" | "/dev/tty") => {}
            other => {
                other.iter().for_each(|path| self.device(path));
                self.reads.add(other);
                self.hosts.partial |= other.is_none();
            }
        }
    }

    fn wrapped(&mut self, wrapper: &Wrapper, arguments: &[Word], depth: usize) {
        let looks_up = |word: &Word| matches!(word.text.as_deref(), Some("-v" | "-V"));
        if wrapper.name == "command" && arguments.first().is_some_and(looks_up) {
            return;
        }
        if is_about(arguments) {
            return;
        }
        let Some(rest) = after_options(arguments, &wrapper.options) else {
            self.opaque = true;
            return;
        };
        let mut rest = rest.get(wrapper.operands..).unwrap_or_default();
        while let [first, after @ ..] = rest {
            let Some((name, _)) = first.text.as_deref().and_then(|text| text.split_once('=')) else { break };
            if !wrapper.assigns || !is_name(name) {
                break;
            }
            self.opaque |= is_trusted_name(name);
            rest = after;
        }
        // `nice -n 5` alone and `env` alone print; a shell of somebody else does not.
        self.run(rest, depth + 1);
    }

    fn shell(&mut self, arguments: &[Word], depth: usize) {
        if is_about(arguments) {
            return;
        }
        let Some(rest) = after_options(arguments, &SHELL_OPTIONS) else {
            self.opaque = true;
            return;
        };
        let given = arguments.iter().take(arguments.len() - rest.len());
        let program = given.filter_map(|word| word.text.as_deref());
        let inline = program.filter(|text| !text.starts_with("--")).any(|text| text.contains('c'));
        match rest {
            [first, ..] if inline => self.inner_program(first.text.as_deref(), depth),
            [first, ..] => self.opaque |= !is_file(first),
            [] => self.opaque = true,
        }
    }

    /// `xargs`: whatever is read is appended, which is harmless only for programs that run nothing.
    fn appended(&mut self, arguments: &[Word], depth: usize) {
        match after_options(arguments, &XARGS) {
            Some([]) => {
                self.commands.insert("echo".to_owned());
            }
            Some([name, rest @ ..]) if is_local(name) => {
                let mut words = vec![name.clone()];
                words.extend_from_slice(rest);
                words.push(Word::unknown());
                self.run(&words, depth + 1);
            }
            _ => self.opaque = true,
        }
    }

    fn find(&mut self, arguments: &[Word], depth: usize) {
        let mut rest = arguments;
        while let [first, after @ ..] = rest {
            rest = after;
            let runs = match first.text.as_deref() {
                Some("-exec" | "-execdir" | "-ok" | "-okdir") => true,
                // fd's own options that run something.
                Some("-x" | "-X" | "--exec" | "--exec-batch") => {
                    self.opaque = true;
                    return;
                }
                Some(_) => false,
                // An expansion could be one of them.
                None if first.quoted || first.head.is_empty() || first.head.starts_with('-') => {
                    self.opaque |= first.head.is_empty() || first.head.starts_with('-');
                    false
                }
                None => false,
            };
            if !runs {
                continue;
            }
            let end = |word: &Word| matches!(word.text.as_deref(), Some(";" | "+"));
            let length = rest.iter().position(end).unwrap_or(rest.len());
            let (inner, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            let filled = |word: &Word| {
                let holds = word.text.as_deref().is_some_and(|text| text.contains("{}"));
                if holds { Word::unknown() } else { word.clone() }
            };
            let inner: Vec<Word> = inner.iter().map(filled).collect();
            self.run(&inner, depth + 1);
            rest = after;
        }
    }

    fn trap(&mut self, arguments: &[Word], depth: usize) {
        match arguments.first().map(|word| word.text.as_deref()) {
            None | Some(Some("-" | "" | "-l" | "-p")) => {}
            Some(program) => self.inner_program(program, depth),
        }
    }
}

/// Whether all that is asked for is a version or help.
pub(super) fn is_about(arguments: &[Word]) -> bool {
    matches!(arguments, [one] if one.text.as_deref().is_some_and(|text| ABOUT.contains(&text)))
}

/// Whether some argument is this, or cannot be known.
pub(super) fn mentions(arguments: &[Word], text: &str) -> bool {
    arguments.iter().any(|word| word.text.as_deref().is_some_and(|word| word == text))
}

fn is_local(name: &Word) -> bool {
    let base = name.text.as_deref().map(|name| name.rsplit('/').next().unwrap_or(name));
    base.is_some_and(|base| LOCAL.binary_search(&base).is_ok())
}

fn is_interpreter(base: &str) -> bool {
    let unversioned = base.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.binary_search(&unversioned).is_ok()
}

/// `python tool.py`, `python -m venv`: what runs has a name.
fn runs_a_file(base: &str, arguments: &[Word]) -> bool {
    match arguments {
        [flag, module, ..] if base.starts_with("python") && flag.text.as_deref() == Some("-m") => {
            module.text.is_some()
        }
        [first, ..] => is_about(arguments) || is_file(first),
        [] => false,
    }
}

/// A file by its name, and no stream.
fn is_file(word: &Word) -> bool {
    word.text.as_deref().is_some_and(|text| {
        let stream = text.starts_with("/dev/") || text.starts_with("/proc/");
        !text.is_empty() && !text.starts_with(['-', '+']) && !stream && !text.contains("://")
    })
}

/// `export NAME=value` of a name that decides nothing; flags make numbers and references, which run expressions.
fn declares_plainly(arguments: &[Word]) -> bool {
    arguments.iter().all(|word| {
        let name = word.assigns().or_else(|| {
            let text = word.text.as_deref()?;
            Some(text.split_once('=').map_or(text, |(name, _)| name))
        });
        name.is_some_and(|name| {
            matches!(name, "-x" | "-r" | "-g" | "-p" | "-gx") || (is_name(name) && !is_trusted_name(name))
        })
    })
}

/// Names without subscripts, none of which decides anything.
fn names_plainly(arguments: &[Word]) -> bool {
    arguments.iter().all(|word| {
        word.text
            .as_deref()
            .is_some_and(|text| !text.contains('[') && !is_trusted_name(text) && !text.contains('C'))
    })
}
