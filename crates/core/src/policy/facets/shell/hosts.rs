//! Network targets among the arguments of commands.

use serde_json::Value;

use super::super::url;
use super::Found;
use super::options::{Options, operands};
use super::tables::{LOCAL, NETWORK};
use super::word::Word;

/// curl's options that take a value, and those that take none.
const CURL: Options = Options {
    flags: "0123456789#aBfgGiIjJklLMnNOpqRsSvVZ",
    valued: "AbcCdDeEFhHmoPQrtTuUwXyYz",
    long_flags: &[
        "--anyauth",
        "--basic",
        "--compressed",
        "--create-dirs",
        "--digest",
        "--fail",
        "--fail-with-body",
        "--get",
        "--globoff",
        "--head",
        "--http1.0",
        "--http1.1",
        "--http2",
        "--http3",
        "--include",
        "--insecure",
        "--ipv4",
        "--ipv6",
        "--location",
        "--location-trusted",
        "--negotiate",
        "--no-buffer",
        "--no-progress-meter",
        "--ntlm",
        "--parallel",
        "--progress-bar",
        "--remote-header-name",
        "--remote-name",
        "--remote-time",
        "--show-error",
        "--silent",
        "--ssl-reqd",
        "--tlsv1.2",
        "--tlsv1.3",
        "--trace-time",
        "--verbose",
        "--version",
    ],
    long_valued: &[
        "--cacert",
        "--capath",
        "--cert",
        "--ciphers",
        "--connect-timeout",
        "--continue-at",
        "--cookie",
        "--cookie-jar",
        "--data",
        "--data-ascii",
        "--data-binary",
        "--data-raw",
        "--data-urlencode",
        "--dump-header",
        "--form",
        "--form-string",
        "--header",
        "--json",
        "--key",
        "--limit-rate",
        "--max-filesize",
        "--max-redirs",
        "--max-time",
        "--oauth2-bearer",
        "--output",
        "--output-dir",
        "--range",
        "--rate",
        "--referer",
        "--request",
        "--retry",
        "--retry-delay",
        "--retry-max-time",
        "--upload-file",
        "--url",
        "--user",
        "--user-agent",
        "--write-out",
    ],
};

/// wget's, of the same kind.
const WGET: Options = Options {
    flags: "46bcdEFhHkKLmNpqrSvVx",
    valued: "aADIlOoPQRtTUwX",
    long_flags: &[
        "--continue",
        "--convert-links",
        "--debug",
        "--help",
        "--https-only",
        "--mirror",
        "--no-check-certificate",
        "--no-clobber",
        "--no-parent",
        "--no-verbose",
        "--page-requisites",
        "--quiet",
        "--recursive",
        "--server-response",
        "--show-progress",
        "--spider",
        "--timestamping",
        "--verbose",
        "--version",
    ],
    long_valued: &[
        "--accept",
        "--body-data",
        "--body-file",
        "--directory-prefix",
        "--header",
        "--level",
        "--limit-rate",
        "--method",
        "--output-document",
        "--output-file",
        "--password",
        "--post-data",
        "--post-file",
        "--reject",
        "--timeout",
        "--tries",
        "--user",
        "--user-agent",
        "--wait",
    ],
};

impl Found {
    /// Adds the hosts that a command's arguments name.
    pub(super) fn hosts_in(&mut self, base: &str, arguments: &[Word]) {
        if LOCAL.binary_search(&base).is_ok() {
            return;
        }
        for word in arguments {
            match &word.text {
                Some(text) => self.hosts_in_text(text),
                None => self.hosts.add(None),
            }
        }
        match base {
            "curl" => self.targets(operands(arguments, &CURL)),
            "wget" => self.targets(operands(arguments, &WGET)),
            "scp" | "rsync" => self.remote_files(arguments),
            _ if NETWORK.binary_search(&base).is_ok() => {
                let named = arguments.iter().filter_map(|word| word.text.as_deref());
                named
                    .filter(|text| may_be_host(text))
                    .for_each(|text| self.host(text.trim_start_matches('@')));
            }
            _ => {}
        }
    }

    /// `/dev/tcp/host/port`, which bash opens as a connection.
    pub(super) fn device(&mut self, path: &str) {
        let rest = path.strip_prefix("/dev/tcp/").or_else(|| path.strip_prefix("/dev/udp/"));
        if let Some(host) = rest.and_then(|rest| rest.split('/').next()) {
            self.host(host);
        }
    }

    fn targets(&mut self, operands: Option<Vec<&Word>>) {
        let Some(operands) = operands else { return self.hosts.add(None) };
        for word in operands {
            match word.text.as_deref() {
                Some(text) if text.contains("://") => {}
                Some(text) => self.host(text),
                None => self.hosts.add(None),
            }
        }
    }

    /// `host:path` and `user@host:path`; what has a slash before its colon is a local file.
    fn remote_files(&mut self, arguments: &[Word]) {
        for text in arguments.iter().filter_map(|word| word.text.as_deref()) {
            let Some((host, _)) = text.split_once(':') else { continue };
            if !host.contains('/') && !text.starts_with('-') && !text.contains("://") {
                self.host(host.rsplit('@').next().unwrap_or(host));
            }
        }
    }

    /// URLs anywhere in an argument, and `user@host:path`.
    fn hosts_in_text(&mut self, text: &str) {
        for (at, _) in text.match_indices("://") {
            let (before, _) = text.split_at_checked(at).unwrap_or_default();
            let scheme =
                before.rfind(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).map_or(0, |i| i + 1);
            let url = text.get(scheme..).unwrap_or_default();
            let end = url.find(|c: char| c.is_whitespace() || "\"'<>,;)]}".contains(c) && !url.contains('['));
            self.url(url.get(..end.unwrap_or(url.len())).unwrap_or_default());
        }
        if text.contains("://") {
            return;
        }
        let remote = text.split_once('@').and_then(|(user, rest)| Some((user, rest.split_once(':')?.0)));
        if let Some((user, host)) =
            remote.filter(|(user, _)| !user.is_empty() && !user.contains(['/', ' ', ':']))
        {
            let _ = user;
            if !host.is_empty() && !host.contains(['/', ' ']) {
                self.host(host);
            }
        }
    }

    fn url(&mut self, text: &str) {
        let host = url::read(&Value::from(text)).and_then(|url| url.host);
        match host.as_deref() {
            // `file:///` leads nowhere.
            Some("") => {}
            other => self.hosts.add(other),
        }
    }

    /// A host without a scheme, perhaps with a port and a path.
    pub(super) fn host(&mut self, text: &str) {
        let bare = text.rsplit('@').next().unwrap_or(text);
        self.url(&format!("http://{bare}"));
    }
}

/// Neither an option, a number nor a file.
fn may_be_host(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(['-', '/', '.', '+'])
        && !text.contains([' ', '='])
        && !text.contains("://")
        && !text.bytes().all(|b| b.is_ascii_digit())
}
