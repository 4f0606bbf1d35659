//! A case, as data that every library can run.

use roan::outbox::Dialect;

/// A row of the table `posts`; a library has a model of its own for it, with these rules:
///
/// ```ignore
/// #[purge_on(save, delete, url = "/posts")]
/// #[purge_on(save, delete, url = "/posts/{slug}")]
/// #[purge_on(update(title), url = "/titles/{id}")]
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) id: i64,
    pub(crate) slug: &'static str,
    pub(crate) title: &'static str,
    /// The key of a row of `authors`.
    pub(crate) author_id: i64,
}

/// The rows that each case begins with.
pub(crate) const ROWS: [Post; 3] = [post(1, "a", 1), post(2, "b", 1), post(3, "c", 2)];

/// A post that is titled `old`.
pub(crate) const fn post(id: i64, slug: &'static str, author_id: i64) -> Post {
    Post {
        id,
        slug,
        title: "old",
        author_id,
    }
}

/// What a writer does next.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Create(Post),
    /// Reads the row and saves it with other values; what is `None` stays unset where a library
    /// knows that.
    Update {
        id: i64,
        slug: Option<&'static str>,
        title: Option<&'static str>,
    },
    /// Reads the row, which is then changed by this SQL of another writer, and saves it for another author.
    UpdateStale {
        id: i64,
        meanwhile: &'static str,
        author_id: i64,
    },
    /// One statement for all posts of an author: another title, and keys that are higher by 100.
    Rekey {
        author_id: i64,
        title: &'static str,
    },
    /// Reads the row and deletes it.
    Delete(i64),
    /// One statement for all.
    CreateMany(Vec<Post>),
    /// One statement for all posts of an author.
    UpdateMany {
        author_id: i64,
        title: &'static str,
    },
    /// One statement for all posts of an author.
    DeleteMany {
        author_id: i64,
    },
    /// Saves the slugs and titles of these, whether a row with their key is there or not: by one statement where the
    /// library can.
    Upsert(Vec<Post>),
    /// SQL that goes past the models.
    Raw(&'static str),
    /// A transaction, or inside of one a savepoint.
    Transaction(Vec<Step>, End),
    /// Opens a gate for the other writer.
    Open(&'static str),
    /// Waits until the other writer opens the gate.
    Await(&'static str),
    /// The server ends every session that is in a transaction.
    CutOff,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
    /// The code inside panics; the connection is dropped or comes back as the library has it.
    Panic,
}

/// What is done, and what must come of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The steps of each writer; they write at the same time, on connections of their own.
    pub(crate) writers: Vec<Vec<Step>>,
    /// The targets that leave, in the order of their texts; nothing else may.
    pub(crate) purged: &'static [&'static str],
    /// How many of the writers fail.
    pub(crate) failing: usize,
    /// Databases that cannot do this.
    pub(crate) not_on: &'static [Dialect],
}
