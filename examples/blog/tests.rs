//! Runs the blog and its crash on each library. Both programs check what they show.

#![allow(clippy::expect_used, reason = "a test fails by a panic")]

use std::process::Command;

fn passes(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "{arguments:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

macro_rules! on {
    ($module:ident, $library:literal) => {
        mod $module {
            #[test]
            fn pages_are_fresh_after_each_write() {
                let blog = env!("CARGO_BIN_EXE_blog");
                super::passes(blog, &["--once", "--library", $library]);
            }

            #[test]
            fn a_crash_after_the_commit_loses_no_purge() {
                super::passes(env!("CARGO_BIN_EXE_crash"), &["--library", $library]);
            }
        }
    };
}

on!(sqlx, "sqlx");
#[cfg(feature = "sea-orm")]
on!(sea_orm, "sea-orm");
#[cfg(feature = "diesel")]
on!(diesel, "diesel");

#[test]
fn an_unknown_library_is_an_error_that_names_it() {
    let blog = Command::new(env!("CARGO_BIN_EXE_blog"))
        .args(["--library", "rusqlite"])
        .output()
        .expect("the blog starts");
    let message = String::from_utf8_lossy(&blog.stderr);
    assert_eq!(blog.status.code(), Some(2));
    assert!(message.contains("`rusqlite`"), "{message}");
}
