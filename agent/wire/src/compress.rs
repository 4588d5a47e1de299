//! Compressor: the settings of zstd, and the memory it works in.

use std::fmt;
use std::io::Read;

use zstd::bulk::Compressor as Zstd;
use zstd::zstd_safe::{CParameter, compress_bound};

use crate::{Error, Result};

/// zstd's fastest search that still codes what lies between matches. Measured on a million mixed
/// lines (docs/adr/0012): a third faster than level 3 and not larger; negative levels save a tenth more
/// and cost a third more bytes, which every agency's line has to carry.
const LEVEL: i32 = 1;

/// Matches shorter than this are not looked for: names of fields and constants are longer, and a short
/// match costs as much to write as a long one.
const MATCH_BYTES_MIN: u32 = 7;

/// The table of places already seen has 2^13 rows, 32 KiB: it stays in the cache nearest to the core.
/// A larger one finds no more, since what repeats does so in the next event.
const TABLE_ROWS_LOG2: u32 = 13;

/// Compresses values one after the other; keep one for each thread. Holds about 1 MiB once used.
#[derive(Default)]
pub struct Compressor {
    zstd: Option<Zstd<'static>>,
    /// Where a value is written before its length is known.
    buffer: Vec<u8>,
}

impl Compressor {
    /// Returns the bytes as one zstd frame.
    ///
    /// # Errors
    /// [`Error::Zstd`]: out of memory, in practice.
    pub fn compress(&mut self, raw: &[u8]) -> Result<Vec<u8>> {
        let failed = |source| Error::Zstd { doing: "compress", source };
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => {
                let mut zstd = Zstd::new(LEVEL).map_err(failed)?;
                zstd.set_parameter(CParameter::MinMatch(MATCH_BYTES_MIN)).map_err(failed)?;
                zstd.set_parameter(CParameter::HashLog(TABLE_ROWS_LOG2)).map_err(failed)?;
                none.insert(zstd)
            }
        };
        // The room that even incompressible bytes fit into; it is not touched beyond what is written.
        self.buffer.clear();
        self.buffer.reserve(compress_bound(raw.len()));
        zstd.compress_to_buffer(raw, &mut self.buffer).map_err(failed)?;
        Ok(self.buffer.as_slice().to_vec())
    }
}

/// Returns what a zstd frame holds, if that is no more than `bytes_max`.
///
/// # Errors
/// [`Error::Zstd`] if it is none, is damaged, or holds more.
pub fn decompress(frame: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let failed = |source| Error::Zstd { doing: "decompress", source };
    let mut raw = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(frame).map_err(failed)?;
    decoder.take(bytes_max as u64 + 1).read_to_end(&mut raw).map_err(failed)?;
    if raw.len() > bytes_max {
        return Err(failed(std::io::Error::other("it holds more than it may")));
    }
    Ok(raw)
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_compressor_serves_for_values_of_all_sizes() {
        let mut compressor = Compressor::default();
        for length in [0, 1, 100, 700_000, 3, 50_000] {
            let raw: Vec<u8> = (0..length).map(|n: usize| (n * n / 7 % 251) as u8).collect();
            let value = compressor.compress(&raw).unwrap();
            assert_eq!(zstd::bulk::decompress(&value, length + 1).unwrap(), raw);
            assert_eq!(value, Compressor::default().compress(&raw).unwrap());
        }
    }
}
