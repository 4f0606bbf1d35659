//! The delay before the next attempt.

use std::time::Duration;

/// Exponential back-off with full jitter: before attempt `n + 1`, a random time between zero and
/// `base * 2^(n - 1)`, at most `cap`. The jitter keeps clients that failed together from coming
/// back together.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    pub(crate) base: Duration,
    pub(crate) cap: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            random: fastrand::Rng::new(),
        }
    }

    /// The delay after failure number `failures`, counted from 1.
    pub(crate) fn after(&mut self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let ceiling = self.base.saturating_mul(1 << doublings).min(self.cap);
        ceiling.mul_f64(self.random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let base = Duration::from_millis(100);
        let cap = Duration::from_secs(30);
        let mut backoff = Backoff::new(base, cap);
        for (failures, ceiling) in [
            (1, base),
            (2, base * 2),
            (5, base * 16),
            (20, cap),
            (u32::MAX, cap),
        ] {
            let longest = (0..1000).map(|_| backoff.after(failures)).max().unwrap();
            assert!(longest <= ceiling, "{longest:?} after {failures}");
            assert!(longest > ceiling / 2, "{longest:?} after {failures}");
        }
    }
}
