//! `email.*`: to whom something goes.
//!
//! Readers of addresses disagree about comments, groups, routes, quoted names and hidden characters. A list in which
//! any of these stands has no answer: what is given is what every reader sees.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{LONGEST, text_of};
use crate::policy::external::is_domain;

/// Everybody addressed by a text or a list of texts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recipients {
    /// Lower-case.
    pub(super) addresses: BTreeSet<String>,
    /// Lower-case, without a last dot.
    pub(super) domains: BTreeSet<String>,
    /// Mailboxes, repeated ones included.
    pub(super) count: u64,
}

/// Reads a text, or a list of texts, as addresses.
pub(super) fn read(value: &Value) -> Option<Recipients> {
    let mut recipients = Recipients::default();
    match value {
        Value::Array(list) => {
            for one in list {
                recipients.add_all(text_of(one, LONGEST)?)?;
            }
        }
        one => recipients.add_all(text_of(one, LONGEST)?)?,
    }
    Some(recipients)
}

impl Recipients {
    fn add_all(&mut self, text: &str) -> Option<()> {
        let mailboxes = divided(text)?;
        if mailboxes.is_empty() {
            return None;
        }
        mailboxes.into_iter().try_for_each(|mailbox| self.add(mailbox))
    }

    fn add(&mut self, mailbox: &str) -> Option<()> {
        let address = address(mailbox)?.to_ascii_lowercase();
        let (local, domain) = address.split_once('@')?;
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        if !is_local(local) || !is_domain(domain) {
            return None;
        }
        self.domains.insert(domain.to_owned());
        self.addresses.insert(format!("{local}@{domain}"));
        self.count = self.count.checked_add(1)?;
        Some(())
    }
}

/// The mailboxes between commas and semicolons that are not quoted.
fn divided(text: &str) -> Option<Vec<&str>> {
    let odd = |c: char| c.is_control() || matches!(c, '(' | ')' | '[' | ']' | ':' | '\\');
    if text.contains(odd) {
        return None;
    }
    let mut quoted = false;
    let mut found = Vec::new();
    for part in text.split(|c: char| {
        quoted ^= c == '"';
        !quoted && matches!(c, ',' | ';')
    }) {
        if !part.trim().is_empty() {
            found.push(part.trim());
        }
    }
    (!quoted).then_some(found)
}

/// The address of `alice@example.com`, `<alice@example.com>` or `Alice <alice@example.com>`.
fn address(mailbox: &str) -> Option<&str> {
    let Some(open) = mailbox.find('<') else {
        return (!mailbox.contains(['"', '>'])).then_some(mailbox);
    };
    let (name, rest) = mailbox.split_at_checked(open)?;
    let address = rest.strip_prefix('<')?.strip_suffix('>')?;
    // A name that looks like an address is one to some readers; an encoded word could hide one.
    let odd = |c: char| matches!(c, '@' | '>' | '\u{ff20}' | '\u{fe6b}');
    let quotes = name.matches('"').count();
    let whole = quotes == 0 || (quotes == 2 && name.trim().starts_with('"') && name.trim().ends_with('"'));
    (whole && !name.contains(odd) && !name.contains("=?") && !address.contains(['<', '"'])).then_some(address)
}

/// Plain letters: no blanks, no `%` and `!` with which some relays find another host.
fn is_local(local: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".#$&'*+/=?^_`{|}~-".contains(&b);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    (1..=64).contains(&local.len()) && local.bytes().all(allowed) && !dots
}
