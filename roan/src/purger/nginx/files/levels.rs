//! The folders below a cache's folder: `levels` of `proxy_cache_path`.

use std::str::FromStr;

/// The lengths of the names of the folders, from the outermost: none, or up to three of 1 or 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Levels(Vec<usize>);

/// The length of the name of a file: an MD5 in hexadecimal digits.
const NAME: usize = 32;

impl Levels {
    /// The levels of a cache that has a file of this name in these folders.
    pub(super) fn of(folders: &[String], name: &str) -> Option<Self> {
        let levels = Self(folders.iter().map(String::len).collect());
        (is_name(name) && levels.is_valid() && levels.folders(name) == *folders).then_some(levels)
    }

    /// The folders of a file: nginx takes their names from the end of its own.
    pub(super) fn folders<'a>(&self, name: &'a str) -> Vec<&'a str> {
        let mut end = name.len();
        self.0
            .iter()
            .map(|length| {
                let start = end.saturating_sub(*length);
                let folder = &name[start..end];
                end = start;
                folder
            })
            .collect()
    }

    fn is_valid(&self) -> bool {
        self.0.len() <= 3 && self.0.iter().all(|length| (1..=2).contains(length))
    }
}

impl FromStr for Levels {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts = text.split(':').map(|part| part.parse().map_err(|_| ()));
        let levels = Self(parts.collect::<Result<_, _>>()?);
        levels.is_valid().then_some(levels).ok_or(())
    }
}

/// Whether a file may be a page: others are temporary, or not nginx's.
pub(super) fn is_name(name: &str) -> bool {
    name.len() == NAME && is_hex(name)
}

/// Whether a folder may be one of nginx's levels.
pub(super) fn is_folder(name: &str) -> bool {
    (1..=2).contains(&name.len()) && is_hex(name)
}

fn is_hex(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "b7f54b2df7773722d382f4809d65029c";

    #[test]
    fn folders_are_named_as_in_the_manual_of_nginx() {
        for (levels, folders) in [
            ("1:2", &["c", "29"][..]),
            ("1", &["c"]),
            ("2:2:2", &["9c", "02", "65"]),
        ] {
            let levels: Levels = levels.parse().unwrap();
            assert_eq!(levels.folders(FILE), folders);
            let owned: Vec<_> = folders.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(Levels::of(&owned, FILE), Some(levels));
        }
        assert_eq!(Levels::of(&[], FILE), Some(Levels(Vec::new())));
    }

    #[test]
    fn what_nginx_would_not_name_so_is_refused() {
        for text in ["", "3", "1:2:2:2", "0", "a", "1:", "-1"] {
            assert!(text.parse::<Levels>().is_err(), "{text}");
        }
        assert_eq!(Levels::of(&["d".to_owned()], FILE), None);
        assert_eq!(Levels::of(&[], "0000000001"), None);
        assert!(!is_name(&FILE.to_uppercase()) && !is_name(&format!("{FILE}.0000000001")));
        assert!(!is_folder("..") && !is_folder("") && !is_folder("29c"));
    }
}
