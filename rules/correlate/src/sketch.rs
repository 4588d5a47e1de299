//! Sketch: how many distinct values a sliding window holds, once there are too many to list.
//!
//! Linear counting (Whang, Vander-Zanden and Taylor, 1990) with an age in every cell: a value falls
//! into one of [`CELLS`] cells and leaves the number of its sub-window there. The cells whose age
//! lies in the window are its occupied ones, and a running total of cells by sub-window keeps each
//! update O(1). Nothing needs to be forgotten one by one, so a window slides for free.

use crate::bytes::{Reader, write_signed};

/// Cells; each holds one byte.
const CELLS: usize = 8_192;
/// Sub-windows of a window: its length is right to one part in so many.
const PARTS: i64 = 32;
/// Ages that cells tell apart; twice the window, so that an old age is never taken for a new one.
const AGES: usize = 128;
/// The age of a cell that was never hit.
const NEVER: u8 = u8::MAX;

/// Three standard errors at the fullest the sketch is read: see [`Sketch::estimate`].
pub(crate) const ERROR: f64 = 0.06;

/// The distinct values of the last timespan, estimated.
#[derive(Debug)]
pub(crate) struct Sketch {
    cells: Box<[u8]>,
    /// Cells by age.
    by_age: [u16; AGES],
    /// The newest sub-window seen, counted from the epoch.
    newest: i64,
    /// The length of a sub-window.
    part: i64,
}

impl Sketch {
    pub(crate) fn new(timespan: i64) -> Self {
        Self {
            cells: vec![NEVER; CELLS].into_boxed_slice(),
            by_age: [0; AGES],
            newest: i64::MIN,
            part: (timespan / PARTS).max(1),
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        write_signed(out, self.newest);
        write_signed(out, self.part);
        out.extend_from_slice(&self.cells);
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Option<Self> {
        let (newest, part) = (from.signed()?, from.signed()?.max(1));
        let cells: Box<[u8]> = from.take(CELLS)?.into();
        let mut by_age = [0; AGES];
        for age in cells.iter().filter(|age| **age != NEVER) {
            *by_age.get_mut(usize::from(*age))? += 1;
        }
        Some(Self { cells, by_age, newest, part })
    }

    pub(crate) const fn heap_bytes() -> usize {
        CELLS + size_of::<Self>()
    }

    /// Takes the hash of a value at a time. One older than the window leaves no trace.
    pub(crate) fn add(&mut self, time: i64, value: u64) {
        let part = time.div_euclid(self.part);
        if part > self.newest {
            self.forget_until(part);
            self.newest = part;
        } else if self.newest.saturating_sub(part) > PARTS {
            return;
        }
        // Values are hashes with keys that never change, so that a replay finds the same number.
        // Nobody gains by finding values that share a cell: what fires is decided exactly.
        let Some(cell) = self.cells.get_mut((value % CELLS as u64) as usize) else { return };
        let age = part.rem_euclid(AGES as i64) as u8;
        let older = |known: u8| Self::behind(self.newest, known) > self.newest - part;
        if *cell == NEVER || older(*cell) {
            if *cell != NEVER {
                self.by_age[usize::from(*cell)] -= 1;
            }
            *cell = age;
            self.by_age[usize::from(age)] += 1;
        }
    }

    /// Returns the distinct values of the window that ends now.
    pub(crate) fn estimate(&self) -> u64 {
        let occupied: u32 = (0..=PARTS)
            .map(|behind| self.newest.saturating_sub(behind).rem_euclid(AGES as i64) as usize)
            .map(|age| u32::from(self.by_age[age]))
            .sum();
        // Beyond 99 % nothing can be told: 37,000 values.
        let free = (CELLS as u32 - occupied).max(CELLS as u32 / 100);
        let cells = CELLS as f64;
        (-cells * (f64::from(free) / cells).ln()).round() as u64
    }

    /// How many sub-windows behind the newest an age lies.
    fn behind(newest: i64, age: u8) -> i64 {
        (newest - i64::from(age)).rem_euclid(AGES as i64)
    }

    /// Empties the cells whose age would come round again on the way to a new sub-window.
    fn forget_until(&mut self, part: i64) {
        if self.newest == i64::MIN {
            return;
        }
        let steps = part.saturating_sub(self.newest);
        if steps > PARTS {
            self.cells.fill(NEVER);
            self.by_age = [0; AGES];
            return;
        }
        // Once every half turn, all that is older than the window goes: 2 cells a sub-window and
        // value, at most.
        let half = (AGES / 2) as i64;
        if self.newest.div_euclid(half) == part.div_euclid(half) {
            return;
        }
        for cell in &mut self.cells {
            if *cell != NEVER && Self::behind(self.newest, *cell) > PARTS {
                self.by_age[usize::from(*cell)] -= 1;
                *cell = NEVER;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scattered(value: u64) -> u64 {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
    }

    #[test]
    fn the_estimate_stays_within_its_error_while_the_window_slides() {
        let timespan = 3_200;
        let mut sketch = Sketch::new(timespan);
        // Ten new values a moment: a full window holds 32,000 of them, near the most it can tell.
        for (rate, most) in [(1, 3_200_u64), (5, 16_000), (10, 32_000)] {
            let start = i64::from(rate as u32) * 1_000_000;
            for moment in start..start + 3 * timespan {
                for n in 0..rate {
                    sketch.add(moment, scattered((moment as u64) * 100 + n));
                }
                if moment > start + timespan {
                    let off = sketch.estimate() as f64 / most as f64 - 1.0;
                    assert!(off.abs() < ERROR + 1.0 / 32.0, "{rate} a moment: off by {off}");
                }
            }
        }
        sketch.add(100_000_000, 1);
        assert_eq!(sketch.estimate(), 1, "what is over is forgotten");
    }

    #[test]
    fn a_value_counts_once_and_in_any_order() {
        let times = [5_i64, 3, 9, 1, 30, 12];
        let mut sketch = Sketch::new(32);
        for time in times {
            for value in 0..20 {
                sketch.add(time, value * 7);
            }
        }
        assert_eq!(sketch.estimate(), 20);
    }
}
