//! Numbers in messages.

use std::fmt::Display;

/// `1 purge`, `2 purges`; `1 miss`, `0 misses`; `1 delivery`, `2 deliveries`.
pub(crate) fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) {
        return format!("{count} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) => format!("{count} {stem}ies"),
        None if noun.ends_with('s') => format!("{count} {noun}es"),
        None => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(0_usize, "purge"), "0 purges");
        assert_eq!(counted(1_u64, "purge"), "1 purge");
        assert_eq!(counted(2_i64, "purge"), "2 purges");
        assert_eq!(counted(1_usize, "miss"), "1 miss");
        assert_eq!(counted(2_usize, "miss"), "2 misses");
        assert_eq!(counted(3_u64, "delivery"), "3 deliveries");
    }
}
