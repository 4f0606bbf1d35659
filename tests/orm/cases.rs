//! The cases.

use roan::outbox::Dialect;

use crate::case::End::{Commit, Panic, Rollback};
use crate::case::Step::{
    Await, Create, CreateMany, CutOff, Delete, DeleteMany, Open, Raw, Rekey, Transaction, Update,
    UpdateMany, UpdateStale, Upsert,
};
use crate::case::{Case, Post, Step, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = single_rows();
    cases.extend(many_rows());
    cases.extend(upserts());
    cases.extend(transactions());
    cases.extend(failures());
    cases.extend(two_writers());
    cases
}

/// One writer, which does not fail.
fn case(name: &'static str, steps: Vec<Step>, purged: &'static [&'static str]) -> Case {
    Case {
        name,
        writers: vec![steps],
        purged,
        failing: 0,
        not_on: &[],
    }
}

fn retitle(id: i64, title: &'static str) -> Step {
    Update {
        id,
        slug: None,
        title: Some(title),
    }
}

fn rename(id: i64, slug: &'static str) -> Step {
    Update {
        id,
        slug: Some(slug),
        title: None,
    }
}

fn single_rows() -> Vec<Case> {
    vec![
        case(
            "a new row",
            vec![Create(post(7, "new", 1))],
            &["/posts", "/posts/new"],
        ),
        case(
            "an update of what the URL does not show",
            vec![retitle(1, "new")],
            &["/posts", "/posts/a", "/titles/1"],
        ),
        case(
            "an update that moves the row",
            vec![rename(1, "moved")],
            &["/posts", "/posts/a", "/posts/moved"],
        ),
        case(
            "an update of both",
            vec![Update {
                id: 1,
                slug: Some("moved"),
                title: Some("new"),
            }],
            &["/posts", "/posts/a", "/posts/moved", "/titles/1"],
        ),
        case(
            "an update that sets what was there",
            vec![retitle(1, "old")],
            &["/posts", "/posts/a"],
        ),
        // What the model in memory has is neither the old row nor the new one.
        case(
            "an update of a model that is out of date",
            vec![UpdateStale {
                id: 1,
                meanwhile: "UPDATE posts SET slug = 'theirs' WHERE id = 1",
                author_id: 2,
            }],
            &["/posts", "/posts/theirs"],
        ),
        case("a delete", vec![Delete(2)], &["/posts", "/posts/b"]),
        case(
            "a row with a slug that must be encoded",
            vec![Create(post(7, "a b/ö", 1))],
            &["/posts", "/posts/a%20b%2F%C3%B6"],
        ),
        case(
            "the life of a row",
            vec![Create(post(7, "new", 1)), rename(7, "moved"), Delete(7)],
            &["/posts", "/posts/moved", "/posts/new"],
        ),
        case(
            "SQL that goes past the models",
            vec![Raw("UPDATE posts SET title = 'raw' WHERE id = 1")],
            &[],
        ),
    ]
}

fn many_rows() -> Vec<Case> {
    vec![
        case(
            "many new rows",
            vec![CreateMany(vec![post(7, "x", 1), post(8, "y", 2)])],
            &["/posts", "/posts/x", "/posts/y"],
        ),
        case(
            "an update of many rows",
            vec![UpdateMany {
                author_id: 1,
                title: "new",
            }],
            &["/posts", "/posts/a", "/posts/b", "/titles/1", "/titles/2"],
        ),
        case(
            "an update of many rows that sets what was there",
            vec![UpdateMany {
                author_id: 1,
                title: "old",
            }],
            &["/posts", "/posts/a", "/posts/b"],
        ),
        case(
            "an update of no row",
            vec![UpdateMany {
                author_id: 9,
                title: "new",
            }],
            &[],
        ),
        case(
            "an update of many rows that changes their keys",
            vec![Rekey {
                author_id: 1,
                title: "new",
            }],
            &[
                "/posts",
                "/posts/a",
                "/posts/b",
                "/titles/1",
                "/titles/101",
                "/titles/102",
                "/titles/2",
            ],
        ),
        case(
            "a delete of many rows",
            vec![DeleteMany { author_id: 1 }],
            &["/posts", "/posts/a", "/posts/b"],
        ),
        case("a delete of no row", vec![DeleteMany { author_id: 9 }], &[]),
        case(
            "many rows in a transaction that is rolled back",
            vec![Transaction(
                vec![
                    CreateMany(vec![post(7, "x", 1), post(8, "y", 2)]),
                    UpdateMany {
                        author_id: 1,
                        title: "new",
                    },
                    DeleteMany { author_id: 2 },
                ],
                Rollback,
            )],
            &[],
        ),
    ]
}

/// Cases of one writer outside of a transaction.
pub(crate) fn outside_of_transactions() -> Vec<Case> {
    let mut cases = single_rows();
    cases.extend(many_rows());
    cases.extend(upserts());
    let is_outside = |step: &Step| !matches!(step, Transaction(..));
    cases.retain(|case| case.writers[0].iter().all(is_outside));
    cases
}

fn upserts() -> Vec<Case> {
    let retitled = |id, slug| Post {
        title: "new",
        ..post(id, slug, 1)
    };
    vec![
        case(
            "an upsert of a new row",
            vec![Upsert(vec![post(7, "new", 1)])],
            // Nobody knows whether another writer has inserted it in between.
            &["/posts", "/posts/new", "/titles/7"],
        ),
        case(
            "an upsert that moves a row",
            vec![Upsert(vec![post(1, "moved", 1)])],
            &["/posts", "/posts/a", "/posts/moved"],
        ),
        case(
            "an upsert of what the URL does not show",
            vec![Upsert(vec![retitled(1, "a")])],
            &["/posts", "/posts/a", "/titles/1"],
        ),
        case(
            "an upsert of old and new rows",
            vec![Upsert(vec![
                post(1, "moved", 1),
                post(7, "new", 1),
                retitled(2, "b"),
            ])],
            &[
                "/posts",
                "/posts/a",
                "/posts/b",
                "/posts/moved",
                "/posts/new",
                "/titles/2",
                "/titles/7",
            ],
        ),
        case(
            "an upsert that is rolled back",
            vec![Transaction(
                vec![Upsert(vec![post(1, "moved", 1), post(7, "new", 1)])],
                Rollback,
            )],
            &[],
        ),
    ]
}

fn transactions() -> Vec<Case> {
    vec![
        case(
            "a commit",
            vec![Transaction(
                vec![Create(post(7, "new", 1)), retitle(1, "new"), Delete(2)],
                Commit,
            )],
            &["/posts", "/posts/a", "/posts/b", "/posts/new", "/titles/1"],
        ),
        case(
            "a rollback",
            vec![
                Transaction(
                    vec![Create(post(7, "new", 1)), retitle(1, "new"), Delete(2)],
                    Rollback,
                ),
                Create(post(8, "after", 1)),
            ],
            &["/posts", "/posts/after"],
        ),
        case(
            "a savepoint that is rolled back inside of a commit",
            vec![Transaction(
                vec![
                    retitle(1, "new"),
                    Transaction(vec![Delete(2)], Rollback),
                    Delete(3),
                ],
                Commit,
            )],
            &["/posts", "/posts/a", "/posts/c", "/titles/1"],
        ),
        case(
            "nested transactions that commit",
            vec![Transaction(
                vec![
                    Create(post(7, "x", 1)),
                    Transaction(
                        vec![
                            Create(post(8, "y", 1)),
                            Transaction(vec![Create(post(9, "z", 1))], Commit),
                        ],
                        Commit,
                    ),
                ],
                Commit,
            )],
            &["/posts", "/posts/x", "/posts/y", "/posts/z"],
        ),
        case(
            "a nested commit in a savepoint that is rolled back",
            vec![Transaction(
                vec![
                    Create(post(7, "x", 1)),
                    Transaction(
                        vec![Transaction(vec![Create(post(8, "y", 1))], Commit)],
                        Rollback,
                    ),
                ],
                Commit,
            )],
            &["/posts", "/posts/x"],
        ),
        case(
            "a nested commit in a rollback",
            vec![Transaction(
                vec![Transaction(vec![Create(post(7, "x", 1))], Commit)],
                Rollback,
            )],
            &[],
        ),
    ]
}

fn failures() -> Vec<Case> {
    vec![
        Case {
            failing: 1,
            ..case(
                "a panic inside",
                vec![Transaction(
                    vec![Create(post(7, "new", 1)), retitle(1, "new")],
                    Panic,
                )],
                &[],
            )
        },
        Case {
            failing: 1,
            ..case(
                "a row that the database refuses",
                vec![Create(post(1, "taken", 1))],
                &[],
            )
        },
        Case {
            failing: 1,
            // The server does not exist.
            not_on: &[Dialect::Sqlite],
            ..case(
                "a connection that is lost",
                vec![Transaction(vec![retitle(1, "new"), CutOff], Commit)],
                &[],
            )
        },
        Case {
            failing: 1,
            // It checks foreign keys at once.
            not_on: &[Dialect::MySql],
            ..case(
                "a commit that a deferred constraint refuses",
                vec![Transaction(
                    vec![Create(Post {
                        author_id: 999,
                        ..post(7, "orphan", 1)
                    })],
                    Commit,
                )],
                &[],
            )
        },
    ]
}

fn two_writers() -> Vec<Case> {
    // It has one writer at a time.
    const ONE_WRITER: &[Dialect] = &[Dialect::Sqlite];
    let serializable = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE";
    vec![
        Case {
            writers: vec![
                vec![Transaction(
                    vec![retitle(1, "one"), Open("one"), Await("other")],
                    Commit,
                )],
                vec![Transaction(
                    vec![Await("one"), retitle(3, "other"), Open("other")],
                    Commit,
                )],
            ],
            not_on: ONE_WRITER,
            ..case(
                "two writers at once",
                Vec::new(),
                &["/posts", "/posts/a", "/posts/c", "/titles/1", "/titles/3"],
            )
        },
        // What does not exist is not locked. No other case has these keys: the rests of deleted rows would divide the gap.
        Case {
            writers: vec![
                vec![Transaction(
                    vec![
                        Upsert(vec![post(70, "one", 1)]),
                        Open("one"),
                        Await("other"),
                    ],
                    Commit,
                )],
                vec![Transaction(
                    vec![
                        Await("one"),
                        Upsert(vec![post(90, "other", 1)]),
                        Open("other"),
                    ],
                    Commit,
                )],
            ],
            not_on: ONE_WRITER,
            ..case(
                "two upserts of new rows at once",
                Vec::new(),
                &[
                    "/posts",
                    "/posts/one",
                    "/posts/other",
                    "/titles/70",
                    "/titles/90",
                ],
            )
        },
        Case {
            writers: vec![
                vec![Transaction(
                    vec![retitle(1, "early"), Open("early"), Await("late")],
                    Commit,
                )],
                vec![
                    Await("early"),
                    rename(3, "x"),
                    rename(3, "y"),
                    rename(3, "z"),
                    Open("late"),
                ],
            ],
            not_on: ONE_WRITER,
            ..case(
                "a transaction that commits long after a later one",
                Vec::new(),
                &[
                    "/posts",
                    "/posts/a",
                    "/posts/c",
                    "/posts/x",
                    "/posts/y",
                    "/posts/z",
                    "/titles/1",
                ],
            )
        },
        Case {
            writers: vec![
                vec![
                    Raw(serializable),
                    Transaction(
                        vec![
                            Raw("SELECT count(*) FROM posts"),
                            Open("one read"),
                            Await("other read"),
                            Create(post(7, "one", 1)),
                        ],
                        Commit,
                    ),
                    Open("one committed"),
                ],
                vec![
                    Raw(serializable),
                    Transaction(
                        vec![
                            Raw("SELECT count(*) FROM posts"),
                            Open("other read"),
                            Await("one read"),
                            Await("one committed"),
                            Create(post(8, "other", 1)),
                        ],
                        Commit,
                    ),
                ],
            ],
            failing: 1,
            not_on: &[Dialect::Sqlite, Dialect::MySql],
            ..case(
                "a serialization failure",
                Vec::new(),
                &["/posts", "/posts/one"],
            )
        },
    ]
}
