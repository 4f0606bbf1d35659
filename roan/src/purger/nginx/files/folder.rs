//! The folder of a cache, in which nothing but nginx's files is touched.
//!
//! Each step opens a name below an open folder, and never a link. So no path can leave the folder, whatever the key is and
//! whoever changes the folder meanwhile.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use md5::{Digest, Md5};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, openat, unlinkat};
use rustix::io::{Errno, pread};

use super::entry;
use super::levels::{Levels, is_folder, is_name};

/// The longest key that is compared. nginx's own limit is `proxy_buffer_size`.
const LONGEST_KEY: usize = 60_000;

/// The most folders and files that are looked at to find the levels.
const LOOKED_AT: usize = 10_000;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    levels: OnceLock<Levels>,
}

/// What became of the file of a key; the later, the worse for a report.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unlinked {
    /// There is no file.
    Missing,
    Yes,
    /// The page is gone, but other variants of it have files whose names cannot be known.
    OneVariant,
}

/// Why a file could not be unlinked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(
        "{0} does not exist: write the folder of `proxy_cache_path`, on the machine of this program"
    )]
    NoFolder(String),
    #[error(
        "{0} cannot be entered or changed: nginx's folders are for nginx's user alone, so run this program as that user \
         (systemd: `User=www-data`), or use `Nginx::refresh`"
    )]
    Rights(String),
    #[error("{0} is a link, or not what nginx makes: Roan does not follow it, so delete it")]
    Strange(String),
    #[error(
        "{path} has the key {found:?} and not {wanted:?}: Roan did not delete it; is it a file of nginx?"
    )]
    OtherKey {
        path: String,
        found: String,
        wanted: String,
    },
    #[error(
        "{0} does not begin as a file in nginx's cache does (since nginx 1.11.10): Roan did not delete it"
    )]
    NotAnEntry(String),
    #[error("{0}: {1}")]
    Other(String, io::Error),
}

impl Folder {
    pub(super) fn new(path: PathBuf, levels: Option<Levels>) -> Self {
        Self {
            path,
            levels: levels.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Unlinks the file of a page. It blocks.
    pub(super) fn unlink(&self, key: &[u8]) -> Result<Unlinked, Problem> {
        let root = self.root()?;
        let Some(levels) = self.levels(&root)? else {
            return Ok(Unlinked::Missing);
        };
        let name = name(key);
        let folders = levels.folders(&name);
        let Some(folder) = self.open(&root, &folders)? else {
            return Ok(Unlinked::Missing);
        };
        let mut shown = self.shown(&folders);
        shown.push(&name);
        let Some(head) = read_head(&folder, &name, key.len(), &shown)? else {
            return Ok(Unlinked::Missing);
        };
        let Some(entry) = entry::read(&head) else {
            return Err(Problem::NotAnEntry(shown.display().to_string()));
        };
        if entry.key != key || !entry.is_whole {
            return Err(Problem::OtherKey {
                path: shown.display().to_string(),
                found: String::from_utf8_lossy(entry.key).into_owned(),
                wanted: String::from_utf8_lossy(key).into_owned(),
            });
        }
        match unlinkat(&folder, &*name, AtFlags::empty()) {
            Ok(()) if entry.varies => Ok(Unlinked::OneVariant),
            Ok(()) => Ok(Unlinked::Yes),
            Err(Errno::NOENT) => Ok(Unlinked::Missing),
            Err(error) => Err(problem(&shown, error)),
        }
    }

    /// The keys of some pages, up to a number of them. It blocks.
    pub(super) fn some_keys(&self, most: usize) -> Result<Vec<Vec<u8>>, Problem> {
        let mut keys = Vec::new();
        self.walk(&self.root()?, &mut |folder, _, name| {
            let head = read_head(folder, name, 1_000, Path::new(name));
            if let Some(entry) = head.ok().flatten().as_deref().and_then(entry::read) {
                keys.push(entry.key.to_vec());
            }
            keys.len() >= most
        })?;
        Ok(keys)
    }

    /// The given levels, or those that the first file shows. `None` if there is none.
    fn levels(&self, root: &OwnedFd) -> Result<Option<&Levels>, Problem> {
        if self.levels.get().is_none() {
            self.walk(root, &mut |_, folders, name| {
                let levels = Levels::of(folders, name);
                levels.is_some_and(|levels| {
                    let _first = self.levels.set(levels);
                    true
                })
            })?;
        }
        Ok(self.levels.get())
    }

    fn root(&self) -> Result<OwnedFd, Problem> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(&self.path, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOENT => Problem::NoFolder(self.path.display().to_string()),
            error => problem(&self.path, error),
        })
    }

    /// Shows files that may be pages, with their folders, until `visit` has seen enough.
    fn walk(
        &self,
        root: &OwnedFd,
        visit: &mut dyn FnMut(&OwnedFd, &[String], &str) -> bool,
    ) -> Result<(), Problem> {
        let mut left = LOOKED_AT;
        let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
        while let Some(names) = waiting.pop() {
            let Some(folder) = self.open(root, &names)? else {
                continue;
            };
            let error = |error| problem(&self.shown(&names), error);
            for found in Dir::read_from(&folder).map_err(error)? {
                let found = found.map_err(error)?;
                let Ok(name) = found.file_name().to_str() else {
                    continue;
                };
                left -= 1;
                if left == 0 {
                    return Ok(());
                }
                if is_name(name) {
                    if visit(&folder, &names, name) {
                        return Ok(());
                    }
                } else if is_folder(name) && names.len() < 3 {
                    waiting.push([&*names, &[name.to_owned()]].concat());
                }
            }
        }
        Ok(())
    }

    /// Opens a folder below the root. `None` if it does not exist.
    fn open<T: AsRef<str>>(&self, root: &OwnedFd, names: &[T]) -> Result<Option<OwnedFd>, Problem> {
        let root = root.try_clone();
        let mut folder =
            root.map_err(|error| Problem::Other(self.path.display().to_string(), error))?;
        for (depth, name) in names.iter().enumerate() {
            match open_folder(&folder, name.as_ref()) {
                Ok(inner) => folder = inner,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(problem(&self.shown(&names[..=depth]), error)),
            }
        }
        Ok(Some(folder))
    }

    fn shown<T: AsRef<str>>(&self, names: &[T]) -> PathBuf {
        let names = names.iter().map(AsRef::as_ref);
        names.fold(self.path.clone(), |path, name| path.join(name))
    }
}

/// The name of the file of a key.
fn name(key: &[u8]) -> String {
    use std::fmt::Write;
    Md5::digest(key)
        .iter()
        .fold(String::new(), |mut name, byte| {
            let _infallible = write!(name, "{byte:02x}");
            name
        })
}

fn open_folder(folder: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

/// Reads as much of a file as an entry with such a key needs. `None` if there is no file.
fn read_head(
    folder: &OwnedFd,
    name: &str,
    key: usize,
    shown: &Path,
) -> Result<Option<Vec<u8>>, Problem> {
    // Without `NONBLOCK`, a FIFO would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(problem(shown, error)),
    };
    let stat = fstat(&file).map_err(|error| problem(shown, error))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(Problem::Strange(shown.display().to_string()));
    }
    let mut head = vec![0; entry::needed(key.min(LONGEST_KEY))];
    let mut read = 0;
    while read < head.len() {
        let offset = u64::try_from(read).unwrap_or(u64::MAX);
        match pread(&file, &mut head[read..], offset) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(problem(shown, error)),
        }
    }
    head.truncate(read);
    Ok(Some(head))
}

fn problem(path: &Path, error: Errno) -> Problem {
    let shown = path.display().to_string();
    match error {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Problem::Rights(shown),
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::ISDIR | Errno::MLINK => {
            Problem::Strange(shown)
        }
        error => Problem::Other(shown, error.into()),
    }
}
