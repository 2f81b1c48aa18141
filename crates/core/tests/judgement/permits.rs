//! What must not compile: a permit that nobody was given, and one that is used twice.

#[test]
fn a_permit_cannot_be_forged_copied_or_used_twice() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
