//! Ways in over the network: MCP and the HTTP API
