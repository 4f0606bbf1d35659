//! The beginning of a file in nginx's cache: a binary header, and the key of the page.
//!
//! The layout is `ngx_http_file_cache_header_t` of nginx's `ngx_http_cache.h`: numbers in the byte order of the machine,
//! then `\nKEY: `, the key, and a newline.

use std::ops::Range;

/// The version that all nginx since 1.11.10 write.
const VERSION: u64 = 5;
const KEY: &[u8] = b"\nKEY: ";

/// Where the size of the header and the length of `vary` are: since nginx 1.19.3, and before.
const LAYOUTS: [(usize, usize); 2] = [(336, 187), (160, 101)];

/// The offset of the number that says where the key and its newline end.
const END: Range<usize> = 54..56;

/// How much of a file is needed to read an entry whose key has that length.
pub(super) const fn needed(key: usize) -> usize {
    LAYOUTS[0].0 + KEY.len() + key + 1
}

/// What a file says of its page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// As much of the key as was read.
    pub(super) key: &'a [u8],
    /// Whether the key was read to its end.
    pub(super) is_whole: bool,
    /// Whether the page varies, so that other variants of it have files of their own.
    pub(super) varies: bool,
}

/// Reads the beginning of a file. `None` if it is not a page in nginx's cache.
pub(super) fn read(file: &[u8]) -> Option<Entry<'_>> {
    let version = file.get(..8)?.try_into().ok()?;
    if u64::from_ne_bytes(version) != VERSION {
        return None;
    }
    let end = usize::from(u16::from_ne_bytes(file.get(END)?.try_into().ok()?));
    let (size, vary) = LAYOUTS
        .into_iter()
        .find(|(size, _)| file.get(*size..size + KEY.len()) == Some(KEY))?;
    let start = size + KEY.len();
    let key = file.get(start..file.len().min(end.checked_sub(1)?))?;
    let is_whole = file.get(end - 1) == Some(&b'\n');
    Some(Entry {
        key,
        is_whole,
        varies: file[vary] != 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file as nginx writes it.
    fn file(size: usize, vary: usize, varies: u8, key: &[u8]) -> Vec<u8> {
        let mut file = vec![0; size];
        file[..8].copy_from_slice(&VERSION.to_ne_bytes());
        let end = u16::try_from(size + KEY.len() + key.len() + 1).unwrap();
        file[END].copy_from_slice(&end.to_ne_bytes());
        file[vary] = varies;
        [&*file, KEY, key, b"\nHTTP/1.1 200 OK\r\n"].concat()
    }

    #[test]
    fn the_key_is_read_from_both_layouts() {
        for (size, vary) in LAYOUTS {
            let entry = |varies| Entry {
                key: b"a/b",
                is_whole: true,
                varies,
            };
            assert_eq!(read(&file(size, vary, 0, b"a/b")), Some(entry(false)));
            assert_eq!(read(&file(size, vary, 15, b"a/b")), Some(entry(true)));
            let cut = &file(size, vary, 0, b"a/b")[..size + KEY.len() + 2];
            let cut = read(cut).unwrap();
            assert_eq!((cut.key, cut.is_whole), (&b"a/"[..], false));
        }
    }

    proptest! {
        #[test]
        fn no_content_of_a_file_makes_it_panic(bytes: Vec<u8>, place in 0..2_usize, end: u16, cut in 0..400_usize) {
            let _nothing = read(&bytes);
            let (size, vary) = LAYOUTS[place];
            let mut like = file(size, vary, 1, &bytes);
            like[END].copy_from_slice(&end.to_ne_bytes());
            let _nothing = read(&like);
            let _nothing = read(&like[..cut.min(like.len())]);
        }

        /// A page whose key has a newline, or what looks like a key, is not taken for another.
        #[test]
        fn the_key_is_what_nginx_has_written(key: Vec<u8>) {
            let (size, vary) = LAYOUTS[0];
            let file = file(size, vary, 0, &key);
            let entry = read(&file).unwrap();
            prop_assert_eq!((entry.key, entry.is_whole), (&*key, true));
        }
    }
}
