//! An export: many receipts, one a line, and how they hang together.
//!
//! Lines may be mixed from many chains; within a chain they stand in its order, from number 0. Four passes over what was
//! read: the places in each chain, its `previous` links, the `prior` links between receipts of one action, and the heads of
//! principals' chains. What failed its own check keeps the place it claims, so that one changed receipt is reported once
//! and not also as missing, but nothing is concluded from what it says.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::report::{Finding, Name, Open, Problem, Range, Report, Waiting};
use super::{Parsed, VerifyError};
use crate::keys::KeySet;
use crate::v1::{Enforcement, Kind, Prior, Receipt, Status, Verdict};
use crate::values::{Digest, Time};

/// Verifies an export in one go; blank lines are passed over.
pub fn verify_export<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>, keys: &KeySet) -> Report {
    let mut export = Export::new(keys);
    for line in lines {
        export.line(line.as_ref());
    }
    export.finish()
}

/// An export being read line by line. It keeps a few hundred bytes for each receipt.
pub struct Export<'k> {
    keys: &'k KeySet,
    line: usize,
    entries: Vec<Entry>,
    report: Report,
}

/// What is kept of one receipt.
struct Entry {
    line: usize,
    name: Name,
    at: Time,
    /// None when the receipt failed its own check.
    digest: Option<Digest>,
    previous: Option<Digest>,
    prior: Option<Prior>,
    heads: BTreeMap<String, Option<Digest>>,
    action: Option<String>,
    kind: Kind,
    verdict: Option<Verdict>,
    permits: bool,
    /// An outcome that says something was or may have been sent, of an action that could only run through us.
    sent: bool,
    late: bool,
}

impl Entry {
    fn new(line: usize, receipt: &Receipt, digest: Option<Digest>) -> Self {
        let outcome = receipt.outcome.as_ref();
        let ours = matches!(receipt.enforcement, Enforcement::Enforced | Enforcement::SameUser);
        let sent = outcome.is_some_and(|outcome| outcome.status != Status::NothingSent);
        Self {
            line,
            name: name(receipt),
            at: receipt.at,
            digest,
            previous: receipt.previous,
            prior: receipt.prior.clone(),
            heads: receipt.heads.clone(),
            action: receipt.action.as_ref().map(|action| action.id.clone()),
            kind: receipt.kind,
            verdict: receipt.decision.as_ref().map(|decision| decision.verdict),
            permits: receipt.permits(),
            sent: receipt.kind == Kind::Outcome && ours && sent,
            late: outcome.is_some_and(|outcome| outcome.late),
        }
    }
}

fn name(receipt: &Receipt) -> Name {
    Name { id: receipt.id.clone(), chain: receipt.chain.clone(), sequence: receipt.sequence }
}

impl<'k> Export<'k> {
    /// An export of which nothing was read yet, to be verified with these keys.
    #[must_use]
    pub fn new(keys: &'k KeySet) -> Self {
        Self { keys, line: 0, entries: Vec::new(), report: Report::default() }
    }

    /// Reads the next line, without its line end.
    pub fn line(&mut self, text: &[u8]) {
        self.line += 1;
        if text.trim_ascii().is_empty() {
            return;
        }
        self.report.counts.lines += 1;
        let line = self.line;
        let parsed = match Parsed::read(text) {
            Ok(parsed) => parsed,
            Err(error) => return self.wrong(line, None, Problem::Receipt(VerifyError::Parse(error))),
        };
        let claimed = Entry::new(line, &parsed.signed.receipt, None);
        match parsed.verify(self.keys) {
            Ok(verified) => {
                self.count(&verified);
                self.entries.push(Entry { digest: Some(verified.digest()), ..claimed });
            }
            Err(error) => {
                self.wrong(line, Some(claimed.name.clone()), Problem::Receipt(error));
                self.entries.push(claimed);
            }
        }
    }

    /// Follows the links between the receipts read and says what was found.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if self.report.counts.lines == 0 {
            self.wrong(0, None, Problem::Empty);
        }
        let mut entries = std::mem::take(&mut self.entries);
        self.drop_duplicates(&mut entries);
        self.check_chains(&entries);
        let by_digest: HashMap<Digest, usize> =
            entries.iter().enumerate().filter_map(|(index, entry)| Some((entry.digest?, index))).collect();
        self.check_priors(&entries, &by_digest);
        self.check_heads(&entries, &by_digest);
        self.report.findings.sort_by_key(|finding| finding.line);
        self.report
    }

    fn wrong(&mut self, line: usize, receipt: Option<Name>, problem: Problem) {
        self.report.findings.push(Finding { line, receipt, problem });
    }

    fn wrong_at(&mut self, entry: &Entry, problem: Problem) {
        self.wrong(entry.line, Some(entry.name.clone()), problem);
    }

    fn count(&mut self, verified: &super::Verified) {
        let (counts, receipt) = (&mut self.report.counts, verified.receipt());
        counts.verified += 1;
        *counts.kinds.entry(receipt.kind.as_str()).or_default() += 1;
        if let (Kind::Ruling, Some(decision)) = (receipt.kind, &receipt.decision) {
            *counts.verdicts.entry(decision.verdict.as_str()).or_default() += 1;
        }
        *counts.keys.entry(verified.signed().signature.key_id.clone()).or_default() += 1;
        counts.disclosed += verified.signed().disclosures.len();
        counts.withheld += verified.withheld().count();
    }

    fn drop_duplicates(&mut self, entries: &mut Vec<Entry>) {
        let (mut digests, mut ids) = (HashMap::new(), HashMap::new());
        entries.retain(|entry| {
            let Some(digest) = entry.digest else { return true };
            if let Some(&earlier) = digests.get(&digest) {
                self.wrong_at(entry, Problem::Duplicated { earlier });
                return false;
            }
            digests.insert(digest, entry.line);
            if let Some(earlier) = ids.insert(entry.name.id.clone(), entry.line) {
                self.wrong_at(entry, Problem::SameId { earlier });
            }
            true
        });
    }

    fn check_chains(&mut self, entries: &[Entry]) {
        let mut chains: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| !entry.name.chain.is_empty()) {
            chains.entry(&entry.name.chain).or_default().push(entry);
        }
        for (chain, mut members) in chains {
            self.check_order(&members);
            members.sort_by_key(|entry| (entry.name.sequence, entry.line));
            self.check_links(&members);
            if let Some(range) = range(&members) {
                self.report.chains.insert(chain.to_owned(), range);
            }
        }
    }

    fn check_order(&mut self, members: &[&Entry]) {
        for pair in members.windows(2) {
            let after = pair[0].name.sequence;
            if pair[1].name.sequence < after {
                self.wrong_at(pair[1], Problem::Reordered { after });
            }
        }
    }

    /// The places and links of one chain, whose receipts come sorted by place.
    fn check_links(&mut self, members: &[&Entry]) {
        let mut before: &[&Entry] = &[];
        for places in members.chunk_by(|a, b| a.name.sequence == b.name.sequence) {
            let sequence = places[0].name.sequence;
            let expected = before.first().map_or(0, |entry| entry.name.sequence + 1);
            if sequence > expected {
                self.wrong_at(places[0], Problem::Missing { from: expected, to: sequence - 1 });
            }
            for other in &places[1..] {
                self.wrong_at(other, Problem::Forked { earlier: places[0].line });
            }
            let known = before.iter().all(|entry| entry.digest.is_some());
            if sequence == expected && known && !before.is_empty() {
                for entry in places.iter().filter(|entry| entry.digest.is_some()) {
                    if !before.iter().any(|candidate| candidate.digest == entry.previous) {
                        self.wrong_at(entry, Problem::BrokenLink { before: before[0].line });
                    }
                }
            }
            before = places;
        }
    }

    fn check_priors(&mut self, entries: &[Entry], by_digest: &HashMap<Digest, usize>) {
        let mut settled: HashMap<Digest, usize> = HashMap::new();
        let mut followed: HashSet<Digest> = HashSet::new();
        for entry in entries.iter().filter(|entry| entry.digest.is_some()) {
            let Some(prior) = &entry.prior else { continue };
            followed.insert(prior.digest);
            match by_digest.get(&prior.digest).map(|&index| &entries[index]) {
                None => self.missing_prior(entry, prior, entries),
                Some(before) => {
                    if let Some(why) = differs(before, entry, prior) {
                        self.wrong_at(entry, Problem::WrongPrior { line: before.line, why });
                    }
                }
            }
            if entry.kind == Kind::Outcome
                && !entry.late
                && let Some(earlier) = settled.insert(prior.digest, entry.line)
            {
                self.wrong_at(entry, Problem::SettledTwice { earlier });
            }
            if entry.sent && permitted(entry, entries, by_digest) == Some(false) {
                self.wrong_at(entry, Problem::WithoutPermit);
            }
        }
        for entry in entries {
            let last = entry.digest.is_some_and(|digest| !followed.contains(&digest));
            if let (true, Some(action), Some(waiting)) = (last, &entry.action, waiting(entry)) {
                let (line, receipt) = (entry.line, entry.name.clone());
                self.report.open.push(Open { line, receipt, action: action.clone(), waiting });
            }
        }
    }

    /// A receipt that is present but changed was reported already; its successors are not at fault.
    fn missing_prior(&mut self, entry: &Entry, prior: &Prior, entries: &[Entry]) {
        if !entries.iter().any(|other| other.digest.is_none() && other.name.id == prior.id) {
            self.wrong_at(entry, Problem::MissingPrior { id: prior.id.clone() });
        }
    }

    fn check_heads(&mut self, entries: &[Entry], by_digest: &HashMap<Digest, usize>) {
        let mut was_head: HashSet<(&str, usize)> = HashSet::new();
        for entry in entries.iter().filter(|entry| entry.digest.is_some()) {
            for (chain, head) in entry.heads.iter().filter_map(|(chain, head)| Some((chain, (*head)?))) {
                let Some(&index) = by_digest.get(&head) else {
                    self.report.counts.heads_outside += 1;
                    continue;
                };
                was_head.insert((chain, index));
                if !entries[index].heads.contains_key(chain) && entries[index].name.chain != *chain {
                    let problem = Problem::WrongHead { chain: chain.clone(), head: entries[index].line };
                    self.wrong_at(entry, problem);
                }
            }
        }
        self.check_forked_heads(entries, &was_head);
        self.check_stale_heads(entries, by_digest);
    }

    /// Of all receipts that saw the same head, at most one can have become the next one.
    fn check_forked_heads(&mut self, entries: &[Entry], was_head: &HashSet<(&str, usize)>) {
        let mut next: HashMap<(&str, Option<Digest>), usize> = HashMap::new();
        for (index, entry) in entries.iter().enumerate() {
            for (chain, head) in &entry.heads {
                if !was_head.contains(&(chain.as_str(), index)) {
                    continue;
                }
                if let Some(earlier) = next.insert((chain, *head), entry.line) {
                    self.wrong_at(entry, Problem::ForkedHead { chain: chain.clone(), earlier });
                }
            }
        }
    }

    /// Within a session, the heads seen may only move forward.
    fn check_stale_heads(&mut self, entries: &[Entry], by_digest: &HashMap<Digest, usize>) {
        let mut sorted: Vec<&Entry> = entries.iter().filter(|entry| entry.digest.is_some()).collect();
        sorted.sort_by_key(|entry| (&entry.name.chain, entry.name.sequence));
        for session in sorted.chunk_by(|a, b| a.name.chain == b.name.chain) {
            let mut seen: HashMap<&str, (Option<u64>, usize)> = HashMap::new();
            for entry in session {
                for (chain, head) in &entry.heads {
                    let named = head.and_then(|head| by_digest.get(&head)).map(|&index| &entries[index].name);
                    let place = named.filter(|name| name.chain == entry.name.chain).map(|name| name.sequence);
                    let Some(&(latest, earlier)) = seen.get(chain.as_str()) else {
                        if head.is_some() {
                            seen.insert(chain, (place, entry.line));
                        }
                        continue;
                    };
                    let back = place.zip(latest).is_some_and(|(place, latest)| place < latest);
                    if head.is_none() || back {
                        self.wrong_at(entry, Problem::StaleHead { chain: chain.clone(), earlier });
                    } else {
                        seen.insert(chain, (place.or(latest), entry.line));
                    }
                }
            }
        }
    }
}

fn range(members: &[&Entry]) -> Option<Range> {
    let verified: Vec<&&Entry> = members.iter().filter(|entry| entry.digest.is_some()).collect();
    let (first, last) = (verified.first()?, verified.last()?);
    Some(Range {
        first: first.name.sequence,
        last: last.name.sequence,
        receipts: verified.len(),
        from: first.at,
        to: last.at,
        head: last.digest?,
    })
}

/// In what a receipt and the one that its `prior` leads to do not belong together.
fn differs(before: &Entry, entry: &Entry, prior: &Prior) -> Option<&'static str> {
    let actions = before.action.as_ref().zip(entry.action.as_ref());
    let same_chain = before.name.chain == entry.name.chain;
    if before.name.id != prior.id {
        Some("its id is another one")
    } else if actions.is_some_and(|(before, after)| before != after) {
        Some("it is about another action")
    } else if !same_chain {
        Some("it stands in another chain")
    } else if before.name.sequence >= entry.name.sequence {
        Some("it does not come before")
    } else {
        None
    }
}

/// Whether the last word about the action before this outcome permits it; none when a receipt on the way is absent.
fn permitted(entry: &Entry, entries: &[Entry], by_digest: &HashMap<Digest, usize>) -> Option<bool> {
    let mut at = entry;
    // Digests cannot form a circle; the count says so to those who doubt SHA-256.
    for _ in 0..entries.len() {
        let Some(prior) = &at.prior else { return Some(false) };
        at = &entries[*by_digest.get(&prior.digest)?];
        if at.kind != Kind::Outcome {
            return Some(at.permits);
        }
    }
    Some(false)
}

fn waiting(entry: &Entry) -> Option<Waiting> {
    match (entry.permits, entry.kind, entry.verdict) {
        (true, _, _) => Some(Waiting::Outcome),
        (_, Kind::Ruling | Kind::Resolution, Some(Verdict::StepUp)) => Some(Waiting::Approval),
        (_, Kind::Ruling | Kind::Resolution, Some(Verdict::Defer)) => Some(Waiting::Context),
        _ => None,
    }
}
