//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it, also after a panic: a test that panicked elsewhere must not turn its own message into one about a lock.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
