//! Tests: crashes between every pair of steps, against stores that fail before and after the deed.

mod crash;
mod fake;
mod judging;
mod spooled;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::ingest::Step;
use crate::{Error, Result};

/// Kills ingestion at the n-th step from now; never, by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fail(Option<Arc<AtomicI64>>);

impl Fail {
    fn after(steps: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(steps))))
    }

    pub(crate) fn at(&self, step: Step) -> Result<()> {
        match &self.0 {
            Some(left) if left.fetch_sub(1, Ordering::SeqCst) == 0 => {
                Err(Error::Killed(format!("{step:?}")))
            }
            _ => Ok(()),
        }
    }
}
