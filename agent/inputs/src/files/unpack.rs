//! Unpack: rotated files that were compressed, read as a stream within bounds.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::print::HEAD_BYTES_MAX;

/// Largest window of a zstd frame, as a power of two: 8 MiB, what the highest level of the tool uses.
/// A frame that asks for more (`--long`) would take more memory than the whole agent has.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Most bytes one file may unpack to; beyond it is taken for an attack. No log that is rotated at all
/// grows so large.
pub(crate) const UNPACKED_BYTES_MAX: u64 = 64 << 30;

/// Below this many compressed bytes a gzip file unpacks to less than 4 GiB (RFC 1951 packs 258 bytes
/// into two bits at best), so that the size it states, modulo 4 GiB, is the size.
const GZIP_SIZED_MAX: u64 = (1 << 32) / 1_032;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Kind {
    /// Tells from a name; `None` for what we cannot unpack.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Returns how much a file unpacks to as far as it says so: a hint, to be checked by unpacking.
    pub(crate) fn size(self, file: &File) -> Option<u64> {
        let len = file.metadata().ok()?.len();
        match self {
            Self::Gzip if (18..GZIP_SIZED_MAX).contains(&len) => {
                // RFC 1952, section 2.3.1: ISIZE is the last member's last field.
                let mut size = [0; 4];
                file.read_exact_at(&mut size, len - 4).ok()?;
                Some(u64::from(u32::from_le_bytes(size)))
            }
            Self::Gzip => None,
            Self::Zstd => {
                // RFC 8878, section 3.1.1.1: the header of a frame has 18 bytes at most.
                let mut header = [0; 18];
                let read = file.read_at(&mut header, 0).ok()?;
                zstd::zstd_safe::get_frame_content_size(header.get(..read)?).ok().flatten()
            }
        }
    }

    /// Returns the first bytes of what a file holds; fewer, perhaps none, when it is damaged or not
    /// complete yet.
    pub(crate) fn first(self, file: &File) -> Vec<u8> {
        let mut first = vec![0; HEAD_BYTES_MAX];
        let mut len = 0;
        if let Ok(mut stream) = file.try_clone().and_then(|file| Stream::new(file, self)) {
            while let Some(rest) = first.get_mut(len..).filter(|rest| !rest.is_empty()) {
                match stream.read(rest) {
                    Ok(read) if read > 0 => len += read,
                    _ => break,
                }
            }
        }
        first.truncate(len);
        first
    }
}

/// What a compressed file holds, from its beginning on.
pub(crate) struct Stream {
    reader: Box<dyn Read + Send>,
    at: u64,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Stream {
    /// Begins to unpack a file.
    pub(crate) fn new(file: File, kind: Kind) -> io::Result<Self> {
        let file = Whole { file, at: 0 };
        let reader: Box<dyn Read + Send> = match kind {
            Kind::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Kind::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(file)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        };
        Ok(Self { reader, at: 0 })
    }

    /// Returns how much was unpacked.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Unpacks some more; 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at > UNPACKED_BYTES_MAX {
            let text = format!("it unpacks to more than {UNPACKED_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        loop {
            match self.reader.read(buffer) {
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A file from its first byte on, wherever its descriptor stands: copies of a descriptor share that.
struct Whole {
    file: File,
    at: u64,
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(kind: Kind, text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        match kind {
            Kind::Gzip => {
                let mut out = flate2::write::GzEncoder::new(&file, flate2::Compression::fast());
                out.write_all(text).unwrap();
                out.finish().unwrap();
            }
            Kind::Zstd => file.write_all(&zstd::bulk::compress(text, 3).unwrap()).unwrap(),
        }
        file
    }

    fn unpack(file: File, kind: Kind) -> io::Result<Vec<u8>> {
        let (mut stream, mut all, mut buffer) = (Stream::new(file, kind)?, Vec::new(), [0; 1_000]);
        loop {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                assert_eq!(stream.at(), all.len() as u64);
                return Ok(all);
            }
            all.extend(&buffer[..read]);
        }
    }

    #[test]
    fn what_was_packed_comes_back() {
        let text: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        for kind in [Kind::Gzip, Kind::Zstd] {
            let file = packed(kind, &text);
            assert_eq!(kind.size(&file), Some(text.len() as u64));
            assert_eq!(kind.first(&file), text[..HEAD_BYTES_MAX]);
            assert_eq!(unpack(file, kind).unwrap(), text);
        }
    }

    #[test]
    fn files_of_several_members_are_read_whole() {
        for kind in [Kind::Gzip, Kind::Zstd] {
            let mut both = Vec::new();
            for part in [b"one\n", b"two\n"] {
                let mut file = Whole { file: packed(kind, part), at: 0 };
                file.read_to_end(&mut both).unwrap();
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&both).unwrap();
            assert_eq!(unpack(file, kind).unwrap(), b"one\ntwo\n");
        }
    }

    #[test]
    fn damage_and_greed_are_errors() {
        for kind in [Kind::Gzip, Kind::Zstd] {
            let file = packed(kind, &[b'x'; 100_000]);
            let len = file.metadata().unwrap().len();
            file.set_len(len - 6).unwrap();
            assert!(unpack(file, kind).is_err(), "{kind:?} cut short");
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"not compressed at all").unwrap();
            assert_eq!(kind.first(&file), b"");
            assert!(unpack(file, kind).is_err());
        }
        // A frame with a window of 128 MiB (RFC 8878, section 3.1.1.1.2: exponent 17, no mantissa).
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0, 0]).unwrap();
        assert!(unpack(file, Kind::Zstd).is_err());
    }
}
