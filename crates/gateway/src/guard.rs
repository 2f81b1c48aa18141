//! Who is let in at all: requests addressed to us, from pages that are ours. Against DNS rebinding and
//! cross-site requests, on every router that is served over TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, Uri, header};

use crate::api::Problem;
use crate::settings::Settings;

/// Requests turned away before anything was done for them, counted for `/metrics` and the summaries on record.
#[derive(Debug, Default)]
pub struct TurnedAway {
    unauthenticated: AtomicU64,
    forbidden: AtomicU64,
    misdirected: AtomicU64,
}

impl TurnedAway {
    /// A request without a token that we know.
    pub fn unauthenticated(&self) {
        self.unauthenticated.fetch_add(1, Ordering::Relaxed);
    }

    /// A request by a role that this is not for.
    pub fn forbidden(&self) {
        self.forbidden.fetch_add(1, Ordering::Relaxed);
    }

    /// A request addressed to another host, or from a page that is not ours.
    pub fn misdirected(&self) {
        self.misdirected.fetch_add(1, Ordering::Relaxed);
    }

    /// All counts since the start, by reason.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        BTreeMap::from([
            ("unauthenticated", read(&self.unauthenticated)),
            ("forbidden", read(&self.forbidden)),
            ("misdirected", read(&self.misdirected)),
        ])
    }
}

/// Why a request is not for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misdirected {
    /// No `Host`, more than one, or one that is no host name.
    #[error("the request does not say, in one `Host` header, which host it is addressed to")]
    NoHost,
    /// Another host.
    #[error("the request is addressed to a host that this gateway does not answer for")]
    Host,
    /// Another page.
    #[error("the request comes from a web page that is not this gateway's")]
    Origin,
}

/// Lets only requests through that are addressed to a loopback name or one of `settings.hosts`, and whose
/// `Origin`, if there is one, is such a host too; all others get 403.
pub fn own_hosts<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    settings: &Settings,
    turned_away: &Arc<TurnedAway>,
) -> Router<S> {
    let hosts: Arc<BTreeSet<String>> =
        Arc::new(settings.hosts.iter().map(|host| host.to_ascii_lowercase()).collect());
    router.layer(middleware::from_fn_with_state((hosts, Arc::clone(turned_away)), admit))
}

type Door = (Arc<BTreeSet<String>>, Arc<TurnedAway>);

async fn admit(State((hosts, turned_away)): State<Door>, request: Request, next: Next) -> Response {
    match check(request.headers(), request.uri(), &hosts) {
        Ok(()) => next.run(request).await,
        Err(why) => {
            turned_away.misdirected();
            let hint = "use http://127.0.0.1 or http://localhost, or add the name under `allowed_hosts` in the configuration";
            Problem::new(StatusCode::FORBIDDEN, "misdirected", why.to_string(), hint).into_response()
        }
    }
}

/// Whether a request is addressed to one of `hosts` (lower case) or a loopback name, from such a page or none.
///
/// # Errors
/// It is not.
pub fn check(headers: &HeaderMap, uri: &Uri, hosts: &BTreeSet<String>) -> Result<(), Misdirected> {
    let host = match (single(headers, &header::HOST)?, uri.authority()) {
        (Some(host), _) => host,
        // HTTP/2 and absolute-form requests name the host in the target.
        (None, Some(authority)) => authority.as_str(),
        (None, None) => return Err(Misdirected::NoHost),
    };
    let named = host_of(host).ok_or(Misdirected::NoHost)?;
    if !is_ours(&named, hosts) || uri.host().is_some_and(|target| !is_ours(&bare(target), hosts)) {
        return Err(Misdirected::Host);
    }
    let Some(origin) = single(headers, &header::ORIGIN).map_err(|_| Misdirected::Origin)? else {
        return Ok(());
    };
    let page = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).and_then(host_of);
    match page {
        Some(page) if is_ours(&page, hosts) => Ok(()),
        _ => Err(Misdirected::Origin),
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Misdirected> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Misdirected::NoHost),
        (Some(_), Some(_)) => Err(Misdirected::NoHost),
    }
}

/// The host of `host`, `host:port` or `[v6]:port`, in lower case.
fn host_of(written: &str) -> Option<String> {
    let authority: http::uri::Authority = written.parse().ok()?;
    let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    plain.then(|| bare(authority.host()))
}

fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

fn is_ours(host: &str, hosts: &BTreeSet<String>) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) || hosts.contains(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(host: &[&str], origin: Option<&str>) -> Result<(), Misdirected> {
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(header::HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(&headers, &Uri::from_static("/v1/actions"), &BTreeSet::from(["gate.example.com".to_owned()]))
    }

    #[test]
    fn only_our_own_names_are_answered_for() {
        for ours in
            ["127.0.0.1", "127.0.0.1:7080", "localhost:7080", "LOCALHOST", "[::1]:7080", "gate.example.com"]
        {
            assert_eq!(checked(&[ours], None), Ok(()), "{ours}");
        }
        for other in ["evil.example", "localhost.evil.example", "10.0.0.1", "0.0.0.0:7080", "[::]:7080"] {
            assert_eq!(checked(&[other], None), Err(Misdirected::Host), "{other}");
        }
        for none in [&[][..], &["localhost", "localhost"], &["user@localhost"], &["a b"]] {
            assert_eq!(checked(none, None), Err(Misdirected::NoHost), "{none:?}");
        }
    }

    #[test]
    fn a_page_of_somebody_else_is_turned_away() {
        for ours in
            ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:80", "https://gate.example.com"]
        {
            assert_eq!(checked(&["localhost"], Some(ours)), Ok(()), "{ours}");
        }
        for other in
            ["null", "https://evil.example", "file://", "http://localhost@evil.example", "localhost", ""]
        {
            assert_eq!(checked(&["localhost"], Some(other)), Err(Misdirected::Origin), "{other}");
        }
    }

    #[test]
    fn the_target_of_an_absolute_request_counts_too() {
        let mut headers = HeaderMap::new();
        let none = BTreeSet::new();
        let evil = Uri::from_static("http://evil.example/x");
        assert_eq!(check(&headers, &evil, &none), Err(Misdirected::Host));
        headers.insert(header::HOST, "localhost".parse().unwrap());
        assert_eq!(check(&headers, &evil, &none), Err(Misdirected::Host));
        assert_eq!(check(&headers, &Uri::from_static("http://localhost/x"), &none), Ok(()));
    }
}
