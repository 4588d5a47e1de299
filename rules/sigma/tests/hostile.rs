//! Text that nobody meant as a rule: no panic, no lost place, no time beyond a straight line.

use std::path::Path;

use proptest::prelude::*;
use rules_sigma::{
    Document, Fix, Placeholders, Rule, apply_filters, apply_fixes, parse_cases, parse_file,
    parse_file_with,
};

const RULE: &str = "title: A\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
                    logsource: {product: linux}\ndetection:\n  sel: {user.name|contains: [a, b*]}\n  \
                    fil: [x, {y|re: 'a+'}]\n  condition: sel and not 1 of f*\n";

/// Every entry point on one text, as rule file, cases and lists.
#[track_caller]
fn check(text: &str) {
    let (lists, diagnostics) = Placeholders::parse("t.toml", text);
    drop(diagnostics);
    let mut values = Placeholders::parse("t.yml", text).0;
    values.extend(lists);
    values.insert("x", ["a".to_owned(), "b*".to_owned()]);
    let parsed = parse_file_with("t.yml", text, &values);
    let lines = text.split(['\n', '\r']).count();
    for diagnostic in &parsed.diagnostics {
        assert!(diagnostic.span.line <= lines + 1, "{diagnostic:?}");
        assert!(diagnostic.span.len <= 1 + diagnostic.source_line.chars().count());
        assert!(!diagnostic.render().is_empty());
    }
    let fixes: Vec<Fix> = parsed.diagnostics.iter().filter_map(|it| it.fix.clone()).collect();
    let fixed = apply_fixes(text, &fixes);
    assert!(!fixes.is_empty() || fixed == text);
    // A fix never costs a document that loaded before.
    let after = parse_file_with("t.yml", &fixed, &values);
    assert!(after.documents.len() >= parsed.documents.len(), "{text}\n--- fixed\n{fixed}");
    let (mut rules, mut filters): (Vec<Rule>, Vec<_>) = Default::default();
    for document in parsed.documents {
        match document {
            Document::Rule(rule) => rules.push(rule),
            Document::Filter(filter) => filters.push(filter),
            Document::Correlation(_) => {}
        }
    }
    drop(apply_filters(&mut rules, &filters));
    for rule in &rules {
        check_indexes(rule);
    }
    drop(parse_cases("t.case.yml", text));
}

/// Whatever is loaded speaks only of searches that are there.
fn check_indexes(rule: &Rule) {
    fn walk(condition: &rules_sigma::Condition, searches: usize) {
        use rules_sigma::Condition::{And, Not, Of, Or, Search};
        match condition {
            Search(index) => assert!(*index < searches),
            And(parts) | Or(parts) => parts.iter().for_each(|part| walk(part, searches)),
            Not(part) => walk(part, searches),
            Of { searches: named, .. } => assert!(named.iter().all(|index| *index < searches)),
        }
    }
    walk(&rule.detection.condition, rule.detection.searches.len());
}

/// Real rules to damage: those of the golden pairs, which use every part of the language.
fn golden() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the file is readable")
        .map(|entry| entry.expect("the file is readable").path())
        .collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "yml"));
    let texts =
        paths.iter().map(|path| std::fs::read_to_string(path).expect("the file is readable"));
    // The bombs are tried as they are; damaging them as well takes too long.
    texts.filter(|text| text.len() < 4_000).collect()
}

proptest! {
    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn yaml_like_text_is_survived(text in "([a-c|*&:{}\\[\\],'\"#>!%\t -]|: |\n|\r|\r\n|  |- |---\n){0,60}") {
        check(&text);
    }

    #[test]
    fn damaged_rules_are_survived(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..6, "[a-z|*:\\[{(\n'%\\\\é ]{0,3}"),
            1..5,
        ),
    ) {
        let mut text = which.get(&golden()).clone();
        for (at, len, new) in cuts {
            let starts: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
            if starts.is_empty() {
                break;
            }
            let at = at.index(starts.len());
            let end = starts.get(at + len).copied().unwrap_or(text.len());
            text.replace_range(starts[at]..end, &new);
        }
        check(&text);
    }

    #[test]
    fn conditions_are_survived(condition in "(sel|fil|and|or|not|of|1|all|them|f\\*|\\(|\\)| ){0,40}") {
        check(&RULE.replace("sel and not 1 of f*", &format!("'{condition}'")));
    }

    #[test]
    fn modifiers_are_survived(
        words in prop::collection::vec(prop::sample::select(MODIFIERS), 0..6),
        value in "([a-c*?\\\\%/-]|%x%|\\\\|'')|[0-9]{1,3}|10.0.0.0/8|true|~|é{0,6}",
        quoted: bool,
    ) {
        let key = format!("a|{}", words.join("|"));
        let value = if quoted { format!("'{value}'") } else { value };
        check(&RULE.replace("user.name|contains: [a, b*]", &format!("'{key}': {value}")));
    }
}

const MODIFIERS: &[&str] = &[
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "endswith",
    "exists",
    "expand",
    "fieldref",
    "gt",
    "hour",
    "i",
    "lte",
    "m",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "week",
    "wide",
    "windash",
    "",
    "x",
];

#[test]
fn a_key_is_not_renamed_to_one_that_its_value_does_not_fit() {
    for (value, repaired) in [("{a: b}", false), ("[{a: b}]", false), ("[a]", true), ("a", true)] {
        let parsed = parse_file("t.yml", &format!("{RULE}falsepositiv: {value}\n"));
        let found = parsed.diagnostics.iter().find(|it| it.code == "R016").unwrap();
        assert_eq!(found.fix.is_some(), repaired, "{value}");
    }
}

#[test]
fn a_huge_file_is_refused_before_it_is_read() {
    let parsed = parse_file("t.yml", &"#".repeat(1024 * 1024 + 1));
    assert_eq!(parsed.diagnostics.iter().map(|it| it.code).collect::<Vec<_>>(), ["R002"]);
}

#[test]
fn the_worst_files_are_read_in_bounded_time() {
    let size = 300_000;
    let with = |values: &str| RULE.replace("user.name|contains: [a, b*]", values);
    for text in [
        "[".repeat(size),
        "{".repeat(size),
        "- ".repeat(size / 2),
        "a: &a [x]\n".to_owned() + &"b: *a\n".repeat(size / 6),
        "&a ".repeat(size / 3),
        (0..size / 10).map(|number| format!("k{number}: v\n")).collect(),
        "---\n".repeat(size / 4),
        "---\na: b\n".repeat(size / 9),
        "? ".repeat(size / 2),
        format!("title: '{}'\n", "é".repeat(size / 2)),
        RULE.replace("sel and not 1 of f*", &"not ".repeat(size / 4)),
        RULE.replace("sel and not 1 of f*", &"(".repeat(size)),
        RULE.replace("sel and not 1 of f*", &"sel or ".repeat(size / 7)),
        RULE.replace("[a, b*]", &format!("[{}]", "a, ".repeat(size / 3))),
        // Values that become many: by dashes, by encodings, by lists, by all of them.
        with(&format!("a|windash: [{}]", "' -a -b -c -d -e', ".repeat(size / 20))),
        with(&format!("a|windash: ' -a -b -c -d -e{}'", "x".repeat(size))),
        with(&format!("a|windash: '{}'", " -a".repeat(size / 3))),
        with(&format!("a|base64offset: '{}'", "ab".repeat(size / 2))),
        with(&format!("a|windash|wide|base64offset: [{}]", "' -a -b -c', ".repeat(size / 14))),
        with(&format!("a|expand: '{}'", "%x%".repeat(size / 3))),
        with(&format!("a|expand: [{}]", "'%x%%x%%x%%x%%x%%x%%x%', ".repeat(size / 25))),
        with(&format!("a|re|expand: '{}%x%'", "%x%".repeat(10))),
        with(&format!("a{}: b", "|all".repeat(size / 4))),
        with(&format!("a|re: '{}'", "(".repeat(size))),
        with(&format!("a|re: '{}'", "a{1,9}".repeat(size / 6))),
        with(&format!("a|re: ['{}']", r"\w{1,64}', '".repeat(40))),
        with(&format!("a: '{}'", r"\*".repeat(size / 2))),
        with(&format!("a|contains: '{}'", r"\".repeat(size))),
        // Collections: much that is global, merged into many.
        format!("action: global\nx: [{}]\n", "a, ".repeat(size / 6)) + &"---\nb: c\n".repeat(5_000),
        format!("{RULE}x: [{}]\n", "a, ".repeat(size / 6)) + &"---\naction: repeat\n".repeat(4_000),
        "action: global\n---\n".repeat(size / 20),
        // Words near to known ones.
        (0..size / 12).map(|number| format!("titel{number}: v\n")).collect(),
    ] {
        let start = std::time::Instant::now();
        check(&text);
        let took = start.elapsed();
        // Unoptimised and on a busy machine these take well under a second; quadratic work over
        // 300 kB takes minutes.
        assert!(took.as_secs() < 20, "{took:?} for {:.160}", text);
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
