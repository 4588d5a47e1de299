//! Out: a buffer and how far it is written. Memory that is there already is written over.

/// Bytes looked at or copied together: what a vector register of any x86-64 or ARM64 holds.
pub(crate) const LANE: usize = 16;

/// A buffer grows by at least so many bytes: the length of many an event.
const GROWTH: usize = 4 * 1024;

/// Most bytes of a [varint](Out::varint).
pub(crate) const VARINT_BYTES_MAX: usize = 10;

/// See the head of the file.
pub(crate) struct Out<'a> {
    buffer: &'a mut Vec<u8>,
    at: usize,
}

impl<'a> Out<'a> {
    /// Writes from a place of the buffer on.
    #[inline]
    pub(crate) fn new(buffer: &'a mut Vec<u8>, at: usize) -> Self {
        Self { buffer, at }
    }

    /// Returns how far it is written.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a place before: what is behind is written over.
    pub(crate) fn back_to(&mut self, at: usize) {
        self.at = self.at.min(at);
    }

    /// Writes over a byte that is written.
    #[inline]
    pub(crate) fn put(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.buffer.get_mut(at) {
            *place = byte;
        }
    }

    /// Returns at least so many bytes to be written to.
    #[inline(always)]
    pub(crate) fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.buffer.len() - self.at < bytes {
            self.grow(bytes);
        }
        &mut self.buffer[self.at..]
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        self.buffer.resize(self.at + bytes.max(GROWTH), 0);
    }

    /// Counts bytes that were written into [`Self::room`].
    #[inline(always)]
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Writes bytes as they are: few, and mostly known when compiling.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// Writes a number in groups of seven bits, the lowest first, each but the last with its top bit
    /// set.
    ///
    /// Spec: DWARF 5, 7.6 (unsigned LEB128).
    #[inline(always)]
    pub(crate) fn varint(&mut self, number: u64) {
        if number < 0x80
            && let Some(room) = self.room(1).first_mut()
        {
            *room = number as u8;
            self.at += 1;
        } else {
            self.long_varint(number);
        }
    }

    fn long_varint(&mut self, mut number: u64) {
        let out = self.room(VARINT_BYTES_MAX);
        let mut at = 0;
        while number >= 0x80 {
            out[at] = number as u8 | 0x80;
            number >>= 7;
            at += 1;
        }
        out[at] = number as u8;
        self.at += at + 1;
    }

    /// Writes two numbers as [`Self::varint`] does; mostly each is a byte.
    #[inline(always)]
    pub(crate) fn varints(&mut self, first: u64, second: u64) {
        if first | second < 0x80
            && let Some(room) = self.room(2).first_chunk_mut::<2>()
        {
            *room = [first as u8, second as u8];
            self.at += 2;
        } else {
            self.varint(first);
            self.varint(second);
        }
    }

    /// Writes a signed number so that small ones are short, whatever their sign: 0, -1, 1, -2, …
    #[inline(always)]
    pub(crate) fn zigzag(&mut self, number: i64) {
        self.varint((number << 1 ^ number >> 63) as u64);
    }

    /// Writes a text behind its length.
    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        self.varint(bytes.len() as u64);
        let out = self.room(bytes.len());
        match bytes.len() {
            0..4 => {
                for (byte, place) in bytes.iter().zip(out) {
                    *place = *byte;
                }
            }
            4..8 => ends::<4>(bytes, out),
            8..16 => ends::<8>(bytes, out),
            16..=32 => ends::<16>(bytes, out),
            length => out[..length].copy_from_slice(bytes),
        }
        self.at += bytes.len();
    }
}

/// Copies between `N` and twice as many bytes, in two pieces that may overlap: cheaper than a call.
#[inline(always)]
fn ends<const N: usize>(bytes: &[u8], out: &mut [u8]) {
    let out = &mut out[..bytes.len()];
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        out[..N].copy_from_slice(first);
        let behind = out.len() - N;
        out[behind..].copy_from_slice(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_behind_what_is_there() {
        let text: String = ('a'..='z').cycle().take(80).collect();
        let mut buffer = b"before".to_vec();
        for length in 0..80 {
            let mut out = Out::new(&mut buffer, 6);
            out.text(&text[..length]);
            let end = out.at();
            assert_eq!(end, 7 + length);
            assert_eq!(buffer[..6], *b"before");
            assert_eq!(buffer[6], length as u8);
            assert_eq!(buffer[7..end], text.as_bytes()[..length]);
        }
    }
}
