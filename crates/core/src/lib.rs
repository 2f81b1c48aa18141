//! The pure decision core of Countersign
