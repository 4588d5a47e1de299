//! Output formats: which can be streamed, and how the chunks of a stream are joined.
//!
//! The engine makes every chunk of a stream a whole document of its format. Formats without head
//! and foot join as they are; the binary formats with names repeat their head, which is cut from the
//! second chunk on; all others (JSON, CSVWithNames, ArrowStream, …) are taken whole.

/// How the chunks of a format become one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joining {
    /// Put behind each other.
    Plain,
    /// Each begins with a count and so many names (`RowBinaryWithNames`).
    Names,
    /// Each begins with a count, so many names, so many types (`RowBinaryWithNamesAndTypes`).
    NamesAndTypes,
}

/// Returns how a format is joined; `None` when it must not be streamed.
pub(crate) fn joining(format: &str) -> Option<Joining> {
    match format {
        "RowBinary"
        | "Native"
        | "TabSeparated"
        | "TSV"
        | "TabSeparatedRaw"
        | "TSVRaw"
        | "CSV"
        | "JSONEachRow"
        | "JSONLines"
        | "NDJSON"
        | "JSONCompactEachRow"
        | "JSONStringsEachRow"
        | "JSONCompactStringsEachRow"
        | "LineAsString"
        | "TSKV"
        | "Null" => Some(Joining::Plain),
        "RowBinaryWithNames" => Some(Joining::Names),
        "RowBinaryWithNamesAndTypes" => Some(Joining::NamesAndTypes),
        _ => None,
    }
}

/// Returns the content type that a ClickHouse server gives a format.
pub(crate) fn content_type(format: &str) -> &'static str {
    match format {
        "CSV" => "text/csv; charset=UTF-8; header=absent",
        "CSVWithNames" | "CSVWithNamesAndTypes" => "text/csv; charset=UTF-8; header=present",
        "JSONEachRow" | "JSONLines" | "NDJSON" | "JSONStringsEachRow" => {
            "application/x-ndjson; charset=UTF-8"
        }
        "TabSeparated"
        | "TSV"
        | "TabSeparatedRaw"
        | "TSVRaw"
        | "TabSeparatedWithNames"
        | "TSVWithNames"
        | "TabSeparatedWithNamesAndTypes"
        | "TSVWithNamesAndTypes" => "text/tab-separated-values; charset=UTF-8",
        "Native" | "Parquet" | "Arrow" | "ArrowStream" | "ORC" | "Avro" => {
            "application/octet-stream"
        }
        format if format.starts_with("RowBinary") => "application/octet-stream",
        format if format.starts_with("JSON") => "application/json; charset=UTF-8",
        _ => "text/plain; charset=UTF-8",
    }
}

impl Joining {
    /// Returns the length of the head of a chunk; `None` when the chunk is not of this format.
    pub(crate) fn head(self, chunk: &[u8]) -> Option<usize> {
        let texts_a_column = match self {
            Self::Plain => return Some(0),
            Self::Names => 1,
            Self::NamesAndTypes => 2,
        };
        let (columns, mut at) = varint(chunk, 0)?;
        for _ in 0..columns.checked_mul(texts_a_column)? {
            let (length, start) = varint(chunk, at)?;
            at = start.checked_add(usize::try_from(length).ok()?)?;
            if at > chunk.len() {
                return None;
            }
        }
        Some(at)
    }
}

/// Reads an unsigned LEB128 number; returns it and where it ends.
fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((number, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_measured() {
        let chunk = b"\x02\x01a\x01s\x06UInt64\x06String\x00\xca\x9a;\x00\x00\x00\x00\x05hello";
        assert_eq!(Joining::NamesAndTypes.head(chunk), Some(19));
        assert_eq!(Joining::Names.head(chunk), Some(5));
        assert_eq!(Joining::Plain.head(chunk), Some(0));
        for cut in 0..19 {
            assert_eq!(Joining::NamesAndTypes.head(&chunk[..cut]), None, "{cut}");
        }
        assert_eq!(Joining::Names.head(&[0xff; 20]), None);
    }

    #[test]
    fn documents_with_a_foot_are_never_streamed() {
        for whole in [
            "JSON",
            "CSVWithNames",
            "TSVWithNames",
            "ArrowStream",
            "Parquet",
            "Pretty",
            "Values",
            "",
        ] {
            assert_eq!(joining(whole), None, "{whole}");
        }
    }
}
