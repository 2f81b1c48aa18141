//! Hosts that are what they seem, or are not.

use crate::hold;

#[test]
fn a_host_is_the_one_that_every_client_goes_to() {
    hold(
        "url.host",
        &[
            ("https://example.com", "example.com"),
            ("HTTPS://Example.COM./a", "example.com"),
            ("https://example.com:8443/a?b#c", "example.com"),
            ("https://user:secret@example.com/", "example.com"),
            ("https://bücher.example/", "xn--bcher-kva.example"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
            ("ssh://git@Example.com:22/repo.git", "example.com"),
            ("postgres://u:p@db.example.com/x", "db.example.com"),
            ("https://127.0.0.1/", "127.0.0.1"),
            ("https://2130706433/", "127.0.0.1"),
            ("https://0x7f.1/", "127.0.0.1"),
            ("https://0x7f000001/", "127.0.0.1"),
            ("https://127.1/", "127.0.0.1"),
            ("https://[::1]/", "[::1]"),
            ("https://[0:0:0:0:0:0:0:1]:80/", "[::1]"),
            ("https://[::ffff:10.0.0.1]/", "[::ffff:10.0.0.1]"),
            ("file:///etc/passwd", ""),
            ("https://example.com/@evil.example", "example.com"),
            ("https://example.com?@evil.example", "example.com"),
            ("https://example.com#@evil.example", "example.com"),
            ("https://example.com@evil.example/", "evil.example"),
            ("https://example.com:443@evil.example/", "evil.example"),
            ("https://example.com%2f@evil.example/", "evil.example"),
            ("https://example.com.evil.example/", "example.com.evil.example"),
        ],
    );
}

#[test]
fn what_clients_read_differently_has_no_answer() {
    let table: Vec<(&str, &str)> = [
        "https://example.com\\@evil.example/",
        "https://evil.example\\.example.com/",
        "https:\\\\evil.example",
        "https:/example.com",
        "https:example.com",
        "https:///example.com",
        "https:////example.com",
        "//example.com/a",
        "/a/b",
        "example.com",
        "example.com:8080",
        "localhost:8080/a",
        "https://a@b@evil.example/",
        "https://exa\tmple.com/",
        "https://exam\nple.com/",
        "https://example.com\r\nHost: evil.example/",
        "\u{1}https://example.com/",
        "https://exa%6dple.com/",
        "https://example.com%00.evil.example/",
        "https://ｅxample.com/",
        "https://example\u{3002}com/",
        "https://faß.example/",
        "https://exa\u{200b}mple.com/",
        "https://exam\u{ad}ple.com/",
        "https://010.0.0.1/",
        "https://example..com/",
        "https://[::1%25eth0]/",
        "https://[::1/",
        "https://example.com:port/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://",
        "http://256.256.256.256/",
        "file://server/share",
        "file:////server/share",
        "mailto:a@example.com",
        "javascript:alert(1)",
        "",
    ]
    .into_iter()
    .map(|text| (text, "?"))
    .collect();
    hold("url.host", &table);
}

#[test]
fn private_is_whatever_is_not_on_the_public_internet() {
    let private = [
        "http://localhost/",
        "http://LOCALHOST./",
        "http://app.localhost:3000/",
        "http://printer/",
        "http://db.internal/",
        "http://metadata.google.internal/",
        "http://nas.local/",
        "http://router.lan/",
        "http://x.home.arpa/",
        "http://127.0.0.1/",
        "http://127.255.255.254/",
        "http://127.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://100.64.0.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://192.0.2.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://[2002:7f00:1::]/",
        "http://[fc00::1]/",
        "http://[fd12:3456::1]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "http://127.0.0.1.nip.io/",
        "redis://0x7f.1:6379/",
        "postgres://LOCALHOST/x",
        "file:///etc/passwd",
    ];
    let public = [
        "https://example.com/",
        "https://8.8.8.8/",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://192.169.0.1/",
        "https://[2606:4700::1111]/",
        "https://[::ffff:8.8.8.8]/",
        "https://localhost.example.com/",
        "https://internal.example.com/",
        "ssh://git@github.com/a/b",
    ];
    let table: Vec<_> =
        private.iter().map(|t| (*t, "true")).chain(public.iter().map(|t| (*t, "false"))).collect();
    hold("url.private", &table);
    // Eight or ten: one reading is public.
    hold("url.private", &[("http://010.8.8.8/", "?")]);
}

#[test]
fn a_port_is_the_one_written_or_the_schemes_own() {
    hold(
        "url.port",
        &[
            ("https://example.com/", "443"),
            ("http://example.com:8080/", "8080"),
            ("http://example.com:/", "80"),
            ("ssh://example.com/", "22"),
            ("postgres://example.com/", "5432"),
            ("s3://bucket/key", "?"),
        ],
    );
}

#[test]
fn schemes_are_lower_case_and_no_host_is_taken_for_one() {
    hold(
        "url.scheme",
        &[
            ("HTTPS://example.com", "https"),
            ("file:///a", "file"),
            ("mailto:a@example.com", "mailto"),
            ("JavaScript:alert(1)", "javascript"),
            ("data:text/plain,a", "data"),
            ("localhost:8080", "?"),
            ("example.com/a", "?"),
            ("java\tscript:alert(1)", "?"),
        ],
    );
}

#[test]
fn userinfo_is_whatever_stands_before_an_at() {
    hold(
        "url.userinfo",
        &[
            ("https://example.com/", "false"),
            ("https://user@example.com/", "true"),
            ("https://user:secret@example.com/", "true"),
            ("https://@example.com/", "true"),
            ("https://example.com/a@b", "false"),
        ],
    );
}

#[test]
fn a_path_is_decoded_and_without_dots_or_it_has_no_answer() {
    hold(
        "url.path",
        &[
            ("https://example.com", "/"),
            ("https://example.com/a/b?c#d", "/a/b"),
            ("https://example.com/a/../b", "/b"),
            ("https://example.com/a/%2e%2e/b", "/b"),
            ("https://example.com/%61dmin", "/admin"),
            ("https://example.com/a%20b", "/a b"),
            ("https://example.com/a%2fb", "?"),
            ("https://example.com/a%5cb", "?"),
            ("https://example.com/%252e%252e/b", "?"),
            ("https://example.com/a%00b", "?"),
            ("https://example.com/%c0%ae%c0%ae/b", "?"),
            ("https://example.com//admin", "?"),
            ("https://example.com/a;/../b", "?"),
            ("https://example.com/a\\b", "?"),
        ],
    );
}
