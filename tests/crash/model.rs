//! What the writer writes, and the pages that show it.

use roan::outbox::Dialect;
use roan::purge_on;
use roan_tests::page_app;

/// Few enough that all pages are in the caches and are written again and again; enough that most
/// of the last writes before a crash have a page that no other write purges.
pub(crate) const POSTS: i64 = 60;
pub(crate) const GROUPS: i64 = 6;

/// The row behind `/posts/{id}`; the page of its group has the sum of versions.
#[purge_on(save, delete, url = "/posts/{id}")]
#[purge_on(save, delete, url = "/groups/{group}")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) id: i64,
    pub(crate) group: i64,
    /// How often it was written.
    pub(crate) version: i64,
}

/// A write that never commits, and so a URL that nobody may ever be asked to purge.
#[purge_on(save, url = "/rolled-back/{number}")]
pub(crate) struct Untrue {
    pub(crate) number: u64,
}

/// How the URL of each [`Untrue`] begins.
pub(crate) const UNTRUE: &str = "/rolled-back/";

/// A page, by what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Page {
    Post(i64),
    Group(i64),
}

impl Page {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let posts = (0..POSTS).map(Self::Post);
        posts.chain((0..GROUPS).map(Self::Group))
    }

    pub(crate) fn url(self) -> String {
        match self {
            Self::Post(id) => format!("/posts/{id}"),
            Self::Group(group) => format!("/groups/{group}"),
        }
    }

    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let (kind, number) = url.strip_prefix('/')?.split_once('/')?;
        let number = number.parse().ok()?;
        match kind {
            "posts" => Some(Self::Post(number)),
            "groups" => Some(Self::Group(number)),
            _ => None,
        }
    }

    /// The query for the rows that it shows.
    pub(crate) fn rows(self) -> String {
        match self {
            Self::Post(id) => format!("SELECT id, grp, version FROM posts WHERE id = {id}"),
            Self::Group(group) => {
                format!("SELECT id, grp, version FROM posts WHERE grp = {group} ORDER BY id")
            }
        }
    }

    /// The text of the page, from these rows; others among them are left out.
    pub(crate) fn text(self, posts: &[Post]) -> String {
        let shown = posts.iter().filter(|post| match self {
            Self::Post(id) => post.id == id,
            Self::Group(group) => post.group == group,
        });
        let lines: Vec<String> = shown
            .map(|post| match self {
                Self::Post(_) => format!("{} in {}, version {}", post.id, post.group, post.version),
                Self::Group(_) => format!("{}@{}", post.id, post.version),
            })
            .collect();
        lines.join(" ")
    }
}

impl page_app::Page for Page {
    /// Well below the rebound.
    const SLOWEST: u64 = 80;

    fn at(path: &str) -> Option<Self> {
        Self::of_url(path)
    }

    fn rows(self) -> String {
        Self::rows(self)
    }

    fn text(self, rows: &[Vec<i64>]) -> Option<String> {
        Some(Self::text(self, &posts(rows)))
    }
}

/// The rows of [`Page::rows`].
pub(crate) fn posts(rows: &[Vec<i64>]) -> Vec<Post> {
    let post = |row: &Vec<i64>| match row[..] {
        [id, group, version] => Some(Post { id, group, version }),
        _ => None,
    };
    rows.iter().filter_map(post).collect()
}

/// Makes the table and its rows.
pub(crate) fn create(dialect: Dialect) -> Vec<String> {
    let engine = match dialect {
        Dialect::MySql => " ENGINE = InnoDB",
        _ => "",
    };
    let table = format!(
        "CREATE TABLE posts (id bigint PRIMARY KEY, grp bigint NOT NULL, version bigint NOT NULL){engine}"
    );
    let rows: Vec<String> = (0..POSTS)
        .map(|id| format!("({id}, {}, 0)", id % GROUPS))
        .collect();
    vec![
        table,
        format!(
            "INSERT INTO posts (id, grp, version) VALUES {}",
            rows.join(", ")
        ),
    ]
}
