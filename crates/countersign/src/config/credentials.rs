//! Who holds which token. A token is in one role; only its digest is kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_core::identity::Party;
use countersign_core::names::ApproverGroup;
use countersign_gateway::auth::{AgentIdentity, Credentials, Role, token_digest};
use countersign_gateway::settings::LocalIdentity;
use serde_saphyr::Spanned;

use super::check::within;
use super::fault::Faults;
use super::file;
use crate::secrets;

/// The blocks that name holders of tokens.
pub(super) struct Blocks {
    pub(super) identity: file::Identity,
    pub(super) hosts: file::Holders,
    pub(super) auditors: file::Holders,
    pub(super) operators: file::Holders,
    pub(super) approvers: file::Entries<file::Holders>,
}

/// What they come to.
pub(super) struct Held {
    pub(super) tokens: Vec<Token>,
    pub(super) local: Vec<LocalIdentity>,
    pub(super) groups: BTreeSet<String>,
    /// The upstreams that scopes name.
    scopes: Vec<Spanned<String>>,
}

/// A token and what it makes of its bearer.
pub(super) struct Token {
    source: Source,
    place: Spanned<()>,
    pub(super) role: Role,
}

enum Source {
    File(PathBuf),
    Digest([u8; 32]),
}

impl Token {
    /// The file it is read from.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::Digest(_) => None,
        }
    }
}

/// Checks the blocks; reads no token.
pub(super) fn check(blocks: Blocks, folder: &Path, faults: &mut Faults) -> Held {
    let mut held =
        Held { tokens: Vec::new(), local: Vec::new(), groups: BTreeSet::new(), scopes: Vec::new() };
    for agent in blocks.identity.tokens {
        let place = place(&agent);
        let file::AgentToken { token_file, token_sha256, human, service, agent, roles, scope } = agent.value;
        let [human, service, agent] = parties([human, service, agent], &roles, &scope, faults);
        held.scopes.extend(scope);
        let role = Role::Agent(AgentIdentity { human, service, agent });
        let source = source(&place, token_file, token_sha256, folder, faults);
        held.tokens.extend(source.map(|source| Token { source, place, role }));
    }
    check_local(blocks.identity.local, &mut held, faults);
    let mut add =
        |holders: file::Holders, role: &dyn Fn(std::sync::Arc<str>) -> Role, faults: &mut Faults| {
            for holder in holders.tokens {
                let place = place(&holder);
                let file::Holder { token_file, token_sha256, name } = holder.value;
                named(&name, "name", faults);
                let source = source(&place, token_file, token_sha256, folder, faults);
                let role = role(name.value.as_str().into());
                held.tokens.extend(source.map(|source| Token { source, place, role }));
            }
        };
    add(blocks.hosts, &|name| Role::Host { name }, faults);
    add(blocks.auditors, &|name| Role::Auditor { name }, faults);
    add(blocks.operators, &|name| Role::Operator { name }, faults);
    let mut groups = BTreeSet::new();
    for (group, holders) in blocks.approvers.0 {
        named(&group, "a group of approvers", faults);
        let id = ApproverGroup::new(group.value.as_str());
        add(holders, &|name| Role::Approver { name, groups: BTreeSet::from([id.clone()]) }, faults);
        groups.insert(group.value);
    }
    held.groups = groups;
    held
}

fn check_local(local: Vec<file::LocalAgent>, held: &mut Held, faults: &mut Faults) {
    for written in local {
        let file::LocalAgent { uid, human, service, agent, roles, scope } = written;
        if held.local.iter().any(|known| known.uid == uid.value) {
            let said = format!("user id {} is there twice", uid.value);
            faults.at(&uid, said, "one user id stands for one human, service and agent");
        }
        let [human, service, agent] = parties([human, service, agent], &roles, &scope, faults);
        held.scopes.extend(scope);
        held.local.push(LocalIdentity { uid: uid.value, human, service, agent });
    }
}

/// Flat roles and scope hold for all three.
fn parties(
    ids: [Spanned<String>; 3],
    roles: &[String],
    scope: &[Spanned<String>],
    faults: &mut Faults,
) -> [Party; 3] {
    let scope: Vec<String> = scope.iter().map(|upstream| upstream.value.clone()).collect();
    for (id, what) in ids.iter().zip(["human", "service", "agent"]) {
        named(id, what, faults);
    }
    ids.map(|id| Party { id: id.value.as_str().into(), roles: roles.to_vec(), scope: scope.clone() })
}

fn named(name: &Spanned<String>, what: &str, faults: &mut Faults) {
    if name.value.trim().is_empty() || name.value.chars().any(char::is_control) {
        faults.at(
            name,
            format!("`{what}` is empty or has control characters"),
            "write the name as receipts are to show it",
        );
    }
}

fn source(
    place: &Spanned<()>,
    token_file: Option<Spanned<PathBuf>>,
    token_sha256: Option<Spanned<String>>,
    folder: &Path,
    faults: &mut Faults,
) -> Option<Source> {
    match (token_file, token_sha256) {
        (Some(file), None) => Some(Source::File(within(folder, &file.value))),
        (None, Some(digest)) => {
            let parsed = hex_digest(digest.value.strip_prefix("sha256:").unwrap_or(&digest.value));
            if parsed.is_none() {
                let hint = "it is 64 hex digits; make it with: printf %s \"$TOKEN\" | sha256sum";
                faults.at(&digest, "`token_sha256` is not a SHA-256 digest", hint);
            }
            parsed.map(Source::Digest)
        }
        _ => {
            faults.at(
                place,
                "a credential has exactly one of `token_file` and `token_sha256`",
                "keep one of them",
            );
            None
        }
    }
}

fn hex_digest(hex: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

fn place<T>(spanned: &Spanned<T>) -> Spanned<()> {
    Spanned { value: (), referenced: spanned.referenced, defined: spanned.defined }
}

/// What is allowed and probably not meant.
pub(super) fn odd(held: &Held, upstreams: &BTreeSet<&str>, socket: bool, oddities: &mut Faults) {
    let known: Vec<&str> = upstreams.iter().copied().collect();
    for scope in held.scopes.iter().filter(|scope| !upstreams.contains(scope.value.as_str())) {
        let said =
            format!("the scope names `{}`, which is not an upstream here, so it opens nothing", scope.value);
        oddities.at(scope, said, super::fault::suggest(&scope.value, &known));
    }
    let agents = held.tokens.iter().any(|token| matches!(token.role, Role::Agent(_)));
    if !agents && held.local.is_empty() {
        oddities.whole(
            "there is no agent credential, so every call is refused",
            "add one under `identity.tokens`",
        );
    }
    if !socket && !held.local.is_empty() {
        oddities.whole("`identity.local` has no use without `socket`", "add `socket: ./countersign.sock`");
    }
}

/// Reads the tokens.
pub(super) fn read(tokens: &[Token], faults: &mut Faults) -> Credentials {
    let mut credentials = Credentials::default();
    for token in tokens {
        let digest = match &token.source {
            Source::Digest(digest) => *digest,
            Source::File(path) => match secrets::read_token(path) {
                Ok(text) => token_digest(&text),
                Err(error) => {
                    faults.at(&token.place, format!("the token of {}: {error}", token.role), error.hint());
                    continue;
                }
            },
        };
        if let Err(shared) = credentials.add(digest, token.role.clone()) {
            faults.at(&token.place, shared.to_string(), "make a token of its own: openssl rand -hex 32");
        }
    }
    credentials
}
