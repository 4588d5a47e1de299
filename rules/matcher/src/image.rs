//! Image: compiled rules as one flat run of 32-bit words, the same in memory and on disk.
//!
//! Everything the hot path reads lies in one allocation and refers to itself by offsets, so loading a
//! compiled set is reading a file. Texts lie in one pool at the end, each once.

use std::collections::HashMap;

/// First word of an image: `VLRM`.
const MAGIC: u32 = u32::from_le_bytes(*b"VLRM");
/// Version of the layout; an image of another version is compiled anew.
const LAYOUT: u32 = 1;
/// Largest image read: 256 MiB.
pub const IMAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Words before the content: magic, layout, checksum, content words, bytes of texts.
const PREAMBLE: usize = 5;

/// Why an image cannot be used. The remedy is always to compile the rules again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Not an image at all.
    #[error("the file is no compiled rule set")]
    NotAnImage,
    /// Made by another version of this program.
    #[error("the compiled rule set has layout {found}, this program reads {LAYOUT}")]
    OtherLayout {
        /// The layout found.
        found: u32,
    },
    /// Cut short, or changed.
    #[error("the compiled rule set is damaged")]
    Damaged,
}

/// A place in the pool of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Text {
    pub(crate) at: u32,
    pub(crate) len: u32,
}

/// A finished image.
pub(crate) struct Image {
    words: Vec<u32>,
    /// Where the pool of texts begins, in bytes.
    pool: usize,
}

impl Image {
    /// Returns the content; offsets count from its start.
    pub(crate) fn words(&self) -> &[u32] {
        &self.words[PREAMBLE..]
    }

    /// Returns the pool of texts.
    pub(crate) fn pool(&self) -> &[u8] {
        &bytemuck::cast_slice::<u32, u8>(&self.words)[self.pool..]
    }

    /// Returns the bytes of the image, to be stored and read back by [`Image::read`].
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(crate) fn memory(&self) -> usize {
        self.words.capacity() * size_of::<u32>()
    }

    /// Reads an image.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        if bytes.len() < PREAMBLE * 4 || bytes.len() > IMAGE_BYTES_MAX {
            return Err(ImageError::NotAnImage);
        }
        if !bytes.len().is_multiple_of(4) {
            return Err(ImageError::Damaged);
        }
        let mut words = vec![0_u32; bytes.len() / 4];
        bytemuck::cast_slice_mut::<u32, u8>(&mut words).copy_from_slice(bytes);
        if cfg!(target_endian = "big") {
            words.iter_mut().for_each(|word| *word = word.swap_bytes());
        }
        let [magic, layout, sum, content, pooled, ..] = words[..] else {
            return Err(ImageError::NotAnImage);
        };
        if magic != MAGIC {
            return Err(ImageError::NotAnImage);
        }
        if layout != LAYOUT {
            return Err(ImageError::OtherLayout { found: layout });
        }
        let pool = (PREAMBLE + content as usize) * 4;
        if pool.saturating_add((pooled as usize).next_multiple_of(4)) != bytes.len()
            || sum != checksum(&words)
        {
            return Err(ImageError::Damaged);
        }
        Ok(Self { words, pool })
    }
}

fn checksum(words: &[u32]) -> u32 {
    crc32c::crc32c(bytemuck::cast_slice(&words[3..]))
}

/// An image in the making.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    words: Vec<u32>,
    pool: Vec<u8>,
    known: HashMap<Box<[u8]>, Text>,
}

impl Writer {
    /// Returns where the next word goes.
    pub(crate) fn here(&self) -> u32 {
        word(self.words.len())
    }

    pub(crate) fn extend(&mut self, values: impl IntoIterator<Item = u32>) {
        self.words.extend(values);
    }

    /// Puts several words in a row and returns where they begin.
    pub(crate) fn put(&mut self, values: &[u32]) -> u32 {
        let at = self.here();
        self.words.extend_from_slice(values);
        at
    }

    /// Changes a word put down before.
    pub(crate) fn set(&mut self, at: u32, value: u32) {
        self.words[at as usize] = value;
    }

    /// Puts a text into the pool, once however often it is asked for.
    pub(crate) fn text(&mut self, text: &[u8]) -> Text {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let place = Text { at: word(self.pool.len()), len: word(text.len()) };
        self.pool.extend_from_slice(text);
        self.known.insert(text.into(), place);
        place
    }

    pub(crate) fn finish(self) -> Image {
        let Self { words: content, pool, .. } = self;
        let pool_words = pool.len().div_ceil(4);
        let mut words = Vec::with_capacity(PREAMBLE + content.len() + pool_words);
        words.extend([MAGIC, LAYOUT, 0, word(content.len()), word(pool.len())]);
        words.extend_from_slice(&content);
        let at = words.len() * 4;
        words.resize(words.len() + pool_words, 0);
        bytemuck::cast_slice_mut::<u32, u8>(&mut words)[at..at + pool.len()].copy_from_slice(&pool);
        words[2] = checksum(&words);
        Image { words, pool: at }
    }
}

/// A length or offset as a word. Rule files are bounded far below what does not fit.
pub(crate) fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_reads_back_and_damage_is_seen() {
        let mut writer = Writer::default();
        let one = writer.text(b"one");
        assert_eq!(writer.text(b"one"), one);
        writer.put(&[7, 8, 9]);
        let bytes = writer.finish().bytes();
        let image = Image::read(&bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(image.words()[..3], [7, 8, 9]);
        assert_eq!(image.pool()[one.at as usize..][..one.len as usize], *b"one");
        for index in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[index] ^= 1;
            assert!(Image::read(&bad).is_err(), "byte {index}");
            assert!(Image::read(&bytes[..index]).is_err(), "cut at {index}");
        }
    }
}
