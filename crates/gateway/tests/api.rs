//! The API over HTTP, against a real engine over the memory store.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

#[path = "api/actions.rs"]
mod actions;
#[path = "api/documents.rs"]
mod documents;
#[path = "api/harness.rs"]
mod harness;
#[path = "api/people.rs"]
mod people;
#[path = "api/requests.rs"]
mod requests;
#[path = "api/roles.rs"]
mod roles;
#[path = "api/sessions.rs"]
mod sessions;
