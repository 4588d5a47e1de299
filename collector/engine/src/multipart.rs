//! `multipart/form-data` (RFC 7578): how the official client sends a statement with parameters.

use crate::exception::{Exception, code};
use crate::limits::FIELDS_MAX;

/// Returns the boundary of a multipart content type; `None` when it is another type.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    rest.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then_some(value)
    })
}

/// Returns the fields, names with their bytes, in order.
pub(crate) fn fields<'a>(
    body: &'a [u8],
    boundary: &str,
) -> Result<Vec<(String, &'a [u8])>, Exception> {
    let delimiter = format!("--{boundary}");
    let separator = format!("\r\n{delimiter}");
    let mut rest = body
        .strip_prefix(delimiter.as_bytes())
        .or_else(|| split(body, separator.as_bytes()).map(|(_, rest)| rest))
        .ok_or_else(|| broken("the first boundary is missing"))?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        if fields.len() == FIELDS_MAX {
            return Err(broken(format!("more than {FIELDS_MAX} fields")));
        }
        let part =
            rest.strip_prefix(b"\r\n").ok_or_else(|| broken("no line end after a boundary"))?;
        let (head, tail) = split(part, b"\r\n\r\n").ok_or_else(|| broken("a field has no body"))?;
        let (value, next) = split(tail, separator.as_bytes())
            .ok_or_else(|| broken("the last boundary is missing"))?;
        fields.push((name(head).ok_or_else(|| broken("a field has no name"))?, value));
        rest = next;
    }
    Ok(fields)
}

fn name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    line.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("name").then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..place)?, bytes.get(place + mark.len()..)?))
}

fn broken(why: impl std::fmt::Display) -> Exception {
    let message = format!("The multipart/form-data body is broken: {why}");
    Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_of_the_official_client() {
        let content_type = "multipart/form-data; boundary=clickhouse-rs-boundary-x1";
        let boundary = boundary(content_type).unwrap();
        let body =
            b"--clickhouse-rs-boundary-x1\r\nContent-Disposition: form-data; name=\"query\"\r\n\
            \r\nSELECT {a:String}\r\n--clickhouse-rs-boundary-x1\r\n\
            Content-Disposition: form-data; name=\"param_a\"\r\n\r\nline\r\n\\\\two\r\n\
            --clickhouse-rs-boundary-x1--\r\n";
        assert_eq!(
            fields(body, boundary).unwrap(),
            [
                ("query".to_owned(), b"SELECT {a:String}".as_slice()),
                ("param_a".to_owned(), b"line\r\n\\\\two".as_slice()),
            ]
        );
    }

    #[test]
    fn other_types_have_no_boundary() {
        for other in ["text/plain", "multipart/form-data", "multipart/form-data; boundary=", ""] {
            assert_eq!(boundary(other), None, "{other}");
        }
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; boundary=\"q\""), Some("q"));
    }

    #[test]
    fn a_cut_body_is_an_error() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nx\r\n--b--\r\n";
        for cut in 0..body.len() - 4 {
            assert!(fields(&body[..cut], "b").is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = fields(&body, "b");
            let _ = fields(&[b"--b\r\n".as_slice(), &body].concat(), "b");
        }
    }
}
