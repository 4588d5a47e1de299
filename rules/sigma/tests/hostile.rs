//! Text that nobody meant as a rule: no panic, no lost place, no time beyond a straight line.

use proptest::prelude::*;
use rules_sigma::{parse_cases, parse_file};

const RULE: &str = "title: A\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
                    logsource: {product: linux}\ndetection:\n  sel: {user.name|contains: [a, b*]}\n  \
                    fil: [x, {y|re: 'a+'}]\n  condition: sel and not 1 of f*\n";

#[track_caller]
fn check(text: &str) {
    let parsed = parse_file("t.yml", text);
    // A carriage return alone ends a line of YAML, too.
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").lines().count();
    for diagnostic in &parsed.diagnostics {
        assert!(diagnostic.span.line <= lines + 1, "{diagnostic:?}");
        assert!(!diagnostic.render().is_empty());
    }
    drop(parse_cases("t.case.yml", text));
}

proptest! {
    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn yaml_like_text_is_survived(text in "([a-c|*&:{}\\[\\],'\"#>!%\t -]|: |\n|  |- |---\n){0,60}") {
        check(&text);
    }

    #[test]
    fn damaged_rules_are_survived(
        cuts in prop::collection::vec((0..RULE.len(), 0_usize..6, "[a-z|*:\\[{(\n' ]{0,3}"), 1..5),
    ) {
        let mut text = RULE.to_owned();
        for (at, len, new) in cuts {
            let at = at.min(text.len());
            text.replace_range(at..(at + len).min(text.len()), &new);
        }
        check(&text);
    }

    #[test]
    fn conditions_are_survived(condition in "(sel|fil|and|or|not|of|1|all|them|f\\*|\\(|\\)| ){0,40}") {
        check(&RULE.replace("sel and not 1 of f*", &format!("'{condition}'")));
    }
}

#[test]
fn a_carriage_return_alone_ends_a_line_as_yaml_has_it() {
    let parsed = parse_file("t.yml", "title: A\r---\rtitle: B\r\nlevel: [\n");
    let last = parsed.diagnostics.iter().max_by_key(|it| it.span.line).unwrap();
    assert!((4..=5).contains(&last.span.line), "{last:?}");
    check("title: A\rlevel: high\rx\n- y\n");
    let wrong = RULE.replace('\n', "\r").replace("level: low", "level: lov");
    let parsed = parse_file("t.yml", &wrong);
    assert_eq!(parsed.diagnostics[0].span.line, 3, "{:?}", parsed.diagnostics);
    assert_eq!(parsed.diagnostics[0].source_line, "level: lov");
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let parsed = parse_file("t.yml", &"#".repeat(1024 * 1024 + 1));
    assert_eq!(parsed.diagnostics.iter().map(|it| it.code).collect::<Vec<_>>(), ["R002"]);
}

#[test]
fn the_worst_files_are_read_in_bounded_time() {
    let size = 300_000;
    for text in [
        "[".repeat(size),
        "{".repeat(size),
        "- ".repeat(size / 2),
        "a: &a [x]\n".to_owned() + &"b: *a\n".repeat(size / 6),
        "&a ".repeat(size / 3),
        (0..size / 10).map(|number| format!("k{number}: v\n")).collect(),
        "---\n".repeat(size / 4),
        "? ".repeat(size / 2),
        format!("title: '{}'\n", "é".repeat(size / 2)),
        RULE.replace("sel and not 1 of f*", &"not ".repeat(size / 4)),
        RULE.replace("sel and not 1 of f*", &"(".repeat(size)),
        RULE.replace("sel and not 1 of f*", &"sel or ".repeat(size / 7)),
        RULE.replace("[a, b*]", &format!("[{}]", "a, ".repeat(size / 3))),
    ] {
        let start = std::time::Instant::now();
        check(&text);
        let took = start.elapsed();
        // Unoptimised and on a busy machine these take well under a second; quadratic work over
        // 300 kB takes minutes.
        assert!(took.as_secs() < 20, "{took:?} for {:.40}", text);
    }
}
