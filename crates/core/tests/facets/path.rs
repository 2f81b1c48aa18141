//! Normal forms of paths, and what climbs.

use countersign_core::policy::facets::{is_under, normal_path, under};

use crate::hold;

#[test]
fn the_normal_form_has_no_detours() {
    hold(
        "path.normal",
        &[
            ("/data/report.txt", "/data/report.txt"),
            ("/data//a///b/", "/data/a/b"),
            ("//etc/passwd", "/etc/passwd"),
            ("/data/./a/.", "/data/a"),
            ("/data/../etc/passwd", "/etc/passwd"),
            ("/data/a/b/../../c", "/data/c"),
            ("a/b/../c", "a/c"),
            ("./a", "a"),
            ("a/..", "."),
            (".", "."),
            ("/", "/"),
            ("~/notes/../.ssh/id", "~/.ssh/id"),
            ("~", "~"),
            ("~bob/x", "~bob/x"),
            ("C:\\Data\\a\\b.txt", "c:/Data/a/b.txt"),
            ("c:/", "c:/"),
            ("a\\b", "a/b"),
            ("/data/a%20b.txt", "/data/a b.txt"),
            ("/data/100%", "/data/100%"),
            ("/data/12:30.log", "/data/12:30.log"),
            ("/data/e\u{301}", "/data/é"),
            ("/data／etc", "/data/etc"),
            ("/data/%2fetc", "/data/etc"),
            ("file:///data/a", "/data/a"),
            ("file://localhost/data/a", "/data/a"),
        ],
    );
}

#[test]
fn what_climbs_or_hides_where_it_goes_has_no_normal_form() {
    let table: Vec<(&str, &str)> = [
        "../etc/passwd",
        "/..",
        "/../etc/passwd",
        "a/../../b",
        "~/..",
        "~/../root",
        "/data/%2e%2e/etc",
        "/data/%2e%2e%2fetc",
        "/data/..%2fetc",
        "/data/%252e%252e/etc",
        "/data/%25252525252e/etc",
        "/data/..\\etc",
        "/data\\..\\..\\etc",
        "/data/\u{ff0e}\u{ff0e}/etc",
        "/data/\u{2024}\u{2024}/etc",
        "/data/..／etc",
        "/data/..\u{2215}etc",
        "/data/%c0%ae%c0%ae/etc",
        "/data/%e0%80%ae/etc",
        "/data/%u002e%u002e/etc",
        "/data/a\0.txt",
        "/data/a%00.txt",
        "/data/a\n",
        " /data/a",
        "/data/a ",
        "/data/.. /etc",
        "/data/.../etc",
        "/data/a./b",
        "/data/.\u{200b}./etc",
        "/data/\u{202e}txt.exe",
        "/proc/self/root",
        "/proc/123/cwd/a",
        "/dev/fd/3",
        "\\\\server\\share",
        "\\\\?\\C:\\a",
        "C:a",
        "C:\\PROGRA~1\\a",
        "C:\\a\\..\\b",
        "/data/a.txt::$DATA",
        "$HOME/a",
        "./~/a",
        "./c:/a",
        "a/../$HOME",
        "%APPDATA%/a",
        "https://example.com/a",
        "file://server/share",
        "",
    ]
    .into_iter()
    .map(|text| (text, "?"))
    .collect();
    hold("path.normal", &table);
}

#[test]
fn a_path_is_absolute_hidden_and_named_as_its_normal_form_says() {
    hold(
        "path.absolute",
        &[("/a", "true"), ("~/a", "true"), ("C:\\a", "true"), ("a", "false"), ("./a", "false")],
    );
    hold(
        "path.hidden",
        &[
            ("/a/.ssh/id", "true"),
            (".env", "true"),
            ("/a/b", "false"),
            ("./a", "false"),
            ("a/.b/../c", "false"),
        ],
    );
    hold(
        "path.extension",
        &[
            ("/a/b.TXT", "txt"),
            ("/a/b.tar.gz", "gz"),
            ("/a/.env", ""),
            ("/a/.env.local", "local"),
            ("/a/b", ""),
            ("/a.d/b", ""),
            ("/a/b.txt%00.png", "?"),
        ],
    );
}

#[test]
fn under_counts_whole_components() {
    for (path, folder) in [
        ("/data/a", "/data"),
        ("/data/a", "/data/"),
        ("/data", "/data"),
        ("/data/a", "/"),
        ("~/a/b", "~/a"),
        ("~/a", "/"),
        ("a/b", "a"),
        ("a/b", "."),
        ("c:/a", "C:/"),
        ("c:/", "C:/"),
        ("c:/Data/a", "C:\\data"),
        ("/data/a", "/srv/../data"),
    ] {
        assert!(is_under(path, folder), "{path} {folder}");
    }
    for (path, folder) in [
        ("/database", "/data"),
        ("/data", "/data/a"),
        ("/etc", "/data"),
        ("/Data/a", "/data"),
        ("~/ab", "~/a"),
        ("~bob/a", "~/a"),
        ("b", "a"),
        ("/data", "../data"),
    ] {
        assert!(!is_under(path, folder), "{path} {folder}");
    }
}

#[test]
fn under_has_no_answer_where_only_the_file_system_could_tell() {
    assert_eq!(under("data/a", "/data"), None);
    assert_eq!(under("/home-of-alice/a", "~/a"), None);
    assert_eq!(under("~/a", "/srv"), None);
    assert_eq!(under("c:/a", "/data"), Some(false));
    assert_eq!(normal_path("../a"), None);
}
