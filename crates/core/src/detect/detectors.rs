//! Every detector: what it finds, at which level, and how far its finding is to be believed.
//!
//! The grade is the evidence grade of SPEC's *confidence*, in basis points. 9,800: a checksum that chance meets at most
//! once in a hundred. 9,500: a provider's own form of key. 9,000: a weaker checksum, or a form with a word that names
//! it. 8,000: a form alone. 7,000: a word that names it and a value behind it. 6,000: words, or likelihood.

use super::Level::{self, Confidential, Internal, Restricted};

/// One detector.
#[derive(Debug, PartialEq, Eq)]
pub struct Detector {
    /// Its name in findings.
    pub name: &'static str,
    /// The category that its findings add to the labels; empty = none.
    pub category: &'static str,
    /// How sensitive a text with such a finding is.
    pub level: Level,
    /// The evidence grade of a finding, in basis points.
    pub grade: u16,
}

macro_rules! detectors {
    ($($id:ident $name:literal $category:literal $level:ident $grade:literal;)*) => {
        $(pub(super) static $id: Detector =
            Detector { name: $name, category: $category, level: $level, grade: $grade };)*

        /// Every detector, in the order in which the book lists them.
        pub static DETECTORS: &[&Detector] = &[$(&$id),*];
    };
}

detectors! {
    PRIVATE_KEY "private-key" "SECRET" Restricted 9_500;
    PROVIDER_KEY "provider-key" "SECRET" Restricted 9_500;
    JWT "jwt" "SECRET" Restricted 9_500;
    KEY_FORM "key-form" "SECRET" Restricted 8_000;
    NAMED_SECRET "named-secret" "SECRET" Restricted 7_000;
    WALLET_KEY "wallet-key" "SECRET" Restricted 9_800;
    SEED_PHRASE "seed-phrase" "SECRET" Restricted 7_000;
    CONNECTION "connection-string" "CREDENTIAL" Restricted 9_000;
    AUTHORIZATION "authorization-header" "CREDENTIAL" Restricted 8_000;
    PASSWORD "password" "CREDENTIAL" Restricted 7_000;
    ONE_TIME_CODE "one-time-code" "CREDENTIAL" Restricted 7_000;
    EMAIL "email-address" "PII" Internal 8_000;
    PHONE "phone-number" "PII" Internal 7_000;
    STREET "street-address" "PII" Internal 6_000;
    SSN "us-ssn" "PII" Confidential 8_000;
    NATIONAL_ID "national-id-checked" "PII" Confidential 9_000;
    NATIONAL_ID_NAMED "national-id-named" "PII" Confidential 7_000;
    PASSPORT "passport-number" "PII" Confidential 7_000;
    BIRTH "date-of-birth" "PII" Confidential 7_000;
    CARD "payment-card" "FINANCIAL" Confidential 9_000;
    IBAN "iban" "FINANCIAL" Confidential 9_800;
    ACCOUNT "bank-account" "FINANCIAL" Confidential 7_000;
    WALLET_CHECKED "wallet-checked" "FINANCIAL" Confidential 9_800;
    WALLET "wallet-form" "FINANCIAL" Confidential 8_000;
    HEALTH "health-terms" "HEALTH" Confidential 6_000;
    MARKING "marking" "" Confidential 7_000;
    MARKING_RESTRICTED "marking-restricted" "" Restricted 7_000;
}
