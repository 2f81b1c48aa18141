//! `url.*`: the parts of a URL, as WHATWG reads it, where other parsers read the same.
//!
//! Clients disagree about backslashes, tabs, missing or many slashes, several `@`, encoded hosts and letters that
//! only some fold; a URL with one of these has no answer, because the check and the request would not mean the
//! same host. A public name that resolves to a private address is beyond what a text can tell.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;
use url::{Host, Url};

use super::text_of;

/// Bytes of a URL at most.
const LONGEST: usize = 8 * 1024;

/// Schemes whose URLs name no host and no reader takes for `host:port`.
const WITHOUT_HOST: [&str; 11] =
    ["about", "blob", "cid", "data", "javascript", "mailto", "sms", "tel", "urn", "vbscript", "view-source"];

/// Ports that a scheme means when it names none, beside those of WHATWG.
const PORTS: [(&str, u16); 16] = [
    ("amqp", 5672),
    ("amqps", 5671),
    ("ftps", 990),
    ("git", 9418),
    ("imap", 143),
    ("imaps", 993),
    ("ldap", 389),
    ("ldaps", 636),
    ("mongodb", 27017),
    ("mysql", 3306),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("redis", 6379),
    ("rediss", 6379),
    ("sftp", 22),
    ("ssh", 22),
];

/// Names below these never lead to a public address, or lead to whichever address the name spells.
const LOCAL: [&str; 15] = [
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "localtest.me",
    "lvh.me",
    "nip.io",
    "private",
    "sslip.io",
    "xip.io",
];

/// The parts of a URL; each `None` is one that cannot be known.
#[derive(Debug)]
pub(super) struct Parts {
    /// Lower-case.
    pub(super) scheme: String,
    /// Lower-case, in punycode, without a last dot; IPv6 in brackets; empty for `file:///`.
    pub(super) host: Option<String>,
    /// Written, or the scheme's own.
    pub(super) port: Option<u16>,
    /// Whether the host is not on the public internet.
    pub(super) private: Option<bool>,
    /// Whether something stands before an `@`.
    pub(super) userinfo: Option<bool>,
    /// Decoded, without `.` and `..`.
    pub(super) path: Option<String>,
}

/// Reads a text as an absolute URL.
pub(super) fn read(value: &Value) -> Option<Parts> {
    let text = text_of(value, LONGEST)?.trim_matches(' ');
    if text.contains(|c: char| c.is_control() || is_unseen(c)) {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    if WITHOUT_HOST.contains(&&*scheme) {
        return Some(Parts { scheme, host: None, port: None, private: None, userinfo: None, path: None });
    }
    let rest = rest.strip_prefix("//")?;
    let (authority, path) = rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
    let path = path.get(..path.find(['?', '#']).unwrap_or(path.len()))?;
    if authority.contains(['\\', ' ']) || path.contains('\\') || authority.matches('@').count() > 1 {
        return None;
    }
    // More slashes lead to the same host here and to none elsewhere.
    if authority.is_empty() && scheme != "file" {
        return None;
    }
    let url = Url::parse(text).ok()?;
    if url.scheme() != scheme {
        return None;
    }
    if scheme == "file" {
        return file(&url, authority, path);
    }
    let written = authority.rsplit('@').next()?;
    let (host, private) = host(url.host_str()?, written)?;
    Some(Parts {
        port: url
            .port_or_known_default()
            .or_else(|| PORTS.iter().find(|(name, _)| *name == scheme).map(|p| p.1)),
        path: decoded(url.path(), path),
        userinfo: Some(authority.contains('@')),
        scheme,
        host,
        private,
    })
}

fn file(url: &Url, authority: &str, path: &str) -> Option<Parts> {
    if !matches!(authority, "" | "localhost") || path.starts_with("//") || !path.starts_with('/') {
        return None;
    }
    Some(Parts {
        scheme: "file".to_owned(),
        host: Some(String::new()),
        port: None,
        private: Some(true),
        userinfo: Some(false),
        path: decoded(url.path(), path),
    })
}

/// The host and whether it is private; nothing at all where parsers would go to different places.
fn host(parsed: &str, authority: &str) -> Option<(Option<String>, Option<bool>)> {
    let written = if authority.starts_with('[') {
        authority.split_inclusive(']').next()?
    } else {
        authority.split(':').next()?
    };
    if written.contains('%') || written.len() > 253 || !is_read_alike(written) {
        return None;
    }
    match Host::parse(parsed).ok()? {
        Host::Ipv6(address) => Some((Some(format!("[{address}]")), Some(is_private_v6(address)))),
        Host::Ipv4(address) => {
            // `010.0.0.1` is 8.0.0.1 to some and 10.0.0.1 to others.
            let plain = written.strip_suffix('.').unwrap_or(written);
            let octal = plain.split('.').any(|part| part.len() > 1 && part.starts_with('0') && !is_hex(part));
            let private = is_private_v4(address);
            if octal {
                return Some((None, private.then_some(true)));
            }
            Some((Some(address.to_string()), Some(private)))
        }
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
            if name.split('.').any(str::is_empty) {
                return None;
            }
            let private = is_local_name(&name);
            Some((Some(name), Some(private)))
        }
    }
}

fn is_hex(part: &str) -> bool {
    part.starts_with("0x") || part.starts_with("0X")
}

/// Whether every version of IDNA maps the name alike: nothing to fold but case, no letter that one of them drops.
fn is_read_alike(host: &str) -> bool {
    host.is_ascii()
        || (host.nfkc().eq(host.chars())
            && !host.contains(['ß', 'ẞ', 'ς', '\u{200c}', '\u{200d}', '\u{ad}', '\u{34f}'])
            && !host.contains(['\u{3002}', '\u{ff0e}', '\u{ff61}']))
}

/// Characters that show nothing: some parsers drop them.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{ad}' | '\u{a0}' | '\u{2028}' | '\u{2029}')
}

/// The path as a server sees it after decoding once; none where servers divide it differently.
fn decoded(path: &str, written: &str) -> Option<String> {
    let odd =
        path.contains("//") || written.contains(';') || !written.is_ascii() && written.contains('\u{2044}');
    let decoded = percent_decoded(path)?;
    let added = decoded.matches('/').count() != path.matches('/').count();
    let dots = decoded.split('/').any(|part| matches!(part, "." | ".."));
    let hides = decoded.contains(['\\', '%']) || decoded.contains(char::is_control);
    (!odd && !added && !dots && !hides).then_some(decoded)
}

/// `%xx` decoded once; `None` where that is no UTF-8 or a `%` stands alone.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        plain.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(plain).ok()
}

/// Whether a host name means this machine or a network of one's own.
pub(super) fn is_local_name(name: &str) -> bool {
    let below = |domain: &str| {
        name.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    !name.contains('.') || LOCAL.iter().any(|domain| below(domain))
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && matches!(b, 18 | 19))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let [first, second, ..] = parts;
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let embedded = match parts {
        // Mapped, compatible and translated addresses end in the IPv4 address that is meant.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    };
    embedded.is_some_and(is_private_v4)
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || (first & 0xfe00) == 0xfc00
        || (first & 0xff80) == 0xfe80
        || (first == 0x2001 && matches!(second, 0 | 0xdb8))
        || (first == 0x64 && second == 0xff9b && parts.get(2) == Some(&1))
        || (first == 0x100 && second == 0)
}
