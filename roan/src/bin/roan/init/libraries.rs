//! Which features of Roan fit the libraries of a crate.

use super::manifest::{Dependency, Manifest};

/// A library whose writes Roan sees.
struct Library {
    name: &'static str,
    feature: Option<&'static str>,
    /// What its version begins with.
    version: &'static str,
    what: &'static str,
    /// Its features that name a database, with Roan's.
    databases: &'static [(&'static str, &'static str)],
}

const LIBRARIES: [Library; 4] = [
    Library {
        name: "sea-orm",
        feature: Some("sea-orm"),
        version: "2",
        what: "hooks that SeaORM fires by itself",
        databases: &[
            ("sqlx-sqlite", "sqlite"),
            ("sqlx-postgres", "postgres"),
            ("sqlx-mysql", "mysql"),
        ],
    },
    Library {
        name: "diesel-async",
        feature: Some("diesel-async"),
        version: "0.9",
        what: "purging forms of its statements",
        databases: &[
            ("sqlite", "sqlite"),
            ("postgres", "postgres"),
            ("mysql", "mysql"),
        ],
    },
    Library {
        name: "diesel",
        feature: Some("diesel"),
        version: "2",
        what: "purging forms of Diesel's statements",
        databases: &[
            ("sqlite", "sqlite"),
            ("postgres", "postgres"),
            ("mysql", "mysql"),
        ],
    },
    Library {
        name: "sqlx",
        feature: None,
        version: "0.9",
        what: "hooks for its transactions, and the durable outbox",
        databases: &[
            ("sqlite", "sqlite"),
            ("sqlite-bundled", "sqlite"),
            ("sqlite-unbundled", "sqlite"),
            ("postgres", "postgres"),
            ("mysql", "mysql"),
            ("any", "any"),
        ],
    },
];

/// What to enable, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) features: Vec<&'static str>,
    pub(super) notes: Vec<String>,
}

impl Advice {
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self::for_libraries(&manifest.dependencies())
    }

    fn for_libraries(dependencies: &[Dependency]) -> Self {
        let find = |name: &str| {
            dependencies
                .iter()
                .find(|dependency| dependency.name == name)
        };
        let mut advice = Self::default();
        for library in &LIBRARIES {
            if let Some(dependency) = find(library.name) {
                advice.library(library, dependency);
            }
        }
        let has_database = ["sqlite", "postgres", "mysql"]
            .iter()
            .any(|database| advice.features.contains(database));
        if find("axum").is_some() {
            advice.add(
                "web",
                "axum: a layer that purges lists by tags, and keeps stale pages out of caches",
            );
        }
        if has_database && find("uuid").is_some() {
            advice.add("uuid", "uuid: columns of that type in rules");
        }
        if find("serde").is_some()
            && ["toml", "config", "figment"]
                .iter()
                .any(|name| find(name).is_some())
        {
            advice.add("serde", "serde: Roan's settings in the app's own file");
        }
        if advice.features.is_empty() {
            advice.notes.push(
                "no library that Roan has hooks for: call roan::saved(&row) after each write"
                    .to_owned(),
            );
        }
        advice
    }

    fn add(&mut self, feature: &'static str, note: &str) {
        self.features.push(feature);
        self.notes.push(format!("{note} (feature `{feature}`)"));
    }

    fn library(&mut self, library: &Library, dependency: &Dependency) {
        let Library { name, what, .. } = library;
        let version = dependency.version.as_deref().unwrap_or_default();
        let number = version.trim_start_matches(['^', '=', '~', ' ']);
        let rest = number.strip_prefix(library.version);
        let fits = version.is_empty()
            || version == "*"
            || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if !fits {
            self.notes.push(format!(
                "{name} {version}: Roan has hooks for version {}: update {name}, or call roan::saved(&row) after each write",
                library.version
            ));
            return;
        }
        let databases = library.databases.iter();
        let databases: Vec<_> = databases
            .filter(|(theirs, _)| dependency.features.iter().any(|feature| feature == theirs))
            .map(|(_, ours)| *ours)
            .collect();
        let new = library.feature.into_iter().chain(databases);
        let mut named = Vec::new();
        for feature in new {
            if !self.features.contains(&feature) {
                self.features.push(feature);
                named.push(format!("`{feature}`"));
            }
        }
        if named.is_empty() && library.feature.is_none() && !self.has_database() {
            self.notes.push(format!(
                "{name}: {what}, with the feature `sqlite`, `postgres` or `mysql` of Roan for its database"
            ));
        } else if !named.is_empty() {
            self.notes
                .push(format!("{name}: {what} (features {})", named.join(", ")));
        }
    }

    fn has_database(&self) -> bool {
        let databases = ["sqlite", "postgres", "mysql"];
        self.features
            .iter()
            .any(|feature| databases.contains(feature))
    }
}
