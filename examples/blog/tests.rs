//! Runs the blog and its crash on each library, and the blog behind each cache. Both programs check what they show.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by a panic, and shows what it saw"
)]

mod race;

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

/// The blog is the same behind each cache: only its environment differs.
macro_rules! behind {
    ($($module:ident: $cache:literal,)+) => {
        $(mod $module {
            #[test]
            fn pages_are_fresh_behind_it() {
                let blog = env!("CARGO_BIN_EXE_blog");
                super::passes(blog, &["--once", "--library", "sqlx", "--cache", $cache]);
            }
        })+
    };
}

behind! {
    nginx_refresh: "nginx-refresh",
    nginx_files: "nginx-files",
    varnish: "varnish",
    squid: "squid",
    traffic_server: "traffic-server",
    embedded: "embedded",
}

#[test]
fn an_unknown_library_is_an_error_that_names_it() {
    let message = fails(&["--library", "rusqlite"], 2);
    assert!(message.contains("`rusqlite`"), "{message}");
}

#[test]
fn an_unknown_cache_is_an_error_that_names_it_and_the_others() {
    let message = fails(&["--once", "--cache", "memcached"], 1);
    assert!(
        message.contains("`memcached`; there are nginx, "),
        "{message}"
    );
}

fn fails(arguments: &[&str], code: i32) -> String {
    let blog = Command::new(env!("CARGO_BIN_EXE_blog"))
        .args(arguments)
        .output()
        .expect("the blog starts");
    assert_eq!(blog.status.code(), Some(code));
    String::from_utf8_lossy(&blog.stderr).into_owned()
}
