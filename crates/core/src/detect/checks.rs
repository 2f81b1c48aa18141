//! Check digits, checksums and randomness.

use sha2::{Digest as _, Sha256};

/// The Luhn sum of decimal digits, as on payment cards.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => 2 * digit - 9,
            (_, digit) => 2 * digit,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The sum of digits times weights.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// ISO 7064 MOD 97-10 of letters and digits (`A` = 10), as in IBANs, the first four moved to the end.
pub(super) fn iban(text: &[u8]) -> bool {
    let (head, tail) = text.split_at(4.min(text.len()));
    let rest = tail.iter().chain(head).try_fold(0_u32, |rest, byte| {
        let value = char::from(*byte).to_digit(36)?;
        Some(if value > 9 { rest * 100 + value } else { rest * 10 + value } % 97)
    });
    rest == Some(1)
}

/// The Verhoeff check digit, as in Aadhaar numbers.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const MULTIPLIED: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const TURNED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let turned = |digit: u8, times: usize| (0..times % 8).fold(digit, |digit, _| TURNED[usize::from(digit)]);
    let sum = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0_u8, |sum, (at, digit)| MULTIPLIED[usize::from(sum)][usize::from(turned(*digit, at))]);
    sum == 0
}

/// Base58Check, as in Bitcoin addresses and keys: the bytes without their checksum, the version first.
pub(super) fn base58(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    /// Extended keys have 111 characters.
    const LONGEST: usize = 120;
    if text.len() > LONGEST {
        return None;
    }
    let mut number: Vec<u8> = Vec::with_capacity(90);
    for byte in text {
        let mut carry = ALPHABET.iter().position(|known| known == byte)?;
        for place in &mut number {
            carry += usize::from(*place) * 58;
            *place = u8::try_from(carry % 256).ok()?;
            carry /= 256;
        }
        while carry > 0 {
            number.push(u8::try_from(carry % 256).ok()?);
            carry /= 256;
        }
    }
    number.extend(text.iter().take_while(|byte| **byte == b'1').map(|_| 0));
    number.reverse();
    let body = number.len().checked_sub(4)?;
    let checksum = number.split_off(body);
    let digest = Sha256::digest(Sha256::digest(&number));
    (digest[..4] == *checksum).then_some(number)
}

/// Bech32 and Bech32m, as in newer Bitcoin addresses: the human-readable part, `1`, the data with its checksum.
pub(super) fn bech32(text: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    const LONGEST: usize = 90;
    let low = text.to_ascii_lowercase();
    if text.len() > LONGEST || (low != text && text.iter().any(u8::is_ascii_lowercase)) {
        return false;
    }
    let Some(parted) = low.iter().rposition(|byte| *byte == b'1') else { return false };
    let (name, data) = (&low[..parted], &low[parted + 1..]);
    let Some(data) = data
        .iter()
        .map(|byte| {
            ALPHABET.iter().position(|known| known == byte).and_then(|value| u32::try_from(value).ok())
        })
        .collect::<Option<Vec<u32>>>()
    else {
        return false;
    };
    let high = name.iter().map(|byte| u32::from(byte >> 5));
    let low = name.iter().map(|byte| u32::from(byte & 31));
    let sum = high.chain([0]).chain(low).chain(data).fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let next = (sum & 0x01ff_ffff) << 5 ^ value;
        GENERATOR
            .iter()
            .enumerate()
            .fold(next, |next, (at, g)| if top >> at & 1 == 1 { next ^ g } else { next })
    });
    matches!(sum, 1 | 0x2bc8_30a3)
}

/// Different bytes in a text, counted to 64.
pub(super) fn distinct(text: &[u8]) -> u32 {
    text.iter().fold(0_u128, |seen, byte| seen | 1 << (byte & 127)).count_ones()
}

/// Looks drawn at random rather than written: several kinds of characters, mixed, and few repeated.
pub(super) fn random(text: &[u8]) -> bool {
    /// Of longer texts the beginning decides.
    const ENOUGH: usize = 128;
    let text = &text[..text.len().min(ENOUGH)];
    let count = |class: fn(&u8) -> bool| text.iter().filter(|byte| class(byte)).count();
    let (digits, small, capitals) =
        (count(u8::is_ascii_digit), count(u8::is_ascii_lowercase), count(u8::is_ascii_uppercase));
    let letters = small + capitals;
    let hex = text.iter().all(u8::is_ascii_hexdigit);
    // Words in camel case and dates change their kind of character rarely; drawn text all the time.
    let kind = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    };
    let turns = text.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
    let mixed = if digits > 0 { turns * 4 >= text.len() } else { turns * 8 >= text.len() * 3 };
    let enough =
        usize::try_from(distinct(text)).unwrap_or(0) * 2 >= text.len().min(if hex { 20 } else { 36 });
    letters > 0 && (digits >= 2 || (small > 2 && capitals > 2)) && mixed && enough
}

#[cfg(test)]
mod tests {
    use super::{base58, bech32, iban, luhn, random, verhoeff};

    #[test]
    fn checksums_agree_with_published_examples() {
        let digits = |text: &str| text.bytes().map(|byte| byte - b'0').collect::<Vec<_>>();
        assert!(luhn(&digits("4111111111111111")) && !luhn(&digits("4111111111111112")));
        assert!(verhoeff(&digits("2363")) && !verhoeff(&digits("2364")));
        assert!(iban(b"GB82WEST12345698765432") && !iban(b"GB82WEST12345698765431"));
        assert!(base58(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa").is_some());
        assert!(base58(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb").is_none());
        assert!(bech32(b"BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"));
        assert!(bech32(b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"));
        assert!(!bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"));
    }

    #[test]
    fn drawn_text_is_told_from_written_text() {
        for drawn in
            ["wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "9f86d081884c7d659a2feaa0c55ad015", "x7Kp2mQ9vR4tL8wZ"]
        {
            assert!(random(drawn.as_bytes()), "{drawn}");
        }
        for written in
            ["nextPageTokenValue", "2026-03-01T10:00:00Z", "customer_identifier", "0000000000000000"]
        {
            assert!(!random(written.as_bytes()), "{written}");
        }
    }
}
