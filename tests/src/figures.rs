//! Figures of benchmarks.

/// The middle one of some values.
///
/// # Panics
///
/// When there are none.
#[must_use]
#[track_caller]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
