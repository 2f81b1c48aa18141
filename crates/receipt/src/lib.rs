//! Receipts: what an auditor needs, and nothing else.
//!
//! A receipt records one transition of one action, or one event of the system, before anything follows from it. This crate
//! is the whole of what proves it: pure, without I/O, clock, randomness or async, and knowing no other crate of ours.
//!
//! ```text
//!   v1::Receipt  --commit-->  v1::Receipt   --sign::seal-->  stored text   --verify::receipt-->       Verified
//!   (what happened)           + Disclosures  (Signer)        (one line)    --verify::verify_export--> Report
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`v1`] | the wire form, member by member, and its JSON Schema |
//! | [`values`] | digests, times, base64: each with one spelling |
//! | [`canonical`] | strict reading, RFC 8785 writing, [`v1::Receipt::signed_bytes`] and [`v1::Receipt::digest`] |
//! | [`commit`] | salted commitments and what opens them |
//! | [`sign`] | the [`sign::Signer`] trait and the assembling of signed text; keys live elsewhere |
//! | [`keys`] | public keys as a JWK set or as lines of text |
//! | [`verify`] | one receipt, or an export of many, from text and public keys alone |
//!
//! # The format in one paragraph
//! Take the JSON object of a receipt without its members `signature` and `disclosures`; write it in the canonical form of
//! RFC 8785. **These are the signed bytes**, at most 60,000. `signature.value` is the Ed25519 signature over them in
//! standard base64; their SHA-256, as `sha256:` and lower hex, is **the digest**, and wherever one receipt names another
//! (`previous`, `heads`, `prior`) it does so by digest. `commitments` maps a JSON pointer to SHA-256 over 32 salt bytes
//! and then the text in UTF-8; `disclosures` maps the same pointer to `{salt, value}`.
//!
//! # What holds
//! - A text that two readers could understand differently is refused before anything is concluded from it.
//! - Signed members are texts, integers within 2^53, booleans and null; never a float.
//! - A [`verify::Verified`] exists only because its signature and disclosures were checked.
//! - No error and no `Debug` form shows a disclosed text.

pub mod canonical;
pub mod commit;
pub mod keys;
pub mod sign;
pub mod v1;
pub mod values;
pub mod verify;

pub use verify::parse;
