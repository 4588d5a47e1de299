//! Tests of the SQL as text; `collector/store/tests/hunt.rs` runs it.

use proptest::prelude::*;
use rules_sigma::{Document, parse_file};

use super::*;

fn rule(detection: &str) -> Rule {
    let text = format!(
        "title: T\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
         logsource: {{product: linux, service: sudo}}\ndetection: {detection}\n"
    );
    let parsed = parse_file("t.yml", &text);
    match parsed.documents.into_iter().next() {
        Some(Document::Rule(rule)) => rule,
        other => panic!("{other:?} {:?}", parsed.diagnostics),
    }
}

#[track_caller]
fn check(detection: &str, expected: &str) {
    let sql = predicate(&rule(detection)).unwrap();
    let source = "(dataset IN ('system.auth', 'system.syslog') AND NOT mapContains(extra, \
                  'event.dataset') AND lower(process_name) IN ('sudo') AND NOT mapContains(extra, \
                  'process.name')) AND ";
    assert_eq!(sql.condition().strip_prefix(source), Some(expected));
}

#[test]
fn conditions_read_as_the_rule_does() {
    check("{a: {user.name: Root}, condition: a}", "arrayExists(x -> x IN ('root'), r0l0)");
    check(
        "{a: {user.name|contains: [x, y]}, condition: not a}",
        "NOT arrayExists(x -> multiSearchAny(x, ['x', 'y']), r0l0)",
    );
    check(
        "{a: {user.name|startswith|cased: 'a*b', source.ip: null}, condition: a}",
        "(arrayExists(x -> match(x, '(\\x3Fs)^a.*b.*$'), r0f0) AND NOT if(mapContains(extra, \
         'source.ip'), extra['source.ip'] NOT IN ('\\x01null', '\\x01-'), source_ip != toIPv6('::')))",
    );
}

#[test]
fn only_the_letters_that_fold_to_the_pattern_are_translated() {
    let with = |detection| with_clause([&predicate(&rule(detection)).unwrap()]);
    assert!(with("{a: {user.name: abc}, condition: a}").contains("arrayMap(x -> lower(x), r0f0)"));
    let kelvin = with("{a: {user.name: k}, condition: a}");
    assert!(kelvin.contains("translateUTF8(lower(x), '\u{212a}', 'k')"), "{kelvin}");
    let marked = with("{a: {user.name: đ}, condition: a}");
    assert!(marked.contains("translateUTF8(lower(x), 'Đ', 'đ')"), "{marked}");
}

#[test]
fn names_of_several_rules_do_not_meet() {
    let rule = rule("{a: {user.name|re: '\\bx'}, condition: a}");
    let both = [predicate_numbered(&rule, 1).unwrap(), predicate_numbered(&rule, 2).unwrap()];
    let clause = with_clause(&both);
    assert_eq!(clause.matches(" AS vl_word").count(), 1);
    assert!(clause.contains(" AS r1f0") && clause.contains(" AS r2f0"));
}

#[test]
fn what_is_too_long_is_refused() {
    let quotes = "'".repeat(80);
    let texts: Vec<String> = (0..9_000).map(|number| format!("\"{quotes}{number}\"")).collect();
    let detection = format!("{{a: {{user.name: [{}]}}, condition: a}}", texts.join(", "));
    assert!(matches!(predicate(&rule(&detection)), Err(Unsupported::TooLong(_))));
}

/// Cuts the string literals out of SQL as ClickHouse would; `None` when one does not end.
fn without_literals(sql: &str) -> Option<String> {
    let mut rest = String::new();
    let mut chars = sql.chars();
    while let Some(c) = chars.next() {
        if c != '\'' {
            rest.push(c);
            continue;
        }
        loop {
            match chars.next()? {
                '\\' => drop(chars.next()?),
                '\'' => break,
                _ => {}
            }
        }
    }
    Some(rest)
}

proptest! {
    /// Whatever a rule says, the SQL around its literals is made of our own words only.
    #[test]
    fn nothing_of_a_rule_becomes_sql(
        name in "Q[a-z'`\\\\?{}\"/*;-]{3,9}",
        value in "Q[a-z'`\\\\?{}\"/*;%-]{3,9}",
        modifier in prop::sample::select(vec!["", "|contains", "|re", "|cased", "|endswith", "|fieldref"]),
    ) {
        let quoted = |text: &str| {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{text}\"")
        };
        let key = quoted(&format!("{name}{modifier}"));
        let text = format!(
            "title: T\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
             logsource: {{product: linux, service: {}}}\n\
             detection: {{a: {{{key}: {}}}, b: [{}], condition: a or b}}\n",
            quoted(&value), quoted(&value), quoted(&value)
        );
        let parsed = parse_file("t.yml", &text);
        let Some(Document::Rule(rule)) = parsed.documents.into_iter().next() else {
            return Ok(());
        };
        let Ok(sql) = predicate(&rule) else { return Ok(()) };
        let all = sql.to_string();
        prop_assert!(!all.contains('?'), "{}", all);
        let rest = without_literals(&all);
        prop_assert!(rest.is_some(), "{}", all);
        let rest = rest.unwrap_or_default();
        prop_assert!(!rest.contains(['Q', '`', '"', ';', '{', '\\']), "{}", rest);
    }
}
