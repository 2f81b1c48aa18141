//! Whether a text leads outside the organisation: which domains its addresses and URLs name.
//!
//! Readers of addresses disagree with each other, so every place that any of them could take for a host is
//! looked at, and whatever is not plainly one of our own domains is outside.

use std::sync::Arc;

use crate::identity::Identity;

/// Mail providers whose domains many strangers share: the human's own address says nothing about them.
const SHARED: [&str; 22] = [
    "aol.com",
    "fastmail.com",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "outlook.com",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "web.de",
    "yahoo.com",
    "yandex.ru",
];

/// The domains that are not external.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own<'a> {
    /// Those that the policy lists.
    Listed(&'a [Arc<str>]),
    /// The one of the human's own address.
    Human(&'a str),
}

impl<'a> Own<'a> {
    /// The policy's list, else the domain of the human's id where that is an address at a domain of their own.
    pub(super) fn find(listed: &'a [Arc<str>], identity: &'a Identity) -> Option<Self> {
        if !listed.is_empty() {
            return Some(Self::Listed(listed));
        }
        let (_, domain) = identity.human.id.rsplit_once('@')?;
        let shared = SHARED.iter().any(|s| s.eq_ignore_ascii_case(domain));
        (is_domain(domain) && !shared).then_some(Self::Human(domain))
    }

    fn holds(self, host: &str) -> bool {
        match self {
            Self::Listed(domains) => domains.iter().any(|domain| is_at_or_below(host, domain)),
            Self::Human(domain) => is_at_or_below(host, domain),
        }
    }
}

/// Whether any address in the text is outside; `None` when there is no address in it.
pub(super) fn is_external(text: &str, own: Own<'_>) -> Option<bool> {
    let mut found = Found::of(own);
    found.read(text);
    found.any.then_some(found.outside)
}

/// Whether any address in the text is at or below one of these domains; `None` when there is no address in it, or
/// one that readers take in several ways and none that surely is.
pub(super) fn leads_to(text: &str, domains: &[Arc<str>]) -> Option<bool> {
    let mut found = Found::of(Own::Listed(domains));
    found.read(text);
    match found {
        Found { inside: true, .. } => Some(true),
        Found { any: false, .. } | Found { unclear: true, .. } => None,
        _ => Some(false),
    }
}

/// Whether this is a domain name of two labels or more, in ASCII, whose last label is no number.
pub(super) fn is_domain(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let mut labels = text.rsplit('.');
    let top = labels.next().unwrap_or_default();
    let named = top.len() >= 2 && label(top) && !top.starts_with(|c: char| c.is_ascii_digit());
    text.len() <= 253 && named && text.contains('.') && labels.all(label)
}

fn is_at_or_below(host: &str, domain: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let Some(cut) = host.len().checked_sub(domain.len()) else { return false };
    let (Some(above), Some(end)) = (host.get(..cut), host.get(cut..)) else { return false };
    end.eq_ignore_ascii_case(domain) && (above.is_empty() || above.ends_with('.'))
}

struct Found<'a> {
    own: Own<'a>,
    any: bool,
    inside: bool,
    outside: bool,
    /// Some reader may take a part of it for another host.
    unclear: bool,
}

impl<'a> Found<'a> {
    const fn of(own: Own<'a>) -> Self {
        Self { own, any: false, inside: false, outside: false, unclear: false }
    }

    /// Looks at the text, and at what is hidden in it by percent signs, as often as it was hidden, within reason.
    fn read(&mut self, text: &str) {
        self.scan(text);
        let mut hidden = unescape(text);
        for _ in 0..3 {
            let Some(plain) = hidden else { break };
            self.scan(&plain);
            hidden = unescape(&plain);
        }
    }

    fn host(&mut self, host: &str) {
        self.any = true;
        let inside = is_domain(host) && self.own.holds(host);
        self.inside |= inside;
        self.outside |= !inside;
    }

    fn unreadable(&mut self) {
        self.any = true;
        self.outside = true;
        self.unclear = true;
    }

    fn scan(&mut self, text: &str) {
        for (at, _) in text.match_indices('@') {
            self.after_at(text, at);
        }
        for token in
            text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>' | '"' | '\''))
        {
            self.token(token);
        }
    }

    /// What follows an `@` is a host, when something stands before it or the host has a dot.
    fn after_at(&mut self, text: &str, at: usize) {
        let before = text.get(..at).unwrap_or_default();
        let has_local = before.chars().next_back().is_some_and(|c| !c.is_whitespace() && !",;/".contains(c));
        let rest = text.get(at + 1..).unwrap_or_default().trim_start();
        let end = rest.find(|c: char| c.is_ascii() && !is_host_char(c)).unwrap_or(rest.len());
        let (host, after) = rest.split_at(end);
        if !has_local && !host.contains('.') && host.is_ascii() {
            return;
        }
        let ends_plainly =
            after.chars().next().is_none_or(|c| c.is_whitespace() || ",;>)]}\"'/?#:&|".contains(c));
        if ends_plainly { self.host(host) } else { self.unreadable() }
    }

    /// A URL, or a bare domain with or without port and path.
    fn token(&mut self, token: &str) {
        for (at, _) in token.match_indices("://") {
            let before = token.get(..at).unwrap_or_default();
            let scheme =
                before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '-' && c != '.');
            let scheme = scheme.into_iter().next().unwrap_or_default();
            let rest = token.get(at + 3..).unwrap_or_default();
            // `file:///path` names no host.
            if scheme.eq_ignore_ascii_case("file") && rest.starts_with('/') && !rest.starts_with("//") {
                continue;
            }
            self.authority(rest);
        }
        let bare = token.trim_start_matches(['/', '\\', '(', '[', '{']);
        match bare.split_once(':') {
            Some((scheme, rest)) if is_web_scheme(scheme) => self.authority(rest),
            Some((scheme, _)) if !scheme.contains(['.', '/', '\\', '?', '#', '@']) => {}
            _ if bare.contains("://") || bare.contains('@') => {}
            _ => self.bare_domain(bare),
        }
    }

    /// What stands between the slashes of a URL and its path.
    fn authority(&mut self, rest: &str) {
        let rest = rest.trim_start_matches('/');
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = rest.get(..end).unwrap_or_default();
        if authority.is_empty() || !authority.is_ascii() || authority.contains(['\\', '%', '[']) {
            return self.unreadable();
        }
        let host_and_port = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = host_and_port.split_once(':').unwrap_or((host_and_port, ""));
        if port.bytes().all(|b| b.is_ascii_digit()) { self.host(host) } else { self.unreadable() }
    }

    fn bare_domain(&mut self, token: &str) {
        let end = token.find(['/', '\\', '?', '#', ':', ')', ']', '}', '!']).unwrap_or(token.len());
        let host = token.get(..end).unwrap_or_default();
        let looks_like_one = host.is_ascii() && (is_domain(host) || is_ipv4(host));
        let foreign = !host.is_ascii() && host.contains(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']);
        if looks_like_one || foreign {
            self.host(host);
        }
    }
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// Schemes after which readers accept any number of slashes, even none.
fn is_web_scheme(scheme: &str) -> bool {
    ["http", "https", "ws", "wss", "ftp"].iter().any(|s| s.eq_ignore_ascii_case(scheme))
}

fn is_ipv4(host: &str) -> bool {
    let parts: Vec<&str> = host.split('.').collect();
    parts.len() == 4 && parts.iter().all(|p| p.parse::<u8>().is_ok())
}

/// The text with `%xx` decoded; `None` when it has none.
fn unescape(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut plain = Vec::new();
    let mut rest = 0;
    let mut changed = false;
    while let Some(byte) = bytes.get(rest) {
        match (byte, hex(bytes.get(rest + 1)), hex(bytes.get(rest + 2))) {
            (b'%', Some(high), Some(low)) => {
                plain.extend(u8::try_from(high * 16 + low).ok());
                rest += 3;
                changed = true;
            }
            _ => {
                plain.push(*byte);
                rest += 1;
            }
        }
    }
    changed.then(|| String::from_utf8_lossy(&plain).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Party;
    use crate::time::Time;

    fn external(text: &str) -> Option<bool> {
        is_external(text, Own::Listed(&["example.com".into(), "example.org".into()]))
    }

    #[test]
    fn our_own_addresses_are_inside() {
        for text in [
            "alice@example.com",
            "ALICE@EXAMPLE.COM",
            "alice@mail.example.com",
            "alice@example.com.",
            "Alice <alice@example.com>",
            "\"Doe, Alice\" <alice@example.com>",
            "alice@example.com, bob@example.org; carol@a.b.example.com",
            "mailto:alice@example.com?subject=Hello",
            "https://example.com",
            "https://wiki.example.com:8443/a/b?c=d#e",
            "HTTPS://EXAMPLE.COM/",
            "https://user:secret@example.com/x",
            "http:/example.com",
            "https:example.com",
            "//example.com/x",
            "example.com",
            "example.com.",
            "example.com:8080/path",
            "ssh://git@example.com:22/repo.git",
            "git@example.com:team/repo.git",
            "write to alice@example.com.",
        ] {
            assert_eq!(external(text), Some(false), "{text}");
        }
    }

    #[test]
    fn anything_that_leads_elsewhere_is_outside() {
        for text in [
            "eve@evil.com",
            "eve@notexample.com",
            "eve@example.com.evil.com",
            "eve@localhost",
            "Alice <eve@evil.com>",
            "alice@example.com <eve@evil.com>",
            "alice@example.com, eve@evil.com",
            "alice@example.com\r\nBcc: eve@evil.com",
            "alice@example.com eve@evil.com",
            "\"alice@example.com\"@evil.com",
            "mailto:alice@example.com?cc=eve@evil.com",
            "mailto:alice@example.com?cc=eve%40evil.com",
            "mailto:alice@example.com?cc=eve%2540evil.com",
            "eve@(remark)evil.com",
            "eve@ evil.com",
            "eve@[10.0.0.1]",
            "eve@exämple.com",
            "eve@example.com\u{3002}evil.com",
            "eve@example.com\u{200b}.evil.com",
            "eve@example.com%00.evil.com",
            "@evil.com",
            "https://evil.com",
            "https://example.com@evil.com",
            "https://example.com%40evil.com/",
            "https://example.com:secret@evil.com/",
            "https://example.com\\@evil.com",
            "https://evil.com\\@example.com",
            "https://evil.com\\.example.com/",
            "https:\\\\evil.com",
            "http:evil.com",
            "http:////evil.com",
            "//evil.com/x",
            "\\\\evil.com\\share",
            "https://example.com.evil.com",
            "https://ex\u{430}mple.com",
            "https://ｅxample.com",
            "https://example.com/redirect?to=https://evil.com",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://localhost/",
            "https:///",
            "10.0.0.1",
            "10.0.0.1:8080",
            "evil.com",
            "evil.com:8080/path",
            "evil.com/example.com",
            "example.com, evil.com",
            "s3://bucket/key",
            "git@evil.com:team/repo.git",
            "xn--exmple-cua.com",
        ] {
            assert_eq!(external(text), Some(true), "{text}");
        }
    }

    #[test]
    fn a_text_without_an_address_has_no_answer() {
        for text in [
            "",
            "hello",
            "#general",
            "@channel",
            "tel:+3912345",
            "42",
            "a b c",
            "localhost:80",
            "file:///etc/x",
        ] {
            assert_eq!(external(text), None, "{text}");
        }
    }

    #[test]
    fn without_a_list_the_humans_own_domain_counts_unless_strangers_share_it() {
        let identity = |human: &str| Identity {
            human: Party::named(human),
            service: Party::default(),
            agent: Party::default(),
            delegation: Vec::new(),
            source: "token".into(),
            validated_at: Time(0),
        };
        let alice = identity("alice@Example.com");
        assert_eq!(is_external("bob@example.COM", Own::find(&[], &alice).unwrap()), Some(false));
        assert_eq!(is_external("bob@example.org", Own::find(&[], &alice).unwrap()), Some(true));
        for unknown in ["alice", "alice@gmail.com", "alice@GMAIL.com", "alice@localhost", "alice@10.0.0.1"] {
            assert!(Own::find(&[], &identity(unknown)).is_none(), "{unknown}");
        }
        assert!(matches!(Own::find(&["a.com".into()], &alice), Some(Own::Listed(_))));
    }
}
