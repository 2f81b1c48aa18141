//! The engine against a naive reading of the policy language: random policies as text, random sessions, random actions.
//!
//! Everything follows from the seeds, so a failure comes again by running the test again; it prints its seed, and the
//! smallest policy, session and action in which the two still differ.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_testkit::language::trial::{Tally, Trial};

const POLICIES: u64 = 1_000;
const SESSIONS: usize = 5;
const ACTIONS: usize = 20;
/// Of the first policy; the others follow.
const SEED: u64 = 0x5EED;

/// `R3.order`, `R3.missing`, `R3.conflict`, `R3.deterministic`: decision, step, rules named, edits and what is written.
#[test]
#[expect(clippy::disallowed_methods, reason = "many policies at once; the core itself has no threads")]
fn r3_order_a_naive_reading_of_random_policies_decides_100_000_questions_alike() {
    let next = AtomicU64::new(0);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let trials: Vec<Result<Tally, String>> = std::thread::scope(|scope| {
        let seeds = || std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let worker = move || -> Vec<_> {
            let own = seeds().take_while(|at| *at < POLICIES);
            own.map(|at| Trial::of(SEED + at, SESSIONS, ACTIONS).run()).collect()
        };
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        running.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let differences: Vec<&String> = trials.iter().filter_map(|trial| trial.as_ref().err()).collect();
    let some: Vec<&str> = differences.iter().take(8).map(|text| text.as_str()).collect();
    assert!(differences.is_empty(), "{} policies differ, of them:\n{}", differences.len(), some.join("\n"));
    let tallies: Vec<&Tally> = trials.iter().flatten().collect();
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(|tally| of(tally)).sum::<usize>();
    assert_eq!(sum(|tally| tally.asked), 100_000);
    // Every kind of ruling is met often enough to mean something.
    let kinds: [fn(&Tally) -> usize; 6] =
        [|t| t.allowed, |t| t.modified, |t| t.denied, |t| t.stepped_up, |t| t.deferred, |t| t.by_default];
    let often = kinds.map(sum);
    assert!(often.iter().all(|times| *times > 2_000), "{often:?}");
}
