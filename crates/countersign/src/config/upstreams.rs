//! The blocks `upstreams` and `wrappers`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_gateway::mcp::upstream::{UpstreamConfig, UpstreamKind};
use countersign_gateway::settings::{ToolDeclaration, UpstreamSettings, Wrapper};
use serde_saphyr::Spanned;

use super::check::{bytes, number, within};
use super::fault::Faults;
use super::file::{self, Entries, Value};

/// A checked upstream; values of `from_env` are still to be read.
pub(super) struct Upstream {
    settings: UpstreamSettings,
    from_env: Vec<FromEnv>,
}

/// A variable of the environment, and what its value is for.
struct FromEnv {
    setting: String,
    variable: Spanned<String>,
}

impl Upstream {
    /// How long one call may take.
    pub(super) fn call_limit(&self) -> Duration {
        self.settings.connection.as_ref().map_or(Duration::from_secs(60), |connection| connection.call_limit)
    }

    /// What is declared about its tools.
    pub(super) const fn all_declared(&self) -> &BTreeMap<String, ToolDeclaration> {
        &self.settings.tools
    }

    /// The program it is started with, and the folder that it starts in.
    pub(super) fn program(&self) -> Option<(&str, &Path)> {
        match &self.settings.connection.as_ref()?.kind {
            UpstreamKind::Stdio { command, cwd, .. } => Some((command.first()?, cwd)),
            UpstreamKind::Http { .. } => None,
        }
    }
}

/// Checks `upstreams:`.
pub(super) fn check(
    written: Entries<file::Upstream>,
    folder: &Path,
    faults: &mut Faults,
) -> BTreeMap<String, Upstream> {
    let mut upstreams = BTreeMap::new();
    for (name, upstream) in written.0 {
        check_name(&name, faults);
        let checked = one(&name, upstream, folder, faults);
        upstreams.insert(name.value, checked);
    }
    upstreams
}

/// Names become prefixes (`NAME__tool`) and the first part of `NAME.tool`; both must be read back in one way.
fn check_name(name: &Spanned<String>, faults: &mut Faults) {
    let text = name.value.as_str();
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let begins = text.bytes().next().is_some_and(letter);
    let sound = begins && text.bytes().all(|b| letter(b) || matches!(b, b'_' | b'-'));
    if !sound || text.contains("__") || text.ends_with('_') {
        let said = format!("`{text}` is not a name for an upstream");
        let hint =
            "use a-z, 0-9, `-` and single `_`, beginning with a letter or digit and not ending with `_`";
        faults.at(name, said, hint);
    }
}

fn one(name: &Spanned<String>, upstream: file::Upstream, folder: &Path, faults: &mut Faults) -> Upstream {
    let mut from_env = Vec::new();
    let labels: BTreeSet<Arc<str>> = labels(&upstream.labels, faults);
    let connection = connection(name, &upstream, folder, &mut from_env, faults).map(|connection| {
        UpstreamConfig { labels: labels.iter().map(ToString::to_string).collect(), ..connection }
    });
    if let Some(Err(error)) = connection.as_ref().map(UpstreamConfig::validate) {
        faults.at(name, error.to_string(), "correct the upstream's address, command, variables or headers");
    }
    let tools = upstream
        .tools
        .0
        .into_iter()
        .map(|(tool, declared)| (tool.value, declare(declared, faults)))
        .collect();
    Upstream { settings: UpstreamSettings { connection, labels, tools }, from_env }
}

fn labels(written: &[Spanned<String>], faults: &mut Faults) -> BTreeSet<Arc<str>> {
    for label in written.iter().filter(|label| label.value.trim().is_empty()) {
        faults.at(
            label,
            "a label is empty",
            "name a classification that your policy knows, as in `labels: [INTERNAL]`",
        );
    }
    written.iter().map(|label| label.value.as_str().into()).collect()
}

/// How it is reached; `None` for a wrapped one, and after a fault.
fn connection(
    name: &Spanned<String>,
    upstream: &file::Upstream,
    folder: &Path,
    from_env: &mut Vec<FromEnv>,
    faults: &mut Faults,
) -> Option<UpstreamConfig> {
    let wrapped = upstream.wrapped.as_ref().is_some_and(|wrapped| wrapped.value);
    let kind = match (&upstream.command, &upstream.url, wrapped) {
        (Some(command), None, false) => {
            stray(&upstream.headers, "headers", "a command has `env`", faults);
            UpstreamKind::Stdio {
                command: command_in(folder, &command.value),
                env: values(&upstream.env, "env", from_env),
                cwd: folder.to_owned(),
            }
        }
        (None, Some(url), false) => {
            stray(&upstream.env, "env", "a server with a `url` has `headers`", faults);
            UpstreamKind::Http {
                url: url.value.clone(),
                headers: values(&upstream.headers, "headers", from_env),
            }
        }
        (None, None, true) => {
            stray(&upstream.headers, "headers", "`wrap` starts the server, under its own user", faults);
            stray(&upstream.env, "env", "`wrap` starts the server with its own environment", faults);
            return None;
        }
        _ => {
            let said = format!("upstream `{}` must be reached in exactly one way", name.value);
            faults.at(
                name,
                said,
                "give it one of `command: [PROGRAM, ...]`, `url: https://...` and `wrapped: true`",
            );
            return None;
        }
    };
    let defaults = UpstreamConfig::new(&name.value, kind);
    let mut seconds = |written: &Option<Spanned<u64>>, key, default: Duration| {
        Duration::from_secs(number(written.as_ref(), key, 1..=86_400, default.as_secs(), faults))
    };
    Some(UpstreamConfig {
        call_limit: seconds(&upstream.call_limit, "call_limit", defaults.call_limit),
        start_limit: seconds(&upstream.start_limit, "start_limit", defaults.start_limit),
        max_response_bytes: bytes(upstream.max_response.as_ref(), "max_response", faults),
        shared: upstream.shared.as_ref().is_some_and(|shared| shared.value),
        ..defaults
    })
}

/// A program with a slash in its name is a path, and paths are relative to the file.
fn command_in(folder: &Path, command: &[String]) -> Vec<String> {
    let mut command = command.to_vec();
    if let Some(program) = command.first_mut().filter(|program| program.contains('/')) {
        *program = within(folder, Path::new(program)).to_string_lossy().into_owned();
    }
    command
}

fn stray(written: &Entries<Value>, key: &str, hint: &str, faults: &mut Faults) {
    if let Some((first, _)) = written.0.first() {
        faults.at(first, format!("`{key}` has no use here"), hint);
    }
}

fn values(written: &Entries<Value>, block: &str, from_env: &mut Vec<FromEnv>) -> BTreeMap<String, String> {
    let value = |(name, value): &(Spanned<String>, Value)| {
        let text = match value {
            Value::Text(text) => text.clone(),
            Value::FromEnv(variable) => {
                from_env
                    .push(FromEnv { setting: format!("{block}.{}", name.value), variable: variable.clone() });
                String::new()
            }
        };
        (name.value.clone(), text)
    };
    written.0.iter().map(value).collect()
}

fn declare(tool: file::Tool, faults: &mut Faults) -> ToolDeclaration {
    for selector in tool.selectors.iter().flatten() {
        pointer(selector, faults);
    }
    let selectors = tool.selectors.map(|list| list.into_iter().map(|selector| selector.value).collect());
    ToolDeclaration { effect: tool.effect, selectors }
}

fn pointer(written: &Spanned<String>, faults: &mut Faults) {
    if !written.value.starts_with('/') {
        let said = format!("`{}` is not a JSON pointer", written.value);
        faults.at(written, said, format!("begin it with a slash: `/{}`", written.value.replace('.', "/")));
    }
}

/// What is allowed and probably not meant.
pub(super) fn odd(upstreams: &BTreeMap<String, Upstream>, socket: bool, oddities: &mut Faults) {
    let wrapped = upstreams.iter().filter(|(_, upstream)| upstream.settings.connection.is_none());
    for (name, _) in wrapped.filter(|_| !socket) {
        let said = format!("upstream `{name}` is wrapped, and there is no socket to reach it by");
        oddities.whole(said, "add `socket: ./countersign.sock`");
    }
}

/// Checks `wrappers:`.
pub(super) fn wrappers(written: Entries<file::Wrapper>, faults: &mut Faults) -> BTreeMap<String, Wrapper> {
    let mut wrappers = BTreeMap::new();
    for (name, wrapper) in written.0 {
        for place in wrapper.server.iter().chain([&wrapper.tool, &wrapper.arguments]) {
            pointer(place, faults);
        }
        let file::Wrapper { server, tool, arguments } = wrapper;
        let checked = Wrapper {
            server: server.map(|server| server.value),
            tool: tool.value,
            arguments: arguments.value,
        };
        wrappers.insert(name.value, checked);
    }
    wrappers
}

/// Reads the variables and gives what the gateway is told of the upstreams.
pub(super) fn resolve(
    upstreams: &BTreeMap<String, Upstream>,
    environment: impl Fn(&str) -> Option<String>,
    faults: &mut Faults,
) -> BTreeMap<String, UpstreamSettings> {
    let mut resolved = BTreeMap::new();
    for (name, upstream) in upstreams {
        let mut settings = upstream.settings.clone();
        for FromEnv { setting, variable } in &upstream.from_env {
            let Some(value) = environment(&variable.value) else {
                let said = format!(
                    "the environment variable {} is not set (upstream `{name}`, {setting})",
                    variable.value
                );
                faults.at(variable, said, "set it where the daemon is started");
                continue;
            };
            put(&mut settings, setting, value);
        }
        if let Some(Err(error)) = settings.connection.as_ref().map(UpstreamConfig::validate) {
            faults.whole(error.to_string(), "look at the environment variables that it reads");
        }
        resolved.insert(name.clone(), settings);
    }
    resolved
}

fn put(settings: &mut UpstreamSettings, setting: &str, value: String) {
    let Some(connection) = &mut settings.connection else { return };
    let (values, name) = match (&mut connection.kind, setting.split_once('.')) {
        (UpstreamKind::Stdio { env, .. }, Some(("env", name))) => (env, name),
        (UpstreamKind::Http { headers, .. }, Some(("headers", name))) => (headers, name),
        _ => return,
    };
    values.insert(name.to_owned(), value);
}
