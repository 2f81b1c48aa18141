//! Keys and tokens by their form: providers' prefixes, private keys, JWTs, connection strings, authorization headers.

use super::checks::{distinct, random};
use super::detectors::{AUTHORIZATION, CONNECTION, Detector, KEY_FORM, PRIVATE_KEY, PROVIDER_KEY};

/// What a provider's keys begin with, and what comes behind.
pub(super) struct Prefix {
    /// The beginning, in its own case.
    pub(super) text: &'static str,
    body: fn(u8) -> bool,
    /// So many characters of the body at least.
    least: usize,
    /// What has it.
    pub(super) detector: &'static Detector,
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}
fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}
fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}
fn url(byte: u8) -> bool {
    alnum(byte) || matches!(byte, b'-' | b'_')
}
fn dotted(byte: u8) -> bool {
    url(byte) || byte == b'.'
}
fn base64(byte: u8) -> bool {
    alnum(byte) || matches!(byte, b'+' | b'/' | b'=')
}
fn any(byte: u8) -> bool {
    base64(byte) || dotted(byte) || matches!(byte, b'%' | b'~' | b':')
}

macro_rules! prefixes {
    ($($body:ident $least:literal $detector:ident: $($text:literal)+;)*) => {
        /// Every prefix.
        pub(super) static PREFIXES: &[Prefix] = &[$($(
            Prefix { text: $text, body: $body, least: $least, detector: &$detector },
        )+)*];
    };
}

prefixes! {
    // Amazon, Alibaba, Tencent
    upper 16 PROVIDER_KEY: "AKIA" "ASIA" "ABIA" "ACCA";
    alnum 16 PROVIDER_KEY: "LTAI";
    alnum 30 PROVIDER_KEY: "AKID";
    base64 60 PROVIDER_KEY: "ABSKQmVkcm9ja0FQSUtleS";
    // Google
    url 33 PROVIDER_KEY: "AIza";
    url 24 PROVIDER_KEY: "GOCSPX-";
    dotted 20 PROVIDER_KEY: "ya29.";
    // Microsoft
    base64 40 PROVIDER_KEY: "AccountKey=" "SharedAccessKey=";
    any 40 PROVIDER_KEY: "SharedAccessSignature sr=";
    // Code hosts
    alnum 30 PROVIDER_KEY: "ghp_" "gho_" "ghu_" "ghs_" "ghr_";
    url 22 PROVIDER_KEY: "github_pat_";
    dotted 16 PROVIDER_KEY: "glpat-" "gldt-" "glrt-" "glcbt-" "glptt-" "glft-" "glsoat-" "glimt-" "glagent-" "gloas-";
    any 20 PROVIDER_KEY: "ATATT3" "ATCTT3" "ATBB";
    // Chat
    url 12 PROVIDER_KEY: "xoxb-" "xoxp-" "xoxa-" "xoxr-" "xoxs-" "xoxe-" "xapp-";
    dotted 20 PROVIDER_KEY: "xoxe.xox";
    base64 20 PROVIDER_KEY: "hooks.slack.com/services/" "hooks.slack.com/workflows/";
    any 60 PROVIDER_KEY: "discord.com/api/webhooks/" "discordapp.com/api/webhooks/";
    url 30 PROVIDER_KEY: ":AAE" ":AAF" ":AAG" ":AAH";
    // Payment
    alnum 16 PROVIDER_KEY: "sk_live_" "rk_live_" "sk_test_" "rk_test_" "whsec_" "rzp_live_" "sk_prod_";
    url 20 PROVIDER_KEY: "sq0atp-" "sq0csp-" "access_token$production$" "FLWSECK-" "access-production-";
    // Models
    url 20 PROVIDER_KEY: "sk-ant-" "sk-proj-" "sk-svcacct-" "sk-admin-" "sk-or-v1-" "pplx-" "xai-" "gsk_" "r8_" "hf_" "tgp_v1_";
    alnum 32 KEY_FORM: "sk-";
    // Registries
    alnum 30 PROVIDER_KEY: "npm_";
    url 50 PROVIDER_KEY: "pypi-AgE";
    hex 40 PROVIDER_KEY: "rubygems_";
    url 20 PROVIDER_KEY: "dckr_pat_" "dckr_oat_";
    alnum 30 PROVIDER_KEY: "AKCp";
    alnum 30 KEY_FORM: "cio";
    // Hosting
    hex 60 PROVIDER_KEY: "dop_v1_" "doo_v1_" "dor_v1_";
    any 20 PROVIDER_KEY: "HRKU-" "fo1_" "FlyV1 fm" "pscale_tkn_" "pscale_pw_" "pscale_oauth_" "vercel_blob_rw_";
    hex 32 PROVIDER_KEY: "sbp_" "sb_secret_" "dapi" "pul-";
    url 40 PROVIDER_KEY: ".atlasv1.";
    // Vaults
    url 20 PROVIDER_KEY: "hvs." "hvb." "hvr." "ops_eyJ";
    alnum 30 PROVIDER_KEY: "dp.pt." "dp.st." "dp.ct." "dp.sa.";
    upper 50 PROVIDER_KEY: "AGE-SECRET-KEY-1";
    // Watching
    url 20 PROVIDER_KEY: "glsa_" "glc_" "NRAK-" "NRJS-" "sntrys_" "sntryu_" "dt0c01." "dt0s01.";
    // Mail and telephones
    dotted 40 PROVIDER_KEY: "SG.";
    url 30 PROVIDER_KEY: "xkeysib-" "xsmtpsib-";
    hex 32 KEY_FORM: "SK" "key-";
    // Shops and offices
    hex 30 PROVIDER_KEY: "shpat_" "shpss_" "shpca_" "shppa_";
    alnum 30 PROVIDER_KEY: "lin_api_" "lin_oauth_" "ntn_" "secret_" "figd_" "figo_";
    url 30 PROVIDER_KEY: "PMAK-" "pat-na1-" "pat-eu1-" "EZAK" "tfp_" "aio_" "duffel_live_";
    dotted 60 PROVIDER_KEY: "EAACEdEose0cBA" "EAAG" "EAAJ";
}

/// Whether a key with this prefix stands at `at`. Where it ends is left open: keys get longer from year to year.
pub(super) fn prefixed(text: &[u8], at: usize, prefix: &Prefix, joined: bool) -> bool {
    /// A longer prefix does not come by chance, so that nothing has to part it from what stands before.
    const DISTINCT: usize = 5;
    let from = at + prefix.text.len();
    if text[at..from] != *prefix.text.as_bytes() {
        return false;
    }
    let word = prefix.text.len() < DISTINCT && text[at].is_ascii_alphanumeric();
    if word && !joined && !fresh(text, at) {
        return false;
    }
    let Some(body) = text.get(from..from + prefix.least) else { return false };
    body.iter().all(|byte| (prefix.body)(*byte)) && distinct(body) >= 6
}

/// Whether a word may begin here: nothing before it, or nothing that belongs to a word.
pub(super) fn fresh(text: &[u8], at: usize) -> bool {
    match &text[..at] {
        [.., b'\\', b'n' | b't' | b'r'] | [] => true,
        [.., before] => !before.is_ascii_alphanumeric() && *before != b'_',
    }
}

/// A private key in PEM or PuTTY form whose body has begun, from its `-----BEGIN` or `PuTTY-User-Key-File` on.
pub(super) fn private_key(text: &[u8], at: usize) -> bool {
    const HEADER: usize = 80;
    let header = &text[at..text.len().min(at + HEADER)];
    let Some(rest) = header.strip_prefix(b"-----BEGIN") else { return true };
    let title =
        rest.split(|byte| !matches!(byte, b' ' | b'A'..=b'Z' | b'0'..=b'9')).next().unwrap_or_default();
    title.ends_with(b"PRIVATE KEY") || title.ends_with(b"PRIVATE KEY BLOCK")
}

/// A JWT around the `.eyJ` where its claims begin: before it a header that begins in the same way.
pub(super) fn jwt(text: &[u8], at: usize) -> bool {
    const HEADER: usize = 10;
    // Headers end at the dot before them, so no byte is read for two of them.
    let header = text[..at].iter().rev().take_while(|byte| url(**byte)).count();
    let header = &text[at - header..at];
    let claims = text[at + 1..].iter().take(HEADER).filter(|byte| url(**byte)).count();
    text[at..].starts_with(b".eyJ")
        && claims == HEADER
        && header.len() >= HEADER
        && header.windows(3).any(|three| three == b"eyJ")
}

/// An Azure client secret around its `Q~`: three characters and a digit before it, 31 behind it.
pub(super) fn azure(text: &[u8], at: usize) -> bool {
    let Some([a, b, c, digit]) = at.checked_sub(4).and_then(|from| text.get(from..at)) else { return false };
    let free = |byte: u8| url(byte) || matches!(byte, b'.' | b'~');
    let behind = text[at + 2..].iter().take(31).take_while(|byte| free(**byte)).count();
    text[at] == b'Q' && digit.is_ascii_digit() && [*a, *b, *c].into_iter().all(free) && behind == 31
}

/// `scheme://user:password@host` around its `://`.
pub(super) fn connection(text: &[u8], at: usize) -> Option<&'static Detector> {
    const LONGEST: usize = 256;
    let rest = &text[at + 3..text.len().min(at + 3 + LONGEST)];
    let until = rest.iter().position(|byte| {
        matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<' | b'>') || byte.is_ascii_whitespace()
    });
    let authority = &rest[..until.unwrap_or(rest.len())];
    let user = &authority[..authority.iter().rposition(|byte| *byte == b'@')?];
    let password = &user[user.iter().position(|byte| *byte == b':')? + 1..];
    (at > 0 && text[at - 1].is_ascii_alphanumeric() && password.len() >= 2 && !blank(password))
        .then_some(&CONNECTION)
}

/// What follows `Bearer ` or `Basic ` in a header.
pub(super) fn authorization(text: &[u8], end: usize) -> Option<&'static Detector> {
    const LONGEST: usize = 64;
    let value = text[end..].iter().take(LONGEST).take_while(|byte| any(**byte)).count();
    let value = &text[end..end + value];
    (value.len() >= 16 && (random(value) || value.ends_with(b"=")) && !blank(value)).then_some(&AUTHORIZATION)
}

/// Holds the place of a value: stars, dots, braces, a word that says so.
pub(super) fn blank(value: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"your",
        b"example",
        b"redacted",
        b"changeme",
        b"change_me",
        b"hidden",
        b"masked",
        b"removed",
        b"dummy",
        b"insert",
        b"enter",
        b"sample",
        b"secret_here",
        b"null",
        b"none",
        b"true",
        b"false",
        b"undefined",
        b"string",
        b"required",
        b"optional",
        b"empty",
        b"n/a",
        b"password",
        b"passwd",
        b"pwd",
        b"token",
        b"user",
        b"pass",
    ];
    let low = value.to_ascii_lowercase();
    let written = value.iter().any(|byte| matches!(byte, b'$' | b'{' | b'<' | b'[')) && {
        matches!(value, [b'$', b'{' | b'(', ..] | [b'{' | b'<' | b'[', ..] | [b'%', b'(' | b's', ..])
    };
    written
        || distinct(value) <= 2
        || WORDS.iter().any(|word| low == *word || (word.len() > 5 && low.starts_with(word)))
}

/// The detector of private keys.
pub(super) fn private() -> &'static Detector {
    &PRIVATE_KEY
}
