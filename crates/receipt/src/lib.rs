//! Receipts: what an auditor needs, and nothing else
