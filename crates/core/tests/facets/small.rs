//! Addresses, dates, amounts, sizes.

use serde_json::json;

use crate::{answer, hold};

#[test]
fn recipients_are_those_that_every_reader_sees() {
    hold(
        "email.addresses",
        &[
            ("alice@example.com", "alice@example.com"),
            ("Alice@Example.COM.", "alice@example.com"),
            ("Alice <alice@example.com>", "alice@example.com"),
            ("<alice@example.com>", "alice@example.com"),
            ("\"Doe, Alice\" <alice@example.com>", "alice@example.com"),
            ("a@x.example, b@y.example; c@x.example,", "a@x.example b@y.example c@x.example"),
            ("a@x.example, a@x.example", "a@x.example"),
            ("alice+tag@example.com", "alice+tag@example.com"),
            ("", "?"),
            ("alice", "?"),
            ("alice@localhost", "?"),
            ("alice@example.com eve@evil.example", "?"),
            ("alice@example.com\r\nBcc: eve@evil.example", "?"),
            ("alice@example.com <eve@evil.example>", "?"),
            ("\"alice@example.com\" <eve@evil.example>", "?"),
            ("\"alice@example.com\"@evil.example", "?"),
            ("alice@example.com@evil.example", "?"),
            ("alice%evil.example@example.com", "?"),
            ("evil.example!alice@example.com", "?"),
            ("alice@(evil.example)example.com", "?"),
            ("alice(comment)@example.com", "?"),
            ("team: a@x.example, b@y.example;", "?"),
            ("=?utf-8?q?eve=40evil?= <alice@example.com>", "?"),
            ("alice@[10.0.0.1]", "?"),
            ("alice@10.0.0.1", "?"),
            ("alice@exämple.com", "?"),
            ("alice@example.com\u{200b}.evil.example", "?"),
            ("mailto:alice@example.com", "?"),
            ("Alice <alice@example.com> <eve@evil.example>", "?"),
            ("\"Alice <alice@example.com>", "?"),
        ],
    );
    hold("email.domains", &[("a@x.example, b@X.example, c@y.example", "x.example y.example")]);
    hold("email.count", &[("a@x.example, a@x.example, b@x.example", "3")]);
    let list = json!(["a@x.example", "Bob <b@y.example>, c@z.example"]);
    assert_eq!(answer("email.addresses", &list), "a@x.example b@y.example c@z.example");
    assert_eq!(answer("email.count", &list), "3");
    assert_eq!(answer("email.count", &json!([])), "0");
    assert_eq!(answer("email.count", &json!(["a@x.example", 5])), "?");
    assert_eq!(answer("email.count", &json!(7)), "?");
}

#[test]
fn a_date_is_a_moment_when_it_has_an_offset() {
    hold(
        "date.unix",
        &[
            ("1970-01-01T00:00:00Z", "0"),
            ("1970-01-01", "0"),
            ("1969-12-31T23:59:59Z", "-1"),
            ("2000-02-29", "951782400"),
            ("2026-03-01T12:30:00Z", "1772368200"),
            ("2026-03-01T12:30:00.123456789Z", "1772368200"),
            ("2026-03-01t14:30:00+02:00", "1772368200"),
            ("2026-03-01 07:00:00-05:30", "1772368200"),
            ("0001-01-01", "-62135596800"),
            ("9999-12-31T23:59:59Z", "253402300799"),
            ("2026-03-01T12:30:00", "?"),
            ("2026-03-01T12:30Z", "?"),
            ("2026-02-29", "?"),
            ("2100-02-29", "?"),
            ("2026-13-01", "?"),
            ("2026-00-01", "?"),
            ("2026-01-32", "?"),
            ("0000-01-01", "?"),
            ("2026-01-01T24:00:00Z", "?"),
            ("2026-01-01T00:60:00Z", "?"),
            ("2026-01-01T00:00:60Z", "?"),
            ("2026-01-01T00:00:00.Z", "?"),
            ("2026-01-01T00:00:00+24:00", "?"),
            ("2026-01-01T00:00:00+0200", "?"),
            ("20260101", "?"),
            ("01/02/2026", "?"),
            ("tomorrow", "?"),
            ("+026-01-01", "?"),
            ("2026-01-0１", "?"),
            ("", "?"),
        ],
    );
    assert_eq!(answer("date.unix", &json!(0)), "?");
}

#[test]
fn an_amount_is_a_number_when_its_notation_means_one() {
    hold(
        "amount.value",
        &[
            ("1234", "1234"),
            ("1,234.50 EUR", "1234.5"),
            ("1.234,50 €", "1234.5"),
            ("1 234,50", "1234.5"),
            ("1\u{202f}234\u{202f}567", "1234567"),
            ("1'234.50", "1234.5"),
            ("1,234,567", "1234567"),
            ("1234.5", "1234.5"),
            ("1234.567", "1234.567"),
            ("0.125", "0.125"),
            ("12,5", "12.5"),
            ("$99.99", "99.99"),
            ("-$5", "-5"),
            ("$-5", "-5"),
            ("EUR 5", "5"),
            ("5eur", "5"),
            ("1,234", "?"),
            ("1.234", "?"),
            ("12,34,567", "?"),
            ("1,2345.6", "?"),
            ("1.234.56", "?"),
            ("1e6", "?"),
            ("10k", "?"),
            ("5 %", "?"),
            ("(5)", "?"),
            ("--5", "?"),
            ("5 apples", "?"),
            ("5 USD EUR", "?"),
            ("€5 USD", "?"),
            ("5 6", "?"),
            ("٥", "?"),
            ("NaN", "?"),
            ("99999999999999999999", "?"),
            ("0.12345678901234567", "?"),
            ("", "?"),
            ("EUR", "?"),
        ],
    );
    hold(
        "amount.currency",
        &[
            ("5 EUR", "EUR"),
            ("5 eur", "EUR"),
            ("€5", "EUR"),
            ("£5", "GBP"),
            ("US$5", "USD"),
            ("$5 USD", "USD"),
            ("$5 CAD", "CAD"),
            ("$5", "?"),
            ("¥5", "?"),
            ("5", "?"),
            ("$5 EUR", "?"),
            ("5 ABC", "?"),
        ],
    );
    assert_eq!(answer("amount.value", &json!(12.5)), "12.5");
    assert_eq!(answer("amount.value", &json!(-3)), "-3");
    assert_eq!(answer("amount.currency", &json!(12.5)), "?");
    assert_eq!(answer("amount.value", &json!(null)), "?");
}

#[test]
fn sizes_are_of_texts_lists_and_anything_as_json() {
    assert_eq!(answer("size.bytes", &json!("é")), "2");
    assert_eq!(answer("size.chars", &json!("é")), "1");
    assert_eq!(answer("size.bytes", &json!({"a": [1, 2]})), "11");
    assert_eq!(answer("size.bytes", &json!(null)), "4");
    assert_eq!(answer("size.items", &json!([1, [2, 3]])), "2");
    assert_eq!(answer("size.items", &json!({"a": 1})), "1");
    assert_eq!(answer("size.items", &json!("abc")), "?");
    assert_eq!(answer("size.chars", &json!(12)), "?");
}
