//! Ways in over the network. Each reads a dialect, verifies who calls, and calls the engine; none decides.
//!
//! | module | holds |
//! |---|---|
//! | [`mcp`] | the MCP gateway: envelope, upstreams, sessions, calls, the Unix socket for `wrap` |
//! | [`api`] | the `Mediator` over HTTP, and what people, hosts and auditors use |
//! | [`auth`] | bearer tokens to roles |
//! | [`run`] | listening, until told to stop |
//! | [`contracts`] | what tools do: derived, reviewed, declared |
//! | [`settings`] | what the gateway is told |

pub mod api;
pub mod auth;
pub mod contracts;
pub mod guard;
pub mod health;
pub mod mcp;
pub mod run;
pub mod settings;
