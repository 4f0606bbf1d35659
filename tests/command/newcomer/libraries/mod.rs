//! The lines that `roan init` prints for each library, in modules that are compiled with it, and never run.
#![allow(dead_code, reason = "they only have to compile")]

mod diesel;
mod diesel_async;
mod no_library;
mod sea_orm;
mod sqlx;
mod start;

use super::{bare, step};
use crate::init::{crate_with, init};

#[test]
fn the_lines_for_each_library_are_compiled() {
    for (dependencies, source) in [
        ("", include_str!("no_library.rs")),
        (
            "sqlx = { version = '0.9', features = ['postgres'] }",
            include_str!("sqlx.rs"),
        ),
        (
            "sea-orm = { version = '2', features = ['sqlx-sqlite'] }",
            include_str!("sea_orm.rs"),
        ),
        (
            "diesel = { version = '2.3', features = ['mysql'] }",
            include_str!("diesel.rs"),
        ),
        (
            "diesel = '2.3'\ndiesel-async = { version = '0.9', features = ['postgres'] }",
            include_str!("diesel_async.rs"),
        ),
    ] {
        // With axum, `main` has another form.
        for axum in ["", "axum = '0.8'\n"] {
            let folder = crate_with(&format!("[dependencies]\n{axum}{dependencies}\n"));
            let printed = init(folder.path(), &[]).stdout;
            let [model, main] = [2, 3].map(|number| step(&printed, number));
            assert!(model.len() >= 3 && main.len() >= 2, "{printed}");
            // The lines on the model, and those for its writes, are in two places.
            let (model, write) = model.split_at(model.len() - 1);
            let start = include_str!("start.rs");
            for (source, lines) in [(source, model), (source, write), (start, &*main)] {
                for line in lines {
                    assert!(
                        bare(source).contains(&bare(line)),
                        "{line:?} is not in the source for {dependencies:?}: {printed}"
                    );
                }
            }
        }
    }
}
