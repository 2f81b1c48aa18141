//! The page of the book says what the code does.

use countersign_core::detect::normal::{DEPTH, GROWTH, SLACK};
use countersign_core::detect::{Cue, DETECTORS, FINDINGS, LONGEST};

const PAGE: &str = include_str!("../../../../docs/src/detection.md");

/// The rows of the page's tables, cell by cell.
fn rows() -> Vec<Vec<String>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &str| {
        row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    rows.map(|row| cells(&row.replace(r"\|", "/"))).collect()
}

fn number(cell: &str) -> u32 {
    cell.replace(',', "").parse().unwrap()
}

#[test]
fn the_book_lists_every_detector_with_its_level_and_grade() {
    let rows = rows();
    for detector in DETECTORS {
        let row = rows
            .iter()
            .find(|row| row[0] == detector.name)
            .unwrap_or_else(|| panic!("{} is missing", detector.name));
        let said = [row[2].as_str(), row[3].as_str()];
        let category = if detector.category.is_empty() { "none" } else { detector.category };
        assert_eq!(said, [category, detector.level.as_str()], "{}", detector.name);
        assert_eq!(number(&row[4]), u32::from(detector.grade), "{}", detector.name);
    }
}

#[test]
fn the_book_lists_every_cue_with_its_weight() {
    let rows = rows();
    for cue in Cue::ALL {
        let row = rows
            .iter()
            .find(|row| row[0] == cue.label())
            .unwrap_or_else(|| panic!("{} is missing", cue.label()));
        assert_eq!(number(&row[2]), cue.weight(), "{}", cue.label());
    }
    let known = rows.iter().filter(|row| row[0].starts_with("cue:")).count();
    assert_eq!(known, Cue::ALL.len(), "a cue that the code does not have");
}

#[test]
fn the_book_names_the_bounds() {
    for bound in [
        format!("{} MiB", LONGEST >> 20),
        format!("{DEPTH} deep"),
        format!("{GROWTH} bytes per byte of input plus {} KiB", SLACK >> 10),
        format!("{FINDINGS} findings"),
    ] {
        assert!(PAGE.contains(&bound), "{bound}");
    }
}
