//! Where the programs are that `tests/run` has installed.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// A program by its name.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    // Debian has servers in a folder that is not in the path of users other than root.
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The folder of the newest version, of those below `parent` that have the program in `bin`.
pub(crate) fn newest_version(parent: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(parent)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join(name).is_file().then_some((version, bin))
        })
        .max()
        .map(|(_, bin)| bin)
}
