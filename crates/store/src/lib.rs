//! Ledgers: memory and SQLite
