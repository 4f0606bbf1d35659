//! The models of all tests, and their tables.

use roan::outbox::Dialect;
use roan::purge_on;

#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}", table = "posts")]
#[purge_on(create, update(title), delete, url = "/feed/{id}")]
#[purge_on(delete, tag = "post-{id}", site = "shop")]
pub(crate) struct Post {
    pub(crate) id: i64,
    pub(crate) slug: String,
    pub(crate) title: String,
}

/// An update that does not change a watched column does not write anything.
#[purge_on(update(text, pinned), url = "/notes/{id}", table = "notes")]
pub(crate) struct Note {
    pub(crate) id: i64,
    pub(crate) text: String,
    pub(crate) pinned: bool,
}

/// Without a key, and with other names in the database.
#[purge_on(update(text), url = "/plain/{name}/{subtitle?}")]
#[purge_on(create, delete, url = "/plain/{name}")]
#[purge_on(table = "Plain Things")]
#[derive(sqlx::FromRow)]
#[sqlx(rename_all = "camelCase")]
pub(crate) struct Plain {
    #[sqlx(rename = "the name")]
    pub(crate) name: String,
    pub(crate) subtitle: Option<String>,
    #[sqlx(rename = "order")]
    pub(crate) text: String,
}

/// Goes with its post.
#[purge_on(save, delete, url = "/comments/{id}", table = "comments")]
pub(crate) struct Comment {
    pub(crate) id: i64,
}

/// Only PostgreSQL has schemas as these.
#[purge_on(save, delete, url = "/pages/{id}", table = "blog.pages")]
pub(crate) struct Page {
    pub(crate) id: i64,
}

/// The types that a trigger may store.
#[purge_on(
    save,
    delete,
    url = "/kinds/{text}/{small}/{number}/{large}/{uuid}",
    table = "kinds"
)]
#[purge_on(save, delete, url = "/kinds/{path*}?q={text}")]
#[purge_on(save, delete, url = "/maybe/{maybe?}")]
#[purge_on(save, prefix = "/kinds/{text}/{maybe?}/", prefix = "/k{number}/", host)]
#[purge_on(create, update(text), host, prefix = "/{path}/", site = "shop")]
#[purge_on(delete, everything)]
#[derive(Debug, Clone)]
pub(crate) struct Kinds {
    pub(crate) id: i64,
    pub(crate) text: String,
    pub(crate) path: String,
    pub(crate) small: i16,
    pub(crate) number: i64,
    pub(crate) large: u64,
    pub(crate) uuid: uuid::Uuid,
    pub(crate) maybe: Option<i32>,
}

/// Rules that cannot be said in SQL.
#[purge_on(save, url = "/drafts/{id}")]
#[purge_on(save, url = "/drafts/{id}/shown", when = self.shown)]
#[purge_on(save, urls = Self::pages)]
#[purge_on(save, url = "/drafts/{id()}")]
#[purge_on(save, tag = "drafts-{shown}")]
pub(crate) struct Draft {
    pub(crate) id: i64,
    pub(crate) shown: bool,
}

impl Draft {
    fn pages(&self) -> Vec<String> {
        vec![format!("/drafts?{}", self.id)]
    }

    fn id(&self) -> i64 {
        self.id
    }
}

/// A table in a database, but not one with rules of its own: they are made at run time.
#[purge_on(table = "bare")]
pub(crate) struct Bare;

/// The tables of the models.
pub(crate) fn tables(dialect: Dialect) -> String {
    let mut sql = "
        CREATE TABLE posts (id bigint PRIMARY KEY, slug varchar(200) NOT NULL, title varchar(200) NOT NULL, body text);
        CREATE TABLE notes (id bigint PRIMARY KEY, text varchar(200), pinned boolean, body text);
        CREATE TABLE \"Plain Things\" (\"the name\" varchar(200), subtitle varchar(200), \"order\" varchar(200));
        CREATE TABLE comments (
            id bigint PRIMARY KEY,
            post_id bigint NOT NULL,
            FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE
        );
        CREATE TABLE drafts (id bigint PRIMARY KEY, shown boolean);
        CREATE TABLE bare (id bigint PRIMARY KEY);
        CREATE TABLE articles (
            id {uuid} PRIMARY KEY, slug {text} NOT NULL, status {enum} NOT NULL, level smallint NOT NULL,
            published boolean NOT NULL, views int NOT NULL, rating {double} NOT NULL, price {decimal} NOT NULL,
            author {json} NOT NULL, meta {json} NOT NULL, cover {bytes}, note {text}, written {utc} NOT NULL,
            day {naive} NOT NULL
        );
        CREATE TABLE kinds (
            id bigint PRIMARY KEY, text {text} NOT NULL, path {text} NOT NULL, small smallint NOT NULL,
            number bigint NOT NULL, large {large} NOT NULL, uuid {uuid} NOT NULL, maybe int
        );
    "
    .to_owned();
    let names = "text large uuid enum double decimal json bytes utc naive";
    let types = match dialect {
        Dialect::Postgres => {
            "text|numeric(20)|uuid|status|float8|numeric(30,4)|json|bytea|timestamptz|timestamp"
        }
        Dialect::MySql => {
            "text|bigint unsigned|binary(16)|enum('draft','live','gone')|double|decimal(30,4)|json|blob|datetime(6)|datetime(6)"
        }
        _ => "text|integer|blob|text|real|text|text|blob|text|text",
    };
    for (name, value) in names.split(' ').zip(types.split('|')) {
        sql = sql.replace(&format!("{{{name}}}"), value);
    }
    match dialect {
        Dialect::Postgres => {
            sql.insert_str(0, "CREATE TYPE status AS ENUM ('draft', 'live', 'gone');");
            sql.push_str("CREATE SCHEMA blog; CREATE TABLE blog.pages (id bigint PRIMARY KEY);");
        }
        Dialect::MySql => sql = sql.replace('"', "`"),
        // As the collations of MariaDB: texts that differ only in their case are the same to it.
        _ => sql = sql.replace("varchar(200)", "varchar(200) COLLATE NOCASE"),
    }
    sql
}
