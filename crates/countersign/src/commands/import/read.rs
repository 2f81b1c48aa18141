//! Reading the files of clients. They are JSON, with comments and trailing commas where VS Code wrote them.

use serde_json::{Map, Value as Json};

/// What a file lists.
pub(super) struct Found {
    /// The servers, under names that upstreams can have.
    pub(super) servers: Vec<Server>,
    /// Whether the file is VS Code's.
    pub(super) vscode: bool,
    /// What is to be known about them.
    pub(super) warnings: Vec<String>,
}

/// One server.
pub(super) struct Server {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Its environment or headers.
    pub(super) values: Vec<(String, Value)>,
}

/// How a server is reached.
pub(super) enum Kind {
    Command(Vec<String>),
    Url(String),
}

/// What a variable or header is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    FromEnv(String),
}

/// Reads a file.
///
/// # Errors
/// In words, why it is not a client's list of servers.
pub(super) fn servers(bytes: &[u8]) -> Result<Found, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    // The error of the JSON reader has a place and no content.
    let document: Json = serde_json::from_str(&plain(text)).map_err(|error| error.to_string())?;
    let mut found = Found { servers: Vec::new(), vscode: false, warnings: Vec::new() };
    let mut blocks = Vec::new();
    let user_settings = document.get("mcp").unwrap_or(&document);
    if let Some(servers) = user_settings.get("servers").and_then(Json::as_object) {
        found.vscode = true;
        blocks.push(servers);
    }
    blocks.extend(document.get("mcpServers").and_then(Json::as_object));
    let projects = document.get("projects").and_then(Json::as_object).into_iter().flatten();
    blocks.extend(projects.filter_map(|(_, project)| project.get("mcpServers")?.as_object()));
    if blocks.is_empty() {
        return Err("it has neither `mcpServers` nor `servers`".to_owned());
    }
    for (name, server) in blocks.into_iter().flatten() {
        found.add(name, server);
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, written: &str, server: &Json) {
        let Some(block) = server.as_object() else {
            return self.warn(written, "is not a block and was left out");
        };
        if block.get("disabled").and_then(Json::as_bool) == Some(true) {
            return self.warn(written, "is disabled and was left out");
        }
        let text = |key: &str| block.get(key).and_then(Json::as_str).map(str::to_owned);
        let (kind, values) = match (text("command"), text("url").or_else(|| text("serverUrl"))) {
            (Some(program), _) => {
                let arguments = block.get("args").and_then(Json::as_array).into_iter().flatten();
                let command = std::iter::once(program).chain(arguments.map(plain_text)).collect();
                (Kind::Command(command), "env")
            }
            (None, Some(url)) => (Kind::Url(url), "headers"),
            (None, None) => return self.warn(written, "has neither `command` nor `url` and was left out"),
        };
        let name = self.name(written);
        self.remark(written, block, &kind);
        let values = block
            .get(values)
            .and_then(Json::as_object)
            .map(|map| self.values(&name, map))
            .unwrap_or_default();
        self.servers.push(Server { name, kind, values });
    }

    fn warn(&mut self, server: &str, what: &str) {
        self.warnings.push(format!("server `{server}` {what}"));
    }

    /// What does not carry over.
    fn remark(&mut self, written: &str, block: &Map<String, Json>, kind: &Kind) {
        const KNOWN: &[&str] =
            &["type", "transport", "command", "args", "env", "url", "serverUrl", "headers", "disabled"];
        for key in block.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
            let what = match key.as_str() {
                "cwd" => "has `cwd`; here commands start in the configuration's folder",
                "envFile" => "has `envFile`, which is not read here; name the variables under `env`",
                _ => {
                    self.warn(written, &format!("has `{key}`, which is not carried over"));
                    continue;
                }
            };
            self.warn(written, what);
        }
        let transport = block.get("type").or_else(|| block.get("transport")).and_then(Json::as_str);
        if transport == Some("sse") {
            self.warn(written, "speaks the old SSE transport; the gateway needs its Streamable HTTP address");
        }
        let parts = match kind {
            Kind::Command(command) => command.join(" "),
            Kind::Url(url) => url.clone(),
        };
        if parts.contains("${") {
            self.warn(written, "has `${...}` in its command or address, which is not expanded here; write what it stands for");
        }
    }

    fn values(&mut self, name: &str, map: &Map<String, Json>) -> Vec<(String, Value)> {
        let mut values = Vec::new();
        for (key, json) in map {
            let text = plain_text(json);
            let value = value(&text);
            match &value {
                Value::FromEnv(variable) if text.contains("${input:") => {
                    let what = format!(
                        "asked for `{key}` when it started; set the environment variable {variable} for the daemon"
                    );
                    self.warn(name, &what);
                }
                Value::FromEnv(_) => {}
                Value::Text(text) if text.contains("${") => {
                    self.warn(
                        name,
                        &format!(
                            "has `${{...}}` in `{key}`, which is not expanded here; write what it stands for"
                        ),
                    );
                }
                Value::Text(text) if !text.is_empty() && is_secret(key) => {
                    let what = format!(
                        "has `{key}` in the clear, and so has the block now; better write `{{ from_env: NAME }}`"
                    );
                    self.warn(name, &what);
                }
                Value::Text(_) => {}
            }
            values.push((key.clone(), value));
        }
        values
    }

    /// The nearest name that an upstream can have and none has yet.
    fn name(&mut self, written: &str) -> String {
        let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let fitted: String = written.chars().map(fit).collect();
        let parts: Vec<&str> = fitted.split('-').filter(|part| !part.is_empty()).collect();
        let base = if parts.is_empty() { "server".to_owned() } else { parts.join("-") };
        let keep = written.replace('_', "-").to_ascii_lowercase() == base
            && !written.contains("__")
            && !written.ends_with('_');
        let base = if keep { written.to_ascii_lowercase() } else { base };
        let taken = |name: &str| self.servers.iter().any(|server| server.name == name);
        let mut name = base.clone();
        for number in 2.. {
            if !taken(&name) {
                break;
            }
            name = format!("{base}-{number}");
        }
        if name != written {
            self.warn(written, &format!("is named `{name}` here; policies use that name"));
        }
        name
    }
}

fn plain_text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// `${env:NAME}`, `${NAME}` and `${input:ID}` as a whole become variables of the daemon's environment.
fn value(text: &str) -> Value {
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let Some(inner) = inner.filter(|inner| !inner.contains(['{', '}'])) else {
        return Value::Text(text.to_owned());
    };
    let inner = inner.split_once(":-").map_or(inner, |(name, _)| name);
    let variable = match inner.split_once(':') {
        Some(("env", name)) => name.to_owned(),
        Some(("input", id)) => id.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_ascii_uppercase(),
        Some(_) => return Value::Text(text.to_owned()),
        None => inner.to_owned(),
    };
    let sound = !variable.is_empty() && variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if sound { Value::FromEnv(variable) } else { Value::Text(text.to_owned()) }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "token", "secret", "pass", "auth", "cred", "cookie", "dsn", "url"]
        .iter()
        .any(|word| name.contains(word))
}

/// JSON with comments and trailing commas as plain JSON; places stay where they were.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim_start_matches('\u{feff}').chars().peekable();
    let mut in_text = false;
    // Where the last comma stands, as long as only blanks and comments have followed it.
    let mut comma = None;
    while let Some(c) = rest.next() {
        if in_text {
            out.push(c);
            if c == '\\' {
                out.extend(rest.next());
            }
            in_text = c != '"';
            continue;
        }
        match (c, rest.peek()) {
            ('/', Some('/')) => while rest.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) => {
                let mut before = rest.next();
                for c in rest.by_ref() {
                    if before == Some('*') && c == '/' {
                        break;
                    }
                    if c == '\n' {
                        out.push('\n');
                    }
                    before = if before.is_none() { None } else { Some(c) };
                }
                out.push(' ');
            }
            _ => {
                if matches!(c, '}' | ']')
                    && let Some(at) = comma
                {
                    out.replace_range(at..=at, " ");
                }
                if !c.is_whitespace() {
                    comma = (c == ',').then_some(out.len());
                }
                in_text = c == '"';
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_read_and_texts_are_left_alone() {
        let text = "{ // one\n \"a\": [1, 2, /* , ] */ ], \"b//\": \"x /* y */ \\\"//\", /**/ }";
        let json: Json = serde_json::from_str(&plain(text)).unwrap();
        assert_eq!(json, serde_json::json!({ "a": [1, 2], "b//": "x /* y */ \"//" }));
        assert!(serde_json::from_str::<Json>(&plain("[1,,2]")).is_err());
    }

    #[test]
    fn whole_variables_become_variables_of_the_daemon() {
        let from = |name: &str| Value::FromEnv(name.to_owned());
        assert_eq!(value("${env:API_KEY}"), from("API_KEY"));
        assert_eq!(value("${API_KEY:-none}"), from("API_KEY"));
        assert_eq!(value("${input:api-key}"), from("API_KEY"));
        for text in ["Bearer ${API_KEY}", "${workspaceFolder:x}", "${}", "plain", "${a}${b}"] {
            assert_eq!(value(text), Value::Text(text.to_owned()));
        }
    }

    #[test]
    fn names_become_fit_and_stay_apart() {
        let text = r#"{"mcpServers": {"My Server!": {"command": "a"}, "my-server": {"command": "b"}, "a__b": {"url": "http://x"},
            "off": {"command": "c", "disabled": true}, "no": {}, "good_name": {"command": "d"}}}"#;
        let found = servers(text.as_bytes()).unwrap();
        let names: Vec<&str> = found.servers.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["my-server", "a-b", "good_name", "my-server-2"]);
        assert!(found.warnings.iter().any(|warning| warning.contains("disabled")));
    }
}
