//! Test support: simulated clock, faulty ports, builders, the naive oracle
