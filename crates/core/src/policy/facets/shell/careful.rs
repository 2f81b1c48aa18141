//! Programs that run what some of their arguments say.

use super::Found;
use super::options::{Options, after_options};
use super::run::{is_about, mentions};
use super::word::Word;

/// ssh's options.
const SSH: Options = Options {
    flags: "46AaCfGgKkMNnqsTtVvXxYy",
    valued: "BbcDEeIiLlmOopQRSWw",
    long_flags: &[],
    long_valued: &[],
};

/// What git does by itself, hooks aside.
const GIT: [&str; 50] = [
    "add",
    "am",
    "apply",
    "archive",
    "blame",
    "branch",
    "cat-file",
    "check-ignore",
    "checkout",
    "cherry-pick",
    "clean",
    "clone",
    "commit",
    "describe",
    "diff",
    "diff-tree",
    "fetch",
    "for-each-ref",
    "format-patch",
    "fsck",
    "gc",
    "grep",
    "init",
    "log",
    "ls-files",
    "ls-remote",
    "ls-tree",
    "merge",
    "merge-base",
    "mv",
    "notes",
    "prune",
    "pull",
    "push",
    "rebase",
    "reflog",
    "remote",
    "reset",
    "restore",
    "rev-list",
    "rev-parse",
    "revert",
    "rm",
    "shortlog",
    "show",
    "stash",
    "status",
    "switch",
    "tag",
    "worktree",
];

impl Found {
    /// What such a program runs; every other program runs itself.
    pub(super) fn careful(&mut self, base: &str, arguments: &[Word], depth: usize) {
        let safe = match base {
            "git" => is_plain_git(arguments),
            "sed" | "gsed" => is_plain_sed(arguments),
            "awk" | "gawk" | "mawk" | "nawk" => is_plain_awk(arguments),
            "ssh" => return self.ssh(arguments, depth),
            "tar" | "bsdtar" | "gtar" => avoids(
                arguments,
                &[
                    "--checkpoint-action",
                    "--to-command",
                    "--use-compress-program",
                    "--rsh-command",
                    "--info-script",
                    "--new-volume-script",
                    "--rmt-command",
                    "-I",
                    "-F",
                ],
            ),
            "scp" | "sftp" | "rsync" => {
                avoids(arguments, &["-o", "-S", "-D", "-F", "-e", "--rsh", "--rsync-path", "-b"])
            }
            "curl" => avoids(arguments, &["-K", "--config", "--engine"]),
            "wget" => avoids(arguments, &["--use-askpass", "--config", "-e", "--execute"]),
            "nc" | "ncat" | "netcat" => avoids(arguments, &["-e", "-c", "--exec", "--sh-exec", "--lua-exec"]),
            "make" | "gmake" => {
                avoids(arguments, &["--eval", "-E", "SHELL"])
                    && !mentions(arguments, "-")
                    && !mentions(arguments, "/dev/stdin")
            }
            "psql" | "mysql" | "mariadb" | "sqlite3" => is_plain_client(base, arguments),
            "zip" => avoids(arguments, &["-TT", "--unzip-command"]),
            "tcpdump" => avoids(arguments, &["-z"]),
            "nmap" => avoids(arguments, &["--script", "--interactive"]),
            "sort" => avoids(arguments, &["--compress-program"]),
            "split" => avoids(arguments, &["--filter"]),
            "less" | "more" | "man" => avoids(arguments, &["+", "-P", "-k", "-H", "--pager", "--html"]),
            "rg" => avoids(arguments, &["--pre", "--hostname-bin"]),
            _ => true,
        };
        self.opaque |= !safe && !is_about(arguments);
    }

    /// `ssh host command`: the command is read by a shell on the other side.
    fn ssh(&mut self, arguments: &[Word], depth: usize) {
        let configured = |word: &Word| {
            word.text.as_deref().is_none_or(|text| {
                let text = text.to_ascii_lowercase();
                text.contains("command") && (text.starts_with("-o") || text.contains('='))
                    || text.contains("include") && text.contains('=')
            })
        };
        let Some(rest) = after_options(arguments, &SSH) else {
            self.opaque = true;
            return;
        };
        let options = arguments.iter().take(arguments.len() - rest.len());
        if options.clone().any(configured) {
            self.opaque = true;
        }
        let [host, command @ ..] = rest else { return };
        match host.text.as_deref() {
            Some(host) => self.host(host),
            None => self.hosts.add(None),
        }
        let words: Option<Vec<&str>> = command.iter().map(|word| word.text.as_deref()).collect();
        match words {
            // Without a command, what is typed or piped in runs.
            Some(words) if words.is_empty() => self.opaque = true,
            Some(words) => self.inner_program(Some(&words.join(" ")), depth),
            None => self.opaque = true,
        }
    }
}

/// Whether every argument is known and none is, or begins with, one of these options.
fn avoids(arguments: &[Word], options: &[&str]) -> bool {
    arguments.iter().all(|word| {
        let Some(text) = word.text.as_deref() else {
            // A pattern or a suffix after a name is no option.
            return !word.head.is_empty() && !word.head.starts_with('-');
        };
        !options.iter().any(|option| {
            let long = option.starts_with("--");
            // Long options may be shortened; letters may be joined.
            let shortened = long
                && text.len() > 3
                && text.starts_with("--")
                && option.starts_with(text.split('=').next().unwrap_or(text));
            let letter = option.strip_prefix('-').filter(|rest| rest.len() == 1);
            let joined = letter.is_some_and(|letter| {
                text.starts_with('-') && !text.starts_with("--") && text.contains(letter)
            });
            text.starts_with(option) || shortened || joined
        })
    })
}

fn is_plain_git(arguments: &[Word]) -> bool {
    let mut rest = arguments;
    let command = loop {
        let [first, after @ ..] = rest else { return true };
        match first.text.as_deref() {
            Some("-C") => rest = after.get(1..).unwrap_or_default(),
            Some("--no-pager" | "--bare" | "--literal-pathspecs" | "--no-optional-locks") => rest = after,
            Some(other) => {
                rest = after;
                break other;
            }
            None => return false,
        }
    };
    if command.starts_with('-') {
        return is_about(arguments);
    }
    let runs = |word: &Word| {
        let Some(text) = word.text.as_deref() else {
            return word.head.starts_with('-') || word.head.is_empty();
        };
        [
            "--exec",
            "--upload-pack",
            "--receive-pack",
            "--ext-diff",
            "--open-files",
            "--config",
            "--textconv",
            "--template",
            "--gpg",
        ]
        .iter()
        .any(|option| text.starts_with(option))
            || matches!(
                (command, text),
                ("rebase", "-x" | "-i") | ("clone" | "init", "-c" | "-u") | ("grep", "-O")
            )
            || text.contains("::")
    };
    GIT.binary_search(&command).is_ok() && !rest.iter().any(runs)
}

/// Substitutions, deletions and printing; sed can also run commands and write files.
fn is_plain_sed(arguments: &[Word]) -> bool {
    let mut scripts = Vec::new();
    let mut files = Vec::new();
    let mut rest = arguments;
    while let [first, after @ ..] = rest {
        rest = after;
        match first.text.as_deref() {
            Some("-e" | "--expression") => {
                let [script, after @ ..] = rest else { return false };
                scripts.push(script);
                rest = after;
            }
            Some(
                "-n" | "-E" | "-r" | "-s" | "-z" | "-u" | "-ne" | "-nE" | "-nr" | "--quiet" | "--silent"
                | "--regexp-extended",
            ) => {
                if first.text.as_deref() == Some("-ne") {
                    scripts.extend(rest.first());
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
            Some(text) if text.starts_with("-i") || text.starts_with("--in-place") => {}
            Some(text) if text.starts_with('-') => return false,
            None if !first.quoted && first.head.is_empty() => files.push(first),
            _ => files.push(first),
        }
    }
    if scripts.is_empty() && !files.is_empty() {
        scripts.push(files.remove(0));
    }
    let options = |word: &&Word| word.text.is_none() && (word.head.is_empty() || word.head.starts_with('-'));
    !files.iter().any(options)
        && scripts.iter().all(|script| script.text.as_deref().is_some_and(is_plain_script))
}

fn is_plain_script(script: &str) -> bool {
    script.split([';', '\n']).all(|one| {
        let one = one.trim();
        let one = one.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ',' | '$' | ' '));
        let one = match one.strip_prefix('/') {
            Some(rest) => rest.rsplit_once('/').map_or("", |(_, rest)| rest),
            None => one,
        };
        match one.strip_prefix('s') {
            Some(rest) => {
                let Some(mark) = rest.chars().next().filter(char::is_ascii_punctuation) else { return false };
                let parts: Vec<&str> = rest.split(mark).collect();
                let [_, _, _, flags] = parts.as_slice() else { return false };
                flags.chars().all(|c| "gpiIm0123456789".contains(c)) && !rest.contains(&*format!("\\{mark}"))
            }
            None => matches!(one, "p" | "d" | "q" | "=" | ""),
        }
    })
}

/// Programs that only compute and print: awk can also run commands and write files.
fn is_plain_awk(arguments: &[Word]) -> bool {
    arguments.iter().enumerate().all(|(at, word)| {
        let Some(text) = word.text.as_deref() else {
            return at > 0 && !word.head.is_empty() && !word.head.starts_with('-');
        };
        let option = text.starts_with('-')
            && !matches!(text, "-F" | "-v" | "--")
            && !text.starts_with("-F")
            && !text.starts_with("-v");
        !option
            && !["system", "|", "getline", ">", "@", "\\"]
                .iter()
                .any(|sign| text.contains(sign) && !text.starts_with("-F"))
    })
}

/// Statements on the command line or in a file, without the client's own commands that run programs.
fn is_plain_client(base: &str, arguments: &[Word]) -> bool {
    let text = |word: &Word| word.text.clone();
    let Some(texts) = arguments.iter().map(text).collect::<Option<Vec<String>>>() else { return false };
    let escapes = |text: &String| {
        let lower = text.to_lowercase();
        lower.contains('\\')
            || lower.contains(".sh")
            || lower.contains(".sys")
            || lower.contains("system")
            || lower.contains("program")
            || lower.contains("pager")
            || lower.contains("-cmd")
    };
    let given = match base {
        "sqlite3" => texts.iter().filter(|text| !text.starts_with('-')).count() > 1,
        _ => texts
            .iter()
            .any(|text| ["-c", "-e", "--command", "--execute"].iter().any(|option| text.starts_with(option))),
    };
    given && !texts.iter().any(escapes)
}
