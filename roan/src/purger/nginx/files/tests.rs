//! A folder as nginx leaves it, and folders as it would not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use proptest::prelude::*;
use tempfile::TempDir;

use super::folder::{Folder, Problem, Unlinked};

/// A file of nginx 1.22 for this key.
fn content(key: &[u8], varies: bool) -> Vec<u8> {
    let mut head = vec![0; 336];
    head[..8].copy_from_slice(&5_u64.to_ne_bytes());
    let end = u16::try_from(336 + 6 + key.len() + 1).unwrap();
    head[54..56].copy_from_slice(&end.to_ne_bytes());
    head[187] = u8::from(varies);
    [&*head, b"\nKEY: ", key, b"\nHTTP/1.1 200 OK\r\n\r\npage"].concat()
}

fn name(key: &[u8]) -> String {
    let digits = Md5::digest(key);
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path of a key's file with `levels=1:2`.
fn path(root: &Path, key: &[u8]) -> PathBuf {
    let name = name(key);
    root.join(&name[31..]).join(&name[29..31]).join(&name)
}

fn put(root: &Path, key: &[u8], content: &[u8]) -> PathBuf {
    let path = path(root, key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn folder(root: &TempDir, levels: Option<&str>) -> Folder {
    let levels = levels.map(|text| text.parse().unwrap());
    Folder::new(root.path().to_owned(), levels)
}

#[test]
fn the_file_of_a_key_is_deleted_and_no_other() {
    let root = TempDir::new().unwrap();
    let [a, b] = [b"a/", b"b/"].map(|key| put(root.path(), key, &content(key, false)));
    fs::write(root.path().join("mine"), "").unwrap();
    let folder = folder(&root, None);
    assert_eq!(folder.unlink(b"a/").unwrap(), Unlinked::Yes);
    assert_eq!(folder.unlink(b"a/").unwrap(), Unlinked::Missing);
    assert_eq!(folder.unlink(b"none/").unwrap(), Unlinked::Missing);
    assert!(!a.exists() && b.exists());
    assert_eq!(folder.some_keys(10).unwrap(), [b"b/".to_vec()]);
}

#[test]
fn levels_are_those_of_the_first_file() {
    for levels in ["", "1", "2", "1:2", "2:1:2"] {
        let root = TempDir::new().unwrap();
        let folder = folder(&root, None);
        assert_eq!(
            folder.unlink(b"a/").unwrap(),
            Unlinked::Missing,
            "it is empty"
        );
        // Folders of an older configuration.
        fs::create_dir_all(root.path().join("f/ff/ff")).unwrap();
        let name = name(b"a/");
        let (mut path, mut end) = (root.path().to_owned(), name.len());
        for length in levels
            .split(':')
            .filter_map(|text| text.parse::<usize>().ok())
        {
            path.push(&name[end - length..end]);
            end -= length;
        }
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("0000000001"), "temporary").unwrap();
        let file = path.join(name);
        fs::write(&file, content(b"a/", false)).unwrap();
        assert_eq!(folder.unlink(b"a/").unwrap(), Unlinked::Yes, "{levels}");
        assert!(!file.exists());
    }
}

#[test]
fn a_file_of_another_key_or_of_nobody_is_left() {
    let root = TempDir::new().unwrap();
    for wrong in [
        content(b"b/", false),
        content(b"a/longer", false),
        content(b"a", false),
        b"not nginx's".to_vec(),
        Vec::new(),
        content(b"a/", false)[..340].to_vec(),
    ] {
        let file = put(root.path(), b"a/", &wrong);
        let problem = folder(&root, Some("1:2")).unlink(b"a/").unwrap_err();
        let is_right = matches!(problem, Problem::OtherKey { .. } | Problem::NotAnEntry(_));
        assert!(is_right, "{problem}");
        assert!(file.exists());
    }
}

#[test]
fn the_variants_that_are_left_are_told() {
    let root = TempDir::new().unwrap();
    let file = put(root.path(), b"a/", &content(b"a/", true));
    assert_eq!(
        folder(&root, None).unlink(b"a/").unwrap(),
        Unlinked::OneVariant
    );
    assert!(!file.exists());
}

#[test]
fn a_folder_that_is_not_there_is_a_problem() {
    let root = TempDir::new().unwrap();
    let none = Folder::new(root.path().join("none"), None);
    assert!(matches!(none.unlink(b"a/"), Err(Problem::NoFolder(_))));
}

#[test]
fn what_is_not_a_file_is_not_opened() {
    let root = TempDir::new().unwrap();
    let file = path(root.path(), b"a/");
    fs::create_dir_all(&file).unwrap();
    let problem = folder(&root, Some("1:2")).unlink(b"a/").unwrap_err();
    assert!(matches!(problem, Problem::Strange(_)), "{problem}");
    fs::remove_dir(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RWXU).unwrap();
    let problem = folder(&root, Some("1:2")).unlink(b"a/").unwrap_err();
    assert!(matches!(problem, Problem::Strange(_)), "{problem}");
    assert!(file.exists());
}

#[test]
fn a_folder_of_another_user_is_named_with_what_to_do() {
    if is_root() {
        // Nothing is closed to root: tests/e2e/files.rs runs a program as another user.
        return;
    }
    let root = TempDir::new().unwrap();
    let file = put(root.path(), b"a/", &content(b"a/", false));
    let inner = file.parent().unwrap();
    fs::set_permissions(inner, Permissions::from_mode(0o000)).unwrap();
    let problem = folder(&root, Some("1:2")).unlink(b"a/").unwrap_err();
    fs::set_permissions(inner, Permissions::from_mode(0o700)).unwrap();
    assert!(
        problem
            .to_string()
            .contains("run this program as that user"),
        "{problem}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whichever part of a path is a link, what it leads to stays, for every key.
    #[test]
    fn no_link_is_followed_out_of_the_folder(key: Vec<u8>, depth in 0..3_usize, is_relative: bool) {
        let both = TempDir::new().unwrap();
        let (inside, outside) = (both.path().join("inside"), both.path().join("outside"));
        let file = put(&outside, &key, &content(&key, false));
        fs::create_dir_all(&inside).unwrap();
        // The folders above the link are inside, the rest is outside.
        let whole = path(Path::new(""), &key);
        let parts: Vec<_> = whole.iter().collect();
        let link = parts[..=depth].iter().fold(inside.clone(), |path, part| path.join(part));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let place = parts[..=depth].iter().fold(outside.clone(), |path, part| path.join(part));
        let up: PathBuf = std::iter::repeat_n("..", depth + 1).collect();
        let relative = up.join("outside").join(place.strip_prefix(&outside).unwrap());
        symlink(if is_relative { relative } else { place }, &link).unwrap();

        let folder = Folder::new(inside, Some("1:2".parse().unwrap()));
        let problem = folder.unlink(&key).unwrap_err();
        prop_assert!(matches!(problem, Problem::Strange(_)), "{}", problem);
        prop_assert!(file.exists() && link.is_symlink());
    }

    /// Nothing but the file of the key goes, whatever is in a key.
    #[test]
    fn no_key_leaves_the_folder(key in r"[./\\\x00\n -~]{0,40}|(\.\./){1,9}[a-f0-9/]{0,40}") {
        let both = TempDir::new().unwrap();
        let root = both.path().join("a/b/c");
        let own = put(&root, key.as_bytes(), &content(key.as_bytes(), false));
        let mut others = vec![put(&root, b"other", &content(b"other", false))];
        for place in ["", "a", "a/b", "a/b/c"] {
            let file = both.path().join(place).join(name(key.as_bytes()));
            fs::write(&file, content(key.as_bytes(), false)).unwrap();
            others.push(file);
        }
        let folder = Folder::new(root, Some("1:2".parse().unwrap()));
        prop_assert_eq!(folder.unlink(key.as_bytes()).unwrap(), Unlinked::Yes);
        prop_assert!(!own.exists());
        prop_assert!(others.iter().all(|file| file.exists()));
    }
}

/// Whether a folder without any rights can be entered.
fn is_root() -> bool {
    let root = TempDir::new().unwrap();
    fs::set_permissions(root.path(), Permissions::from_mode(0o000)).unwrap();
    fs::read_dir(root.path()).is_ok()
}
