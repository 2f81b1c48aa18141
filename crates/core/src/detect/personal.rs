//! What a word names: ids, dates of birth, accounts, addresses, health terms, a document's own marking.

use super::detectors::{
    ACCOUNT, BIRTH, MARKING, MARKING_RESTRICTED, NATIONAL_ID_NAMED, PASSPORT, SSN, STREET,
};
use super::words::Means;
use super::words::Phrase;
use super::words::Place;

/// What numbers near a word are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Context {
    /// Telephone numbers.
    Phone,
    /// US social security numbers.
    Ssn,
    /// Payment cards.
    Card,
    /// Ids of a country that have a check digit too weak, or a form too plain, to stand alone.
    NationalId,
}

/// The words, by what they mean.
pub(super) const CONTEXTS: &[(Context, &[&str])] = &[
    (
        Context::Phone,
        &[
            "phone", "mobile", "cell", "tel:", "tel.", "telefon", "whatsapp", "call me", "call us", "fax",
            "hotline",
        ],
    ),
    (Context::Ssn, &["ssn", "social security"]),
    (Context::Card, &["card", "visa", "mastercard", "amex", "american express"]),
    (
        Context::NationalId,
        &[
            "nhs",
            "social insurance",
            "aadhaar",
            "aadhar",
            "steuer",
            "tax id",
            "tin:",
            "bsn",
            "burgerservicenummer",
            "pesel",
            "personnummer",
            "fodselsnummer",
            "national id",
            "national number",
            "identity number",
            "id number",
            "id card",
            "tckn",
            "kimlik",
            "tfn",
            "tax file",
            "insee",
            "nir:",
            "rijksregister",
            "codice fiscale",
            "identification number",
        ],
    ),
];

/// Words that mean little else than somebody's health; two different ones make a finding.
pub(super) const HEALTH: &[&str] = &[
    "diagnosed with",
    "diagnosis:",
    "icd-10",
    "icd10",
    "prescribed",
    "prescription",
    "chemotherapy",
    "radiotherapy",
    "oncolog",
    "biopsy",
    "carcinoma",
    "metasta",
    "leukemia",
    "lymphoma",
    "hba1c",
    "metformin",
    "insulin",
    "hypertension",
    "type 2 diabetes",
    "type 1 diabetes",
    "diabetic",
    "antidepressant",
    "antipsychotic",
    "schizophreni",
    "bipolar disorder",
    "hiv positive",
    "hiv-positive",
    "antiretroviral",
    "hepatitis",
    "medical record",
    "patient id",
    "patient name",
    "blood pressure",
    "mmhg",
    "cholesterol",
    "atrial fibrillation",
    "myocardial",
    "epilep",
    "dementia",
    "alzheimer",
    "parkinson",
    "multiple sclerosis",
    "miscarriage",
    "ivf treatment",
    "sertraline",
    "fluoxetine",
    "lisinopril",
    "atorvastatin",
    "warfarin",
    "oxycodone",
    "discharge summary",
    "medical history",
    "allergies:",
    "comorbid",
    "pathology report",
    "psychiatr",
    "mammogra",
    "colonoscopy",
];

macro_rules! named {
    ($($detector:ident $place:ident [$($word:literal)+] $back:literal..$ahead:literal $pattern:literal;)*) => {
        /// Findings that are a word with a pattern around it.
        pub(super) static PHRASES: &[Phrase] = &[$(Phrase {
            words: &[$($word),+],
            place: Place::$place,
            pattern: $pattern,
            back: $back,
            ahead: $ahead,
            means: Means::Finding(&$detector),
        }),*];
    };
}

named! {
    PASSPORT Word ["passport"] 0..72
        r#"\Apassport(?:[ _-]?(?:number|num|no|id|card))?\.?["'*_)\]]*[ \t]*(?:is|:|=|#)?[ \t]*(?:\\?["'*_#])*[ \t]*(?:[a-z]{1,2}[0-9]{6,8}|[0-9]{8,9}|[a-z][0-9]{2}[a-z]{2}[0-9]{4})\b"#;
    BIRTH Word ["date of birth" "date_of_birth" "dateofbirth" "birth date" "birthdate" "birth_date" "dob" "d.o.b" "born on" "geburtsdatum"] 0..64
        r#"\A(?:date[ _]?of[ _]?birth|birth[ _]?date|dob|d\.o\.b\.?|born on|geburtsdatum)["'*_)\]]*\s{0,2}(?:is|was|:|=)?\s{0,2}(?:\\?["'*_])*(?:\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}|\d{1,2}(?:st|nd|rd|th)?\s(?:of\s)?[a-z]{3,9}\.?,?\s\d{4}|[a-z]{3,9}\.?\s\d{1,2}(?:st|nd|rd|th)?,?\s\d{4})"#;
    SSN Word ["ssn" "social security"] 0..72
        r#"\A(?:ssn|social security)(?:[ _]?(?:number|num|no))?\.?["'*_)\]]*[ \t]*(?:is|:|=|#)?[ \t]*(?:\\?["'*_#])*\d{3}[- ]?\d{2}[- ]?\d{4}\b"#;
    NATIONAL_ID_NAMED Word ["national id" "national_id" "national insurance" "tax id" "tax_id" "taxpayer id" "identity card" "id card" "identity number"
        "driver's license" "drivers license" "driver license" "driver_license" "driving licence" "driving license" "social insurance" "residence permit"
        "identification number" "personal number" "medicare" "medicaid"] 0..80
        r#"\A[a-z'_]+[ _]?[a-z']*(?:[ _]?(?:number|num|no|id|card))?\.?["'*_)\]]*[ \t]*(?:is|:|=|#)[ \t]*(?:\\?["'*_#])*(?:[a-z]{0,3}[ -]?)?\d(?:[ .-]?[a-z0-9]){5,17}\b"#;
    ACCOUNT Word ["account number" "account_number" "account no" "acct number" "acct no" "acct#" "routing number" "routing_number" "sort code" "sort_code" "bank account" "kontonummer"] 0..64
        r#"\A[a-z]+[ _]?(?:number|no|code|account)?\.?#?(?:[ _]?(?:number|no))?\.?["'*_)\]]*[ \t]*(?:is|:|=|#)?[ \t]*(?:\\?["'*_#])*\d(?:[ -]?\d){5,19}\b"#;
    ACCOUNT Word ["cvv" "cvc" "cvv2" "card verification" "security code"] 0..40
        r#"\A(?:cvv2?|cvc|card verification(?: (?:code|value|number))?|security code)["'*_)\]]*[ \t]*(?:is|:|=)?[ \t]*(?:\\?["'*_])*\d{3}\b"#;
    MARKING Word ["strictly confidential" "company confidential" "privileged and confidential" "tlp:amber"] 0..32 r"\A";
    MARKING Word ["classification" "sensitivity"] 0..48
        r#"\A[a-z]+(?:[ _]level)?["'*_]*\s?[:=]\s?["'*_]*(?:strictly\s)?confidential\b"#;
    MARKING_RESTRICTED Word ["tlp:red"] 0..16 r"\Atlp:red\b";
    MARKING_RESTRICTED Word ["classification" "sensitivity"] 0..48
        r#"\A[a-z]+(?:[ _]level)?["'*_]*\s?[:=]\s?["'*_]*(?:restricted|(?:top\s)?secret)\b"#;
    STREET Anywhere [" street" " avenue" " ave" " road" " rd" " lane" " ln" " drive" " boulevard" " blvd" " court" " terrace" " highway" " parkway"
        " square" " close" " crescent"] 56..14
        r"\b(?-i:\d{1,5}[A-Za-z]?,?\s(?:[NSEW]\.?\s)?(?:[A-Z0-9][A-Za-z0-9'.-]{0,20}\s){0,3}[A-Z0-9][A-Za-z0-9'.-]{0,20}) (?:street|avenue|ave|road|rd|lane|ln|drive|boulevard|blvd|court|terrace|highway|parkway|square|close|crescent)\b";
}

/// A mail address around its `@`.
pub(super) fn mail(text: &[u8], at: usize) -> bool {
    const LOCAL: usize = 64;
    const DOMAIN: usize = 128;
    let local =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'');
    let before = text[..at].iter().rev().take(LOCAL).take_while(|byte| local(**byte)).count();
    if before == 0 || text[at - 1] == b'.' {
        return false;
    }
    let domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || !byte.is_ascii();
    let behind = text[at + 1..].iter().take(DOMAIN).take_while(|byte| domain(**byte)).count();
    let mut labels =
        text[at + 1..at + 1 + behind].split(|byte| *byte == b'.').rev().skip_while(|label| label.is_empty());
    let top = labels.next().unwrap_or_default();
    let letters = top.len() >= 2
        && top.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-' || !byte.is_ascii());
    letters && labels.next().is_some_and(|label| !label.is_empty())
}
