//! What the documents name is there: files, tests, pages of the book, and the examples that the README shows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{files, read, root, short};

/// Every page that people read: beside the workspace, and the book.
fn pages() -> Vec<PathBuf> {
    let beside = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let beside = beside.map(|name| root().join(name));
    let written = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "md");
    let below = ["docs", "examples", "schemas"].iter().flat_map(|folder| files(folder)).filter(written);
    beside.into_iter().chain(below).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    for page in pages() {
        let text = read(&page);
        for (target, _) in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || target.contains("://") {
                continue;
            }
            let there = page.parent().unwrap().join(path).exists();
            assert!(there, "{} links to {target}, which is not there", short(&page));
        }
    }
}

#[test]
fn paths_and_tests_that_documents_name_exist() {
    let sources: String =
        files("crates").iter().filter(|file| is(file, "rs")).map(|file| read(file)).collect();
    for page in pages() {
        for name in quoted(&read(&page)) {
            let looks_like_path = name.contains('/') && (name.ends_with('/') || is(Path::new(&name), "rs"));
            if looks_like_path && !name.starts_with(['/', '.', '~']) {
                let below = [root(), root().join("crates"), page.parent().unwrap().to_owned()];
                let there = below.iter().any(|folder| folder.join(&name).exists());
                assert!(
                    there || is_in_gitignore(&name),
                    "{} names `{name}`, which is not there",
                    short(&page)
                );
            }
            let looks_like_test =
                name.matches('_').count() >= 5 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let there = sources.contains(&format!("fn {name}("));
            assert!(!looks_like_test || there, "{} names `{name}`, which no source has", short(&page));
        }
    }
}

#[test]
fn every_page_of_the_book_is_in_its_table_and_no_other() {
    let table = read(&root().join("docs/src/SUMMARY.md"));
    let listed: BTreeSet<_> = table.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    let book = root().join("docs/src");
    let pages = files("docs/src")
        .into_iter()
        .map(|file| file.strip_prefix(&book).unwrap().to_string_lossy().into_owned());
    let there: BTreeSet<_> = pages.filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(listed, there.iter().map(String::as_str).collect());
    let records = read(&root().join("docs/src/decisions.md"));
    for record in files("docs/decisions").iter().filter(|file| !file.ends_with("template.md")) {
        let name = record.file_name().unwrap().to_string_lossy().into_owned();
        assert!(records.contains(&format!("/{name}}}}}")), "docs/src/decisions.md does not include {name}");
    }
}

/// The README shows the example as it is: nobody copies a configuration that no test has loaded.
#[test]
fn the_readme_and_the_book_show_the_example_as_it_is() {
    let configuration = read(&root().join("examples/filesystem/countersign.yaml"));
    let rules = read(&root().join("examples/filesystem/policies/files.yaml"));
    let readme = read(&root().join("README.md"));
    assert!(
        yaml(&readme).contains(&&*configuration),
        "README.md shows another countersign.yaml than examples/filesystem"
    );
    assert!(
        yaml(&readme).iter().any(|block| rules.contains(block)),
        "README.md shows a rule that the example lacks"
    );
    let chapter = read(&root().join("docs/src/configuration.md"));
    assert!(
        yaml(&chapter).contains(&&*configuration),
        "docs/src/configuration.md shows another configuration"
    );
}

fn yaml(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What stands in backquotes outside code blocks.
fn quoted(page: &str) -> Vec<String> {
    let prose = page.split("```").step_by(2).flat_map(str::lines);
    prose.flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn is(file: &Path, kind: &str) -> bool {
    file.extension().is_some_and(|extension| extension == kind)
}

/// Folders that a user makes, such as `tokens/`.
fn is_in_gitignore(name: &str) -> bool {
    let example = read(&root().join("examples/filesystem/.gitignore"));
    example.lines().any(|line| line.trim_matches('/') == name.trim_matches('/'))
}
