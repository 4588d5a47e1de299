//! ClickHouse's native compression frames (`compress=1`, `decompress=1`).
//!
//! ```text
//! 16 bytes  CityHash128 v1.0.2 of all that follows, the two halves swapped, little-endian
//!  1 byte   method: 0x82 LZ4 block, 0x90 ZSTD, 0x02 none
//!  4 bytes  length of header (9) and data, little-endian
//!  4 bytes  length of the data uncompressed, little-endian
//!  n bytes  data
//! ```
//! Source: ClickHouse docs, "Native format", frame format; `src/Compression/CompressedReadBufferBase.cpp`.

use crate::exception::{Exception, code};

const CHECKSUM: usize = 16;
const HEADER: usize = 9;
const LZ4: u8 = 0x82;
const ZSTD: u8 = 0x90;
const NONE: u8 = 0x02;
/// The largest frame written, uncompressed. As ClickHouse's `max_compress_block_size`.
const WRITTEN_MAX: usize = 1024 * 1024;

/// Returns the data of all frames; refuses more than `bytes_max` before it makes room for them.
pub(crate) fn decode(mut input: &[u8], bytes_max: usize) -> Result<Vec<u8>, Exception> {
    let mut output = Vec::new();
    while !input.is_empty() {
        let (checksum, rest) = input.split_at_checked(CHECKSUM).ok_or_else(cut)?;
        let [method, a, b, c, d, e, f, g, h, ..] = *rest else { return Err(cut()) };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let plain = u32::from_le_bytes([e, f, g, h]) as usize;
        if length < HEADER {
            return Err(broken("a frame is shorter than its header"));
        }
        let (frame, behind) = rest.split_at_checked(length).ok_or_else(cut)?;
        let hash = cityhash_rs::cityhash_102_128(frame).rotate_right(64);
        if hash.to_le_bytes() != checksum {
            return Err(broken("the checksum of a frame does not match; the data is corrupted"));
        }
        let start = output.len();
        if plain > bytes_max.saturating_sub(start) {
            return Err(too_large(bytes_max));
        }
        let data = frame.get(HEADER..).unwrap_or_default();
        match method {
            NONE if data.len() == plain => output.extend_from_slice(data),
            NONE => return Err(broken("an uncompressed frame has another length than it says")),
            LZ4 => {
                output.resize(start + plain, 0);
                let written = lz4_flex::block::decompress_into(data, &mut output[start..]);
                check_length(written, plain)?;
            }
            ZSTD => {
                output.resize(start + plain, 0);
                let written = zstd::bulk::decompress_to_buffer(data, &mut output[start..]);
                check_length(written, plain)?;
            }
            other => return Err(broken(format!("unknown compression method 0x{other:02x}"))),
        }
        input = behind;
    }
    Ok(output)
}

/// Returns how much data the frames say they hold, as far as they can be followed: what to set aside
/// before [`decode`], which checks it.
pub(crate) fn plain_size(mut input: &[u8]) -> usize {
    let mut sum = 0_usize;
    while let Some([_, a, b, c, d, e, f, g, h]) = input.get(CHECKSUM..CHECKSUM + HEADER) {
        let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        sum = sum.saturating_add(u32::from_le_bytes([*e, *f, *g, *h]) as usize);
        let Some(rest) = input.get(CHECKSUM + length.max(HEADER)..) else { break };
        input = rest;
    }
    sum
}

/// Appends the data as LZ4 frames.
pub(crate) fn encode(data: &[u8], output: &mut Vec<u8>) {
    for piece in data.chunks(WRITTEN_MAX) {
        let start = output.len();
        output.resize(start + CHECKSUM + HEADER, 0);
        output.extend_from_slice(&lz4_flex::block::compress(piece));
        let frame = output.len() - start - CHECKSUM;
        let length = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let header = start + CHECKSUM;
        output[header] = LZ4;
        output[header + 1..header + 5].copy_from_slice(&length(frame));
        output[header + 5..header + HEADER].copy_from_slice(&length(piece.len()));
        let hash = cityhash_rs::cityhash_102_128(&output[header..]).rotate_right(64);
        output[start..header].copy_from_slice(&hash.to_le_bytes());
    }
}

fn check_length<E: std::fmt::Display>(
    written: Result<usize, E>,
    expected: usize,
) -> Result<(), Exception> {
    match written {
        Ok(length) if length == expected => Ok(()),
        Ok(length) => Err(broken(format!("a frame holds {length} bytes and says {expected}"))),
        Err(error) => Err(broken(error)),
    }
}

/// Refuses data over the bound; the code becomes status 413.
pub(crate) fn too_large(bytes_max: usize) -> Exception {
    let message = format!(
        "The request body is larger than {bytes_max} bytes; send the rows in several smaller inserts"
    );
    Exception::new(code::TOO_MANY_BYTES, "TOO_MANY_BYTES", message)
}

/// Refuses data that cannot be decompressed.
pub(crate) fn broken(why: impl std::fmt::Display) -> Exception {
    let message = format!("Cannot decompress the request body: {why}");
    Exception::new(code::CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", message)
}

fn cut() -> Exception {
    broken("it ends in the middle of a frame")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(method: u8, plain: usize, data: &[u8]) -> Vec<u8> {
        let mut frame = vec![method];
        frame.extend_from_slice(&((HEADER + data.len()) as u32).to_le_bytes());
        frame.extend_from_slice(&(plain as u32).to_le_bytes());
        frame.extend_from_slice(data);
        let hash = cityhash_rs::cityhash_102_128(&frame).rotate_right(64);
        [hash.to_le_bytes().as_slice(), &frame].concat()
    }

    /// A frame that a ClickHouse server wrote; known from the tests of clickhouse-rs 0.11.
    #[test]
    fn a_frame_of_a_real_server_is_read() {
        let frame = [
            245_u8, 5, 222, 235, 225, 158, 59, 108, 225, 31, 65, 215, 66, 66, 36, 92, 0x82, 34, 0,
            0, 0, 23, 0, 0, 0, 240, 8, 1, 0, 2, 255, 255, 255, 255, 0, 1, 1, 1, 115, 6, 83, 116,
            114, 105, 110, 103, 3, 97, 98, 99,
        ];
        let data = decode(&frame, 1000).unwrap();
        assert_eq!(data.len(), 23);
        assert!(data.ends_with(b"\x06String\x03abc"), "{data:?}");
    }

    #[test]
    fn every_method_is_read() {
        let text = b"vong lau ".repeat(100);
        for frame in [
            sealed(NONE, text.len(), &text),
            sealed(LZ4, text.len(), &lz4_flex::block::compress(&text)),
            sealed(ZSTD, text.len(), &zstd::bulk::compress(&text, 1).unwrap()),
        ] {
            assert_eq!(decode(&frame, 1000).unwrap(), text);
            assert_eq!(decode(&[frame.clone(), frame.clone()].concat(), 2000).unwrap().len(), 1800);
            assert_eq!(decode(&frame, 899).unwrap_err().code, code::TOO_MANY_BYTES);
        }
        assert_eq!(decode(&sealed(0x91, 1, b"x"), 10).unwrap_err().code, code::CANNOT_DECOMPRESS);
        assert!(decode(&sealed(NONE, 2, b"x"), 10).is_err());
        assert!(decode(&sealed(LZ4, 1 << 30, b"x"), 1 << 20).is_err());
    }

    #[test]
    fn any_changed_bit_is_noticed() {
        let mut frame = Vec::new();
        encode(b"some rows", &mut frame);
        for bit in 0..frame.len() * 8 {
            let mut changed = frame.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&changed, 1 << 20).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(data in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let mut frames = Vec::new();
            encode(&data, &mut frames);
            prop_assert_eq!(plain_size(&frames), data.len());
            prop_assert_eq!(decode(&frames, 5000).unwrap(), data);
        }

        #[test]
        fn any_bytes_are_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (plain_size(&data), decode(&data, 1000));
        }
    }
}
