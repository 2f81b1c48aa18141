//! `countersign quickstart`: the whole of it in one command, on nothing but this binary.
//!
//! | part | what it does |
//! |---|---|
//! | [`folder`] | makes a working folder: configuration, policy, keys, tokens |
//! | [`story`] | an agent, a host, an approver and an operator, each a real client of the running gateway |
//! | [`proof`] | what was recorded, verified offline from the exported file and the public key alone |
//!
//! The gateway is the one that `up` runs; the tools are real MCP servers in processes of their own.

mod folder;
mod proof;
mod story;

pub(crate) use folder::Folder;
pub(crate) use proof::prove;
pub(crate) use story::{Cast, play};
