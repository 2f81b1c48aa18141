//! From the file as written to a checked configuration: everything that can be judged from the file alone.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_core::lifecycle::Limits;
use countersign_core::policy::Fault;
use countersign_core::time::Span;
use countersign_gateway::mcp::envelope;
use serde_saphyr::Spanned;

use super::fault::Faults;
use super::{Config, Read, credentials, drift, file, policy, upstreams};

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7080);
const HOUR: u64 = 3600;
const MONTH: u64 = 30 * 24 * HOUR;
const MIB: u64 = 1024 * 1024;

impl TryFrom<Read> for Config {
    type Error = Vec<Fault>;

    fn try_from(read: Read) -> Result<Self, Vec<Fault>> {
        let Read { path, folder, file } = read;
        let (mut faults, mut oddities) = (Faults::of(&path), Faults::of(&path));
        version(&file.version, &mut faults);
        let listen = listen(file.listen.as_ref(), &mut faults);
        let policies = policies(&file.policies, &folder, &mut faults);
        let policy_changes =
            policy::check(file.policy_changes.as_ref(), file.policy_bundle, &folder, &mut faults);
        let hosts = hosts(&file.allowed_hosts, &mut faults);
        let upstreams = upstreams::check(file.upstreams, &folder, &mut faults);
        let wrappers = upstreams::wrappers(file.wrappers, &mut faults);
        let socket = file.socket.map(|socket| within(&folder, &socket));
        let known: BTreeSet<&str> = upstreams.keys().map(String::as_str).collect();
        let holders = credentials::Blocks {
            identity: file.identity,
            hosts: file.hosts,
            auditors: file.auditors,
            operators: file.operators,
            approvers: file.approvers,
        };
        let held = credentials::check(holders, &folder, &mut faults);
        credentials::odd(&held, &known, socket.is_some(), &mut oddities);
        upstreams::odd(&upstreams, socket.is_some(), &mut oddities);
        let drift = drift::check(file.drift, &folder, &mut faults);
        let hold = number(file.hold.as_ref(), "hold", 0..=HOUR, 45, &mut faults);
        let times = times(&file.limits, &mut faults);
        let max_body = bytes(file.limits.max_body.as_ref(), "limits.max_body", &mut faults);
        let max_dependents =
            number(file.limits.max_dependents.as_ref(), "limits.max_dependents", 0..=10_000, 16, &mut faults);
        if !faults.is_empty() {
            return Err(faults.into_sorted());
        }
        let longest_call = upstreams.values().map(upstreams::Upstream::call_limit).max();
        let permit = longest_call.map_or(60, |limit| limit.as_secs()).saturating_add(30);
        Ok(Self {
            file: path,
            listen,
            socket,
            store: within(&folder, &file.store.sqlite),
            keys: within(&folder, &file.keys),
            policies,
            policy_changes,
            shadow: file.shadow.iter().map(|path| within(&folder, path)).collect(),
            local: held.local,
            oddities: oddities.into_sorted(),
            tokens: held.tokens,
            groups: held.groups,
            upstreams,
            wrappers,
            contracts: file.contracts.map(|contracts| within(&folder, &contracts)),
            drift,
            hosts,
            hold: Duration::from_secs(hold),
            max_body,
            limits: Limits { wait: times.wait, claim: times.claim, permit: span(permit) },
            max_dependents: usize::try_from(max_dependents).unwrap_or(usize::MAX),
            window_idle: times.idle,
            fact_validity: times.facts,
        })
    }
}

struct Times {
    wait: Span,
    claim: Span,
    idle: Span,
    facts: Span,
}

fn times(limits: &file::Limits, faults: &mut Faults) -> Times {
    let mut seconds = |value: &Option<Spanned<u64>>, name, default| {
        span(number(value.as_ref(), name, 1..=MONTH, default, faults))
    };
    Times {
        wait: seconds(&limits.wait, "limits.wait", 900),
        claim: seconds(&limits.claim, "limits.claim", 600),
        idle: seconds(&limits.session_idle, "limits.session_idle", 1800),
        facts: seconds(&limits.fact_validity, "limits.fact_validity", 900),
    }
}

fn version(version: &Spanned<u64>, faults: &mut Faults) {
    if version.value != 1 {
        let said = format!("version {} of the configuration is not known here", version.value);
        faults.at(version, said, "this program knows `version: 1`");
    }
}

fn listen(written: Option<&Spanned<String>>, faults: &mut Faults) -> SocketAddr {
    let Some(written) = written else { return DEFAULT_LISTEN };
    match written.value.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => return address,
        Ok(address) => {
            let said = format!(
                "`{address}` is reached from other machines; that needs TLS, and TLS is not configured"
            );
            let hint = format!(
                "listen on 127.0.0.1:{} and let a TLS proxy on this machine forward to it",
                address.port()
            );
            faults.at(written, said, hint);
        }
        Err(_) => {
            let said = format!("`{}` is not an address with a port", written.value);
            faults.at(written, said, "write numbers, as in `127.0.0.1:7080` or `[::1]:7080`");
        }
    }
    DEFAULT_LISTEN
}

fn policies(written: &Spanned<Vec<Spanned<PathBuf>>>, folder: &Path, faults: &mut Faults) -> Vec<PathBuf> {
    if written.value.is_empty() {
        faults.at(
            written,
            "there is no policy",
            "name at least one file or folder: `policies: [./policies]`",
        );
    }
    written.value.iter().map(|path| within(folder, &path.value)).collect()
}

fn hosts(written: &[Spanned<String>], faults: &mut Faults) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for host in written {
        let name = host.value.to_ascii_lowercase();
        let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if name.is_empty() || !name.bytes().all(sound) {
            faults.at(
                host,
                format!("`{}` is not a host name", host.value),
                "write the name alone, without scheme, port or path",
            );
        } else {
            hosts.insert(name);
        }
    }
    hosts
}

/// A path relative to the file's folder, without `.` in it.
pub(super) fn within(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().collect()
}

/// A number within bounds, or its default.
pub(super) fn number(
    written: Option<&Spanned<u64>>,
    name: &str,
    bounds: std::ops::RangeInclusive<u64>,
    default: u64,
    faults: &mut Faults,
) -> u64 {
    let Some(written) = written else { return default };
    if !bounds.contains(&written.value) {
        let said = format!("`{name}: {}` is out of bounds", written.value);
        faults.at(
            written,
            said,
            format!("it goes from {} to {}; {default} where nothing is said", bounds.start(), bounds.end()),
        );
        return default;
    }
    written.value
}

/// A size within bounds, or the default of 4 MiB.
pub(super) fn bytes(written: Option<&Spanned<u64>>, name: &str, faults: &mut Faults) -> usize {
    let default = u64::try_from(envelope::DEFAULT_LIMIT).unwrap_or(4 * MIB);
    usize::try_from(number(written, name, 1024..=256 * MIB, default, faults))
        .unwrap_or(envelope::DEFAULT_LIMIT)
}

fn span(seconds: u64) -> Span {
    Span::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
