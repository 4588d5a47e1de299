//! Lines as YAML counts them.

/// Returns the lines of a text without their ends, and the byte at which each begins.
///
/// Spec: YAML 1.2.2, 5.4 "Line Break Characters": `\n`, `\r\n`, and `\r` alone. A text that ends with
/// a line end has no further line.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let begin = start;
        let len = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let line = rest.get(..len).unwrap_or_default();
        let end = match rest.get(len..) {
            Some(end) if end.starts_with("\r\n") => 2,
            Some("") | None => 0,
            Some(_) => 1,
        };
        start += len + end;
        Some((begin, line))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_kind_of_line_end_counts_once() {
        let found: Vec<_> = super::lines("a\r\nbé\r\r\nc\n\nd").collect();
        assert_eq!(found, [(0, "a"), (3, "bé"), (7, ""), (9, "c"), (11, ""), (12, "d")]);
        assert_eq!(super::lines("a\n").count(), 1);
        assert_eq!(super::lines("").count(), 0);
    }
}
