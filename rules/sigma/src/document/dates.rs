//! Dates of a document, and its relations to others.

use super::{meta::is_uuid, scalar_text, text};
use crate::report::Reporter;
use crate::yaml::{Kind, Node};
use crate::{Date, Related, Relation, Severity, codes};

/// Relations of one rule.
const RELATED_MAX: usize = 100;

/// Reads `date` or `modified`; a mistake is a warning, as it does not change what is detected.
///
/// Spec: Sigma rules specification 2.1, "Date".
pub(super) fn read(root: &Node, name: &str, report: &mut Reporter<'_>) -> Option<Date> {
    let node = root.get(name)?;
    let written = text(root, name, report)?;
    if let Some(date) = parse(&written, '-') {
        return Some(date);
    }
    let old = parse(&written, '/');
    let message = match old {
        Some(_) => format!("'{written}' is a date as before Sigma 2.0"),
        None => format!("'{written}' is not a date"),
    };
    let help = old.map_or("write it as 2026-11-21".to_owned(), |date| format!("write {date}"));
    report.warning(codes::BAD_DATE, node.span, message, help);
    if let Some(date) = old {
        report.repair(node.span, &written, &date.to_string());
    }
    old
}

/// Reads year, month and day between separators.
fn parse(text: &str, separator: char) -> Option<Date> {
    let mut parts = text.split(separator);
    let mut part = |len: usize| {
        let part = parts.next()?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        // Only the old spelling was at times written without leading zeros.
        let fits = part.len() == len || (separator == '/' && !part.is_empty() && part.len() < len);
        (digits && fits).then(|| part.parse::<u16>().ok())?
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let real = year >= 1_000 && (1..=12).contains(&month) && (1..=days(year, month)).contains(&day);
    if parts.next().is_some() || !real {
        return None;
    }
    Some(Date { year, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? })
}

fn days(year: u16, month: u16) -> u16 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Reads `related`; mistakes are warnings.
///
/// Spec: Sigma rules specification 2.1, "Identification".
pub(super) fn read_related(root: &Node, report: &mut Reporter<'_>) -> Vec<Related> {
    const HELP: &str = "write each as '- { id: UUID, type: derived }'";
    let Some(node) = root.get("related") else { return Vec::new() };
    let nodes = match &node.kind {
        Kind::List(nodes) => nodes.as_slice(),
        Kind::Scalar(scalar) if scalar.is_null() => return Vec::new(),
        _ => {
            let message = format!("'related' must be a list, not {}", node.kind_name());
            report.warning(codes::BAD_RELATED, node.span, message, HELP);
            return Vec::new();
        }
    };
    if nodes.len() > RELATED_MAX {
        let message = format!("more than {RELATED_MAX} relations; the rest is left out");
        report.warning(codes::BAD_RELATED, node.span, message, "keep the nearest ones");
    }
    let mut related = Vec::with_capacity(nodes.len().min(RELATED_MAX));
    related.extend(nodes.iter().take(RELATED_MAX).filter_map(|node| relation(node, report)));
    related
}

fn relation(node: &Node, report: &mut Reporter<'_>) -> Option<Related> {
    const HELP: &str = "write it as '{ id: UUID, type: derived }'";
    let (Some(id), Some(kind)) = (node.get("id"), node.get("type")) else {
        report.warning(codes::BAD_RELATED, node.span, "a relation needs 'id' and 'type'", HELP);
        return None;
    };
    let (place, id) = (id.span, scalar_text(id, "id", report)?);
    if !is_uuid(&id) {
        let message = format!("the id '{id}' is not a UUID");
        report.warning(codes::BAD_RELATED, place, message, "name the id of the other rule");
    }
    let word = scalar_text(kind, "type", report)?;
    let relation = Relation::ALL.into_iter().find(|relation| relation.as_str() == word);
    if relation.is_none() {
        let words = Relation::ALL.map(Relation::as_str);
        let what = (Severity::Warning, codes::BAD_RELATED, kind.span);
        let message = format!("unknown relation '{word}'");
        let fallback = || format!("one of {}", words.join(", "));
        report.unknown_word(what, &word, message, &words, fallback);
    }
    Some(Related { id, relation: relation? })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(parse("2024-02-29", '-').map(|date| date.to_string()).unwrap(), "2024-02-29");
        assert_eq!(parse("2024/1/9", '/').map(|date| date.to_string()).unwrap(), "2024-01-09");
        for wrong in
            ["2023-02-29", "2024-1-09", "2024-13-01", "2024-01-00", "24-01-01", "", "x-y-z"]
        {
            assert!(parse(wrong, '-').is_none(), "{wrong}");
        }
    }
}
