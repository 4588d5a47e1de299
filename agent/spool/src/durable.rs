//! Durable: how far the log is on the platter, told by the writer to readers of its own process.

use std::sync::{Mutex, PoisonError};

/// Up to where the writer has synced: a segment, and bytes of it; every earlier segment is synced as
/// a whole. A reader that has it waits for the writer's sync instead of making one of its own, which
/// on a disk without a battery costs as much as the writer's.
#[derive(Debug, Default)]
pub struct Durable(Mutex<(u64, u64)>);

impl Durable {
    pub(crate) fn set(&self, number: u64, bytes: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (number, bytes);
    }

    /// Returns whether nothing behind so many bytes of a segment is on the platter yet.
    pub(crate) fn ends_at(&self, number: u64, bytes: u64) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) == (number, bytes)
    }

    /// Returns whether the first so many bytes of a segment are on the platter.
    pub(crate) fn covers(&self, number: u64, bytes: u64) -> bool {
        let synced = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (number, bytes) <= synced
    }
}
