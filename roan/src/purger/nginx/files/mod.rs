//! Purges by unlinking nginx's files, for an nginx on the same machine without the module.

mod config;
mod entry;
mod folder;
mod levels;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::config::NginxFilesConfig;
use self::folder::{Folder, Problem, Unlinked};
use self::levels::Levels;
use super::pattern::KeyPattern;
use crate::base::counted::counted;
use crate::base::log::{loudly, warn_loudly};
use crate::base::noise;
use crate::base::outcome::{Failure, Outcome};
use crate::base::site::Site;
use crate::error::ConfigError;
use crate::purger::http::{NeverFound, ODD};
use crate::purger::{Answer, Answering, AnyPurger, Cache, Checking, NodeClient, PurgeRequest};

/// As in the guide's configuration.
const DEFAULT_KEY: &str = "$host$request_uri";

/// The number of files whose keys are looked at when the program starts.
const SAMPLE: usize = 100;

/// An nginx on the same machine, whose pages are purged by unlinking their files. nginx needs no module.
///
/// nginx names a file by the MD5 of the page's key. Roan computes that name, and deletes the file if the key in it is the
/// key of the page. It never follows a link, and never leaves the folder.
///
/// nginx makes its folders for its own user alone. The program must run as that user (`www-data` on Debian), or as root.
///
/// ```
/// use roan::{NginxFiles, Roan};
///
/// let roan = Roan::builder()
///     .cache(NginxFiles::at("/var/cache/nginx-pages")?)
///     .site("https://www.example.org")
///     .build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// It purges URLs: for tags, prefixes, hosts and everything the [web layer](crate::guide::web) finds the pages. A look into
/// each file of the folder would find them, too, but would read the whole folder for each write.
///
/// # What nginx must do
///
/// - Store one variant of a page: `proxy_ignore_headers Vary`, as in the guide's [configuration](crate::guide::nginx). Other
///   variants have files whose names cannot be computed. Roan deletes the file of a page that varies, and reports the
///   purge as refused.
/// - Leave `open_file_cache` off, which is the default, or write `open_file_cache off;` where pages are cached. Otherwise
///   nginx serves a deleted file for as long as `open_file_cache_valid` says.
///
/// When nginx later drops the entry, it logs that it could not unlink the file (`crit`). That is harmless.
#[derive(Clone)]
#[cfg_attr(docsrs, doc(cfg(feature = "nginx-files")))]
pub struct NginxFiles {
    name: String,
    folder: Arc<Folder>,
    key: KeyPattern,
}

impl NginxFiles {
    /// An nginx with the folder of its `proxy_cache_path`.
    ///
    /// # Errors
    ///
    /// If the path is not absolute.
    pub fn at(folder: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let folder = folder.as_ref();
        if !folder.is_absolute() {
            let problem = "is not an absolute path: write the folder of `proxy_cache_path`";
            let folder = folder.display().to_string();
            return Err(ConfigError::value("NginxFiles::at", folder, problem));
        }
        Ok(Self {
            name: "nginx-files".to_owned(),
            folder: Arc::new(Folder::new(folder.to_owned(), None)),
            key: pattern(DEFAULT_KEY)?,
        })
    }

    /// Sets the name of the cache in reports and counters. Default: `nginx-files`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets the key of a page, as the text after `proxy_cache_key`. Default: `$host$request_uri`. See
    /// [`Nginx::key`](crate::Nginx::key) for its variables.
    ///
    /// # Errors
    ///
    /// If it contains another variable, or does not contain the URL.
    pub fn key(mut self, text: &str) -> Result<Self, ConfigError> {
        self.key = pattern(text)?;
        Ok(self)
    }

    /// Sets `levels` of `proxy_cache_path`, such as `1:2`. By default the first file in the folder shows them.
    ///
    /// # Errors
    ///
    /// If nginx could not have such levels.
    pub fn levels(mut self, levels: &str) -> Result<Self, ConfigError> {
        let Ok(parsed) = levels.parse::<Levels>() else {
            let problem =
                "is not up to three numbers of 1 or 2: write `1:2`, as in `proxy_cache_path`";
            return Err(ConfigError::value("NginxFiles::levels", levels, problem));
        };
        let path = self.folder.path().to_owned();
        self.folder = Arc::new(Folder::new(path, Some(parsed)));
        Ok(self)
    }
}

fn pattern(text: &str) -> Result<KeyPattern, ConfigError> {
    let parsed = text.parse();
    parsed.map_err(|problem: String| ConfigError::value("NginxFiles::key", text, problem))
}

impl From<NginxFiles> for Cache {
    fn from(files: NginxFiles) -> Self {
        let cache = Self::new(&files.name);
        let node = NodeClient {
            name: files.folder.path().display().to_string().into(),
            purger: Box::new(FilesNode {
                who: files.name,
                folder: files.folder,
                key: files.key,
                is_known: AtomicBool::new(false),
                never_found: NeverFound::default(),
            }),
        };
        Self {
            connect: Box::new(move |_| Ok(vec![node])),
            ..cache
        }
    }
}

impl fmt::Debug for NginxFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NginxFiles")
            .field("name", &self.name)
            .field("folder", &self.folder.path())
            .finish_non_exhaustive()
    }
}

/// The client of one folder.
struct FilesNode {
    who: String,
    folder: Arc<Folder>,
    key: KeyPattern,
    /// Whether a file had a key of that form.
    is_known: AtomicBool,
    never_found: NeverFound,
}

impl FilesNode {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let Some(site) = request.site() else {
            return Answer::refused(
                "no default site is configured, and the key of a page has its host: set `RoanBuilder::site`, or `ROAN_SITE`",
            );
        };
        let url = request.target().as_str();
        let mut keys = self.key.keys(site, url);
        // The configuration of the guide cuts them from the keys, and an nginx with another one does not.
        if let Some(cut) = noise::cut(url) {
            keys.extend(self.key.keys(site, &cut));
        }
        let folder = Arc::clone(&self.folder);
        let unlinked = blocking(move || {
            keys.iter().try_fold(Unlinked::Missing, |worst, key| {
                folder.unlink(key).map(|one| worst.max(one))
            })
        });
        let outcome = match unlinked.await {
            Ok(Unlinked::Yes) => Outcome::Purged,
            Ok(Unlinked::Missing) => Outcome::NotCached,
            Ok(Unlinked::OneVariant) => {
                return Answer::refused(
                    "the page varies (`Vary`), and only one of its variants was deleted: write \
                     `proxy_ignore_headers Vary;` into nginx's location, then empty the folder once",
                );
            }
            Err(Problem::Other(path, error)) => {
                return Answer::failed(Failure::Connection(format!("{path}: {error}")));
            }
            Err(problem) => return Answer::refused(problem.to_string()),
        };
        if outcome == Outcome::Purged {
            self.is_known.store(true, Ordering::Relaxed);
        }
        if self.never_found.is_odd(&outcome, &request) {
            warn_loudly(format_args!(
                "{}: the purges of {ODD} pages did not find a file in {}. If visitors have seen those pages, they stay stale: compare \
                 `ROAN_SITE` ({}) with the host that visitors ask for, and `NginxFiles::key` with `proxy_cache_key`",
                self.who,
                self.folder.path().display(),
                site.authority()
            ));
        }
        let answer = Answer::new(outcome);
        if self.is_known.load(Ordering::Relaxed) {
            answer.verified()
        } else {
            answer
        }
    }

    /// Looks at some files: whether they can be read, and whether one is a page of the site.
    async fn check(&self, site: Option<&Site>) -> bool {
        let folder = Arc::clone(&self.folder);
        let keys = match blocking(move || folder.some_keys(SAMPLE)).await {
            Ok(keys) => keys,
            Err(problem) => {
                loudly(format_args!(
                    "{}: pages cannot be purged: {problem}",
                    self.who
                ));
                return true;
            }
        };
        let Some(site) = site else { return true };
        let beginnings = self.key.beginnings(site);
        let is_ours = |key: &Vec<u8>| beginnings.iter().any(|text| key.starts_with(text));
        if keys.iter().any(is_ours) {
            self.is_known.store(true, Ordering::Relaxed);
        } else if let Some(key) = keys.first() {
            warn_loudly(format_args!(
                "{}: nothing shows that purges reach the pages: of {} in {}, none has the key of a page of {}, such as \
                 {:?}, and one has {:?}. If visitors have seen pages of that site, set `NginxFiles::key`, or \
                 `ROAN_PURGE_KEY`, to the text after `proxy_cache_key`, and `ROAN_SITE` to the host that visitors ask for",
                self.who,
                counted(keys.len(), "file"),
                self.folder.path().display(),
                site.authority(),
                self.key.example(site, "/"),
                String::from_utf8_lossy(key)
            ));
        }
        true
    }
}

/// Runs what waits for a disk beside the dispatcher's thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Problem::Other("the disk".to_owned(), error.into())))
}

impl AnyPurger for FilesNode {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        Box::pin(self.purge(request))
    }

    fn check<'a>(&'a self, site: Option<&'a Site>) -> Checking<'a> {
        Box::pin(self.check(site))
    }
}

#[cfg(test)]
mod tests;
