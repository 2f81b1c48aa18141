//! A second reading of the policy language, for tests to compare the engine's with.
//!
//! A policy is a value of its own here, made by chance; the engine gets it as YAML, through the real loader, and the
//! naive reading takes the value itself, as the book's page on policies says it, rule by rule. Nothing is shared with
//! the engine but the words for what comes out: no compiled form, no index, no fold over sessions.
//!
//! | module | holds |
//! |---|---|
//! | [`model`] | policies and rules as values |
//! | [`story`] | what a session did and saw before an action, as a value, and the engine's world made from it |
//! | [`chance`] | numbers that are the same in every run |
//! | [`generate`], [`generate_tests`] | policies, stories and actions by chance |
//! | [`render`] | a policy as text, in one of the spellings that mean the same |
//! | [`known`] | what a story adds up to: the facts, folded naively |
//! | [`asked`] | whether a test holds of a fact |
//! | [`holds`] | whether a rule holds: yes, no, or unknown |
//! | [`trial`] | one policy, story and action, decided by both |

pub mod asked;
pub mod chance;
pub mod generate;
pub mod generate_tests;
pub mod holds;
pub mod known;
pub mod model;
pub mod render;
pub mod story;
pub mod trial;
