//! Settings of long runs.

/// The number in a variable of the environment, if it is set.
///
/// # Panics
///
/// When it is not a number.
pub fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
