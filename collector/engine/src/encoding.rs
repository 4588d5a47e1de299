//! Compression of bodies: native frames, and the HTTP content encodings lz4 and zstd.

use std::io::{Read, Write};

use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use crate::exception::{Exception, code};
use crate::frame;

/// How a body on the wire is compressed besides native frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    /// The LZ4 frame format.
    Lz4,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl ContentEncoding {
    /// Returns the name in HTTP headers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Reads a `Content-Encoding` header.
    pub(crate) fn of_body(header: Option<&str>) -> Result<Option<Self>, Exception> {
        match header.map(|name| name.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => Ok(None),
            Some("lz4") => Ok(Some(Self::Lz4)),
            Some("zstd") => Ok(Some(Self::Zstd)),
            Some(other) => Err(Exception::new(
                code::NOT_IMPLEMENTED,
                "NOT_IMPLEMENTED",
                format!("Content-Encoding {other:?} is not supported; send lz4, zstd or none"),
            )),
        }
    }

    /// Picks what an `Accept-Encoding` header allows; weights other than 0 are not weighed.
    pub(crate) fn of_answer(header: Option<&str>) -> Option<Self> {
        let accepts = |name: &str| {
            header.unwrap_or_default().split(',').any(|part| {
                let (known, weight) = part.split_once(';').unwrap_or((part, ""));
                let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
                known.trim().eq_ignore_ascii_case(name) && !refused
            })
        };
        [Self::Lz4, Self::Zstd].into_iter().find(|encoding| accepts(encoding.name()))
    }
}

/// Returns the data of a body; refuses more than `bytes_max`.
pub(crate) fn decode(
    body: Vec<u8>,
    encoding: Option<ContentEncoding>,
    framed: bool,
    bytes_max: usize,
) -> Result<Vec<u8>, Exception> {
    let body = match encoding {
        None => body,
        Some(ContentEncoding::Lz4) => read_all(FrameDecoder::new(body.as_slice()), bytes_max)?,
        Some(ContentEncoding::Zstd) => {
            read_all(zstd::Decoder::new(body.as_slice()).map_err(frame::broken)?, bytes_max)?
        }
    };
    if framed { frame::decode(&body, bytes_max) } else { Ok(body) }
}

fn read_all(decoder: impl Read, bytes_max: usize) -> Result<Vec<u8>, Exception> {
    let mut data = Vec::new();
    let bound = (bytes_max as u64).saturating_add(1);
    decoder.take(bound).read_to_end(&mut data).map_err(frame::broken)?;
    if data.len() > bytes_max { Err(frame::too_large(bytes_max)) } else { Ok(data) }
}

/// Compresses an answer piece by piece; every piece can be read by the client as soon as it arrives.
pub(crate) enum Encoder {
    /// As it is.
    Plain,
    /// Native frames (`compress=1`).
    Native,
    /// `Content-Encoding: lz4`.
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    /// `Content-Encoding: zstd`.
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    /// Returns an encoder; native frames win over a content encoding, as in ClickHouse.
    pub(crate) fn new(encoding: Option<ContentEncoding>, framed: bool) -> std::io::Result<Self> {
        Ok(match encoding {
            _ if framed => Self::Native,
            None => Self::Plain,
            Some(ContentEncoding::Lz4) => {
                // Late errors (≤ 16 KiB) must fit one block, so that clients see them as one piece.
                let info = FrameInfo::new().block_size(BlockSize::Max256KB);
                Self::Lz4(Box::new(FrameEncoder::with_frame_info(info, Vec::new())))
            }
            Some(ContentEncoding::Zstd) => {
                Self::Zstd(Box::new(zstd::stream::write::Encoder::new(Vec::new(), 1)?))
            }
        })
    }

    /// Compresses a piece and everything held back.
    pub(crate) fn encode(&mut self, data: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(data.to_vec()),
            Self::Native => {
                let mut output = Vec::with_capacity(data.len() / 2);
                frame::encode(data, &mut output);
                Ok(output)
            }
            Self::Lz4(encoder) => {
                encoder.write_all(data)?;
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                encoder.write_all(data)?;
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    /// Returns what ends the stream.
    pub(crate) fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Plain | Self::Native => Ok(Vec::new()),
            Self::Lz4(encoder) => encoder.finish().map_err(std::io::Error::other),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_choose_the_encoding() {
        let answer = ContentEncoding::of_answer;
        assert_eq!(answer(Some("gzip, lz4;q=0.5, zstd")), Some(ContentEncoding::Lz4));
        assert_eq!(answer(Some("lz4;q=0, zstd")), Some(ContentEncoding::Zstd));
        assert_eq!(answer(Some("gzip, br")), None);
        assert_eq!(answer(None), None);
        assert_eq!(ContentEncoding::of_body(Some("ZSTD")), Ok(Some(ContentEncoding::Zstd)));
        assert_eq!(ContentEncoding::of_body(Some("gzip")).unwrap_err().code, code::NOT_IMPLEMENTED);
    }

    #[test]
    fn a_small_body_cannot_grow_over_the_bound() {
        let zeros = vec![0; 1 << 20];
        let zstd = zstd::bulk::compress(&zeros, 1).unwrap();
        let mut lz4 = FrameEncoder::new(Vec::new());
        lz4.write_all(&zeros).unwrap();
        let lz4 = lz4.finish().unwrap();
        for (body, encoding) in [(zstd, ContentEncoding::Zstd), (lz4, ContentEncoding::Lz4)] {
            let error = decode(body.clone(), Some(encoding), false, (1 << 20) - 1).unwrap_err();
            assert_eq!(error.code, code::TOO_MANY_BYTES);
            assert_eq!(decode(body.clone(), Some(encoding), false, 1 << 20).unwrap(), zeros);
            let cut = body[..body.len() / 2].to_vec();
            assert_eq!(
                decode(cut, Some(encoding), false, 1 << 20).unwrap_err().code,
                code::CANNOT_DECOMPRESS
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_join_to_the_whole(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2000), 0..6),
            which in 0..4_usize,
        ) {
            let (encoding, framed) = [
                (None, false),
                (None, true),
                (Some(ContentEncoding::Lz4), false),
                (Some(ContentEncoding::Zstd), false),
            ][which];
            let mut encoder = Encoder::new(encoding, framed).unwrap();
            let mut wire = Vec::new();
            for piece in &pieces {
                wire.extend(encoder.encode(piece).unwrap());
            }
            wire.extend(encoder.finish().unwrap());
            let whole = pieces.concat();
            if !whole.is_empty() {
                prop_assert_eq!(decode(wire, encoding, framed, 1 << 20).unwrap(), whole);
            }
        }
    }
}
