//! The words of the attribute, each written once.

use crate::diagnostics::nearest;

/// An event word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Create,
    Update,
    Delete,
    /// `create` and `update` together.
    Save,
}

impl Event {
    pub(crate) const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Delete, Self::Save];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Save => "save",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }

    /// The event that is closest to a wrong word.
    pub(crate) fn meant_by(name: &str) -> Option<Self> {
        match name {
            "insert" | "add" | "new" | "created" => Some(Self::Create),
            "change" | "edit" | "modify" | "updated" => Some(Self::Update),
            "remove" | "destroy" | "drop" | "deleted" => Some(Self::Delete),
            "upsert" | "write" | "store" | "saved" => Some(Self::Save),
            _ => nearest(name, Self::ALL.map(Self::name)).and_then(Self::named),
        }
    }
}

/// A word that is not an event: `key = value`, `related(...)`, and the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Url,
    Urls,
    Tag,
    Prefix,
    Host,
    Everything,
    Related,
    When,
    Site,
    Table,
    FromRow,
    Crate,
}

impl Key {
    pub(crate) const ALL: [Self; 12] = [
        Self::Url,
        Self::Urls,
        Self::Tag,
        Self::Prefix,
        Self::Host,
        Self::Everything,
        Self::Related,
        Self::When,
        Self::Site,
        Self::Table,
        Self::FromRow,
        Self::Crate,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Urls => "urls",
            Self::Tag => "tag",
            Self::Prefix => "prefix",
            Self::Host => "host",
            Self::Everything => "everything",
            Self::Related => "related",
            Self::When => "when",
            Self::Site => "site",
            Self::Table => "table",
            Self::FromRow => "from_row",
            Self::Crate => "crate",
        }
    }

    /// A correct use of the key, for a message.
    pub(crate) fn usage(self) -> &'static str {
        match self {
            Self::Url => "url = \"/posts/{slug}\"",
            Self::Urls => "urls = Self::pages",
            Self::Tag => "tag = \"author-{id}\"",
            Self::Prefix => "prefix = \"/docs/{version}/\"",
            Self::Host => "host",
            Self::Everything => "everything",
            Self::Related => "related(author_id -> author::Model)",
            Self::When => "when = self.published",
            Self::Site => "site = \"www\"",
            Self::Table => "table = \"posts\"",
            Self::FromRow => "from_row",
            Self::Crate => "crate = path::to::roan",
        }
    }

    /// Whether it is a word alone, without a value.
    pub(crate) fn is_flag(self) -> bool {
        matches!(self, Self::Host | Self::Everything | Self::FromRow)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The key that is closest to a wrong word.
    pub(crate) fn meant_by(name: &str) -> Option<Self> {
        match name {
            "uri" | "path" | "page" => Some(Self::Url),
            "if" | "condition" => Some(Self::When),
            "domain" => Some(Self::Site),
            "all" | "all_pages" => Some(Self::Everything),
            "folder" | "below" | "under" | "starts_with" | "begins_with" => Some(Self::Prefix),
            "table_name" => Some(Self::Table),
            "row" | "from_rows" | "deserialize" | "serde" => Some(Self::FromRow),
            "key" | "surrogate_key" => Some(Self::Tag),
            "relation" | "belongs_to" => Some(Self::Related),
            _ => nearest(name, Self::ALL.map(Self::name)).and_then(Self::named),
        }
    }
}
