//! Steps: how many hits were looked at, for tests that show that a flood costs no more for being dense.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts hits that were looked at; nothing outside tests.
#[inline(always)]
pub(crate) fn add(_count: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get() + _count);
}

/// Returns how many were, since it was asked last.
#[cfg(test)]
pub(crate) fn take() -> usize {
    STEPS.take()
}
