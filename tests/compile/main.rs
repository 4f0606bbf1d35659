//! What a user sees of each mistake, word for word.
//!
//! After a change of the messages: `TRYBUILD=overwrite cargo test -p roan-compile-tests --test ui`, and read the
//! difference.

/// The wording around our own messages belongs to the compiler and changes with its minor version.
#[rustversion::attr(
    not(all(stable, since(1.95), before(1.96))),
    ignore = "the expected texts are those of rustc 1.95"
)]
#[test]
fn mistakes_are_told_as_written_down() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/fail/*/*.rs");
}
