//! The Model Context Protocol: what clients send us, and the servers we call for them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`envelope`] | JSON-RPC messages read over borrowed bytes, and the writers of our own |
//! | [`server`] | the server that clients meet: HTTP, the socket for `wrap`, the flow of a call |
//! | [`sse`] | server-sent events: an encoder and an incremental, bounded parser |
//! | [`upstream`] | connections to real servers (child processes, Streamable HTTP) and their supervisor |

pub mod envelope;
pub mod server;
pub mod sse;
pub mod upstream;
