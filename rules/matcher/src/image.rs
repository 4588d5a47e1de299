//! Image: compiled rules as one flat run of 32-bit words, the same in memory and on disk.
//!
//! Everything the hot path reads lies in one allocation and refers to itself by offsets, so loading a
//! compiled set is reading a file. Texts lie in one pool at the end, each once.

use rules_event::QuickMap;

/// First word of an image: `VLRM`.
const MAGIC: u32 = u32::from_be_bytes(*b"VLRM");
/// Version of the layout; an image of another version is compiled anew.
const LAYOUT: u32 = 10;
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
    /// Aligned to words; see [`Image::read`].
    bytes: Vec<u8>,
    /// Where the pool of texts begins, in bytes.
    pool: usize,
}

impl Image {
    /// Returns the content; offsets count from its start.
    #[inline]
    pub(crate) fn words(&self) -> &[u32] {
        bytemuck::cast_slice(&self.bytes[PREAMBLE * 4..self.pool])
    }

    /// Returns the pool of texts.
    #[inline]
    pub(crate) fn pool(&self) -> &[u8] {
        &self.bytes[self.pool..]
    }

    /// Returns the bytes of the image, to be stored and read back by [`Image::read`].
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes over an image. The allocator aligns large blocks far beyond a word, so nothing is copied;
    /// should one not be aligned, it is moved to one that is.
    pub(crate) fn read(mut bytes: Vec<u8>) -> Result<Self, ImageError> {
        if bytes.len() < PREAMBLE * 4 || bytes.len() > IMAGE_BYTES_MAX {
            return Err(ImageError::NotAnImage);
        }
        // Words are those of this machine; an image from one of the other kind has another magic.
        if bytemuck::try_cast_slice::<u8, u32>(&bytes).is_err() {
            if !bytes.len().is_multiple_of(4) {
                return Err(ImageError::Damaged);
            }
            bytes = aligned(&bytes).ok_or(ImageError::Damaged)?;
        }
        let words: &[u32] = bytemuck::cast_slice(&bytes);
        let &[magic, layout, sum, content, pooled, ..] = words else {
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
            || sum != checksum(&bytes)
        {
            return Err(ImageError::Damaged);
        }
        Ok(Self { bytes, pool })
    }
}

/// Copies bytes to where they can be read as words; `None` if the allocator never aligns them.
fn aligned(bytes: &[u8]) -> Option<Vec<u8>> {
    (0..16)
        .map(|more| {
            let mut copy = Vec::with_capacity(bytes.len() + more);
            copy.extend_from_slice(bytes);
            copy
        })
        .find(|copy| bytemuck::try_cast_slice::<u8, u32>(copy).is_ok())
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(&bytes[3 * 4..])
}

/// An image in the making.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Preamble and content.
    words: Vec<u32>,
    pool: Vec<u8>,
    /// Texts of rules, which their author has no reason to make collide.
    known: QuickMap<Box<[u8]>, Text>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { words: vec![0; PREAMBLE], pool: Vec::new(), known: QuickMap::default() }
    }
}

impl Writer {
    /// Returns where the next word goes.
    pub(crate) fn here(&self) -> u32 {
        word(self.words.len() - PREAMBLE)
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

    /// Returns a word put down before.
    pub(crate) fn get(&self, at: u32) -> u32 {
        self.words[PREAMBLE + at as usize]
    }

    /// Changes a word put down before.
    pub(crate) fn set(&mut self, at: u32, value: u32) {
        self.words[PREAMBLE + at as usize] = value;
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
        let Self { mut words, pool, .. } = self;
        let head = [MAGIC, LAYOUT, 0, word(words.len() - PREAMBLE), word(pool.len())];
        words[..PREAMBLE].copy_from_slice(&head);
        let at = words.len() * 4;
        let mut bytes = Vec::with_capacity(at + pool.len().next_multiple_of(4));
        bytes.extend_from_slice(bytemuck::cast_slice(&words));
        bytes.extend_from_slice(&pool);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let sum = checksum(&bytes);
        bytes[2 * 4..3 * 4].copy_from_slice(&sum.to_ne_bytes());
        let bytes = if bytemuck::try_cast_slice::<u8, u32>(&bytes).is_ok() {
            bytes
        } else {
            aligned(&bytes).unwrap_or(bytes)
        };
        Image { bytes, pool: at }
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
        let bytes = writer.finish().bytes().to_vec();
        let image = Image::read(bytes.clone()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(image.words()[..3], [7, 8, 9]);
        assert_eq!(image.pool()[one.at as usize..][..one.len as usize], *b"one");
        for index in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[index] ^= 1;
            assert!(Image::read(bad).is_err(), "byte {index}");
            assert!(Image::read(bytes[..index].to_vec()).is_err(), "cut at {index}");
        }
    }
}
