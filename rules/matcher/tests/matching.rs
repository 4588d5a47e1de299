//! What each feature of the language means, by example: rule, event, verdict.

use rules_event::{Event, Timestamp, Value};
use rules_matcher::RuleSet;
use rules_sigma::{Document, parse_file};

fn compile(logsource: &str, detection: &str) -> RuleSet {
    let indented: String = detection.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!(
        "title: T\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\nlogsource: {logsource}\n\
         detection:\n{indented}"
    );
    let parsed = parse_file("t.yml", &text);
    let shown: String = parsed.diagnostics.iter().map(|diagnostic| diagnostic.render()).collect();
    assert_eq!(parsed.documents.len(), 1, "{shown}");
    let rules = parsed.documents.into_iter().map(|document| match document {
        Document::Rule(rule) => rule,
        Document::Correlation(_) | Document::Filter(_) => unreachable!("the text holds a rule"),
    });
    let (set, _) = RuleSet::compile(rules.collect());
    set
}

fn event(fields: &[(&'static str, Value)]) -> Event {
    let mut event = Event::new(Timestamp::default(), String::new());
    event.set("event.dataset", "system.auth");
    for (name, value) in fields {
        event.set(*name, value.clone());
    }
    event
}

/// Checks a selection on field `f` (YAML: key suffix and value) against a value of it.
#[track_caller]
fn check(item: &str, value: impl Into<Value>, expected: bool) {
    check_event(&format!("s: {{ {item} }}\ncondition: s"), &[("f.f", value.into())], expected);
}

#[track_caller]
fn check_event(detection: &str, fields: &[(&'static str, Value)], expected: bool) {
    let set = compile("{product: linux}", detection);
    let event = event(fields);
    let mut hits = Vec::new();
    set.hits(&event, &mut hits);
    let why = set.why(0, &event);
    assert_eq!(!hits.is_empty(), expected, "{detection} on {event:?}\n{why}");
    assert_eq!(why.matched, expected, "{why}");
}

#[test]
fn text_ignores_case_in_every_script() {
    check("f.f: root", "ROOT", true);
    check("f.f: 'Đăng Nhập'", "đĂNG nHẬP", true);
    check("f.f|contains: 'CƠ'", "tình cờ cơ sở", true);
    check("f.f|cased: root", "ROOT", false);
    check("f.f: straße", "STRASSE", false);
}

#[test]
fn places_and_wildcards() {
    check("f.f|contains: or", "word", true);
    check("f.f|startswith: wo", "Word", true);
    check("f.f|endswith: RD", "word", true);
    check("f.f|endswith: wo", "word", false);
    check("f.f: 'w?r*'", "words", true);
    check(r"f.f: 'a\*b'", "a*b", true);
    check(r"f.f: 'a\*b'", "axb", false);
    check("f.f: ''", "", true);
    check("f.f: ''", "x", false);
    check("f.f|contains: [a1, b2, c3, d4, e5]", "xxD4xx", true);
    check("f.f|contains|all: [a, b]", "b…a", true);
    check("f.f|contains|all: [a, b]", "a", false);
}

#[test]
fn values_of_other_kinds() {
    check("f.f: 22", 22, true);
    check("f.f: 22", "22", true);
    check("f.f: '22'", 22, true);
    check("f.f: 22", "022", false);
    check("f.f: 1.5", Value::Float(1.5), true);
    check("f.f: true", true, true);
    check("f.f: true", "True", true);
    check("f.f: null", Value::Null, true);
    check("g.g: null", "x", true);
    check("f.f: null", "x", false);
    check("f.f|exists: true", "x", true);
    check("f.f|exists: false", "x", false);
    check("f.f|exists: false", Value::Null, false);
    check("f.f|exists: true", Value::Null, true);
    check("g.g|exists: false", "x", true);
    check("f.f: b", Value::List(vec!["a".into(), "B".into()]), true);
    check("f.f|contains|all: [a, b]", Value::List(vec!["a".into(), "b".into()]), true);
}

#[test]
fn comparisons() {
    check("f.f|gt: 5", 6, true);
    check("f.f|gt: 5", 5, false);
    check("f.f|gte: 5", "5", true);
    check("f.f|lt: 0.5", Value::Float(0.25), true);
    check("f.f|lte: 5", "many", false);
    check("f.f|neq: root", "admin", true);
    check("f.f|neq: [root, admin]", "Admin", false);
    check("g.g|neq: root", "x", true);
    check("f.f|cidr: 10.0.0.0/8", "10.2.3.4", true);
    check("f.f|cidr: ['fe80::/10', 192.168.0.0/16]", "fe80::1", true);
    check("f.f|cidr: 10.0.0.0/8", "host10", false);
}

#[test]
fn regular_expressions() {
    check("f.f|re: 'ab+c'", "xabbcx", true);
    check("f.f|re: 'ab+c'", "ABC", false);
    check("f.f|re|i: 'ab+c'", "ABC", true);
    check("f.f|re: '^b'", "a\nb", false);
    check("f.f|re|m: '^b'", "a\nb", true);
    check("f.f|re|s: 'a.b'", "a\nb", true);
}

#[test]
fn encodings() {
    // "curl http://…" inside a longer base64 text.
    let payload = "ZWNobyBoaTsgY3VybCBodHRwOi8vZXZpbA==";
    check("f.f|base64offset|contains: 'curl http'", payload, true);
    check("f.f|base64: 'echo hi'", "ZWNobyBoaQ==", true);
    check("f.f|wide|base64offset|contains: 'ping'", "cABpAG4AZwA=", true);
    check("f.f|windash|contains: ' -s '", "x /s y", true);
    check("f.f|windash|contains|all: [' -a', ' -b']", "x \u{2013}a /b", true);
    check("f.f|windash|contains|all: [' -a', ' -b']", "x /a", false);
}

#[test]
fn fields_compared_with_fields() {
    let both = |a: &'static str, b: &'static str| [("f.f", a.into()), ("g.g", b.into())];
    check_event("s: {f.f|fieldref: g.g}\ncondition: s", &both("Root", "root"), true);
    check_event("s: {f.f|fieldref: g.g}\ncondition: s", &both("a", "b"), false);
    check_event("s: {f.f|fieldref|endswith: g.g}\ncondition: s", &both("abc", "BC"), true);
    check_event("s: {f.f|fieldref|cased: g.g}\ncondition: s", &both("A", "a"), false);
    check_event("s: {f.f|fieldref: h.h}\ncondition: s", &both("A", "a"), false);
}

#[test]
fn keywords_are_searched_in_the_whole_line() {
    let line = |text: &'static str| [("message", text.into())];
    check_event("k: [alpha, 'be?a']\ncondition: k", &line("xx BETA yy"), true);
    check_event("k: [alpha, beta]\ncondition: k", &line("gamma"), false);
    check_event("k: { '|all': [a, b] }\ncondition: k", &line("b a"), true);
    check_event("k: { '|all': [a, b] }\ncondition: k", &line("b"), false);
    check_event("k: { '|re': 'a.c' }\ncondition: k", &line("xabcx"), true);
    check_event("k: 4625\ncondition: k", &line("id=4625."), true);
    check_event("k: [x]\ncondition: k", &[("event.original", "x".into())], true);
    check_event("k: [x]\ncondition: k", &[("user.name", "x".into())], false);
}

#[test]
fn conditions() {
    let one = [("f.f", "one".into())];
    let searches = "s_one: {f.f: one}\ns_two: {f.f: two}\n_x: {f.f: one}\n";
    for (condition, expected) in [
        ("s_one and not s_two", true),
        ("1 of s_*", true),
        ("any of them", true),
        ("all of s_*", false),
        ("all of them", false),
        ("not (s_one or s_two)", false),
        ("s_two or s_one and _x", true),
        ("not s_two and (s_two or _x)", true),
        ("not not s_one", true),
    ] {
        check_event(&format!("{searches}condition: {condition}"), &one, expected);
    }
    check_event("a: {f.f: one}\nb: {f.f: x}\ncondition: [b, a]", &one, true);
    check_event("s:\n  - {f.f: one, g.g: x}\n  - {f.f: o*}\ncondition: s", &one, true);
    check_event("s:\n  - {f.f: one, g.g: x}\n  - keyword\ncondition: s", &one, false);
}

#[test]
fn logsources_choose_the_events() {
    let set = compile("{product: linux, service: sshd}", "s: {f.f: x}\ncondition: s");
    let hit = |fields: &[(&'static str, Value)]| {
        let event = event(fields);
        let mut hits = Vec::new();
        set.hits(&event, &mut hits);
        assert_eq!(!hits.is_empty(), set.why(0, &event).matched);
        !hits.is_empty()
    };
    assert!(hit(&[("f.f", "x".into()), ("process.name", "sshd".into())]));
    assert!(hit(&[("f.f", "x".into()), ("process.name", "sshd-session".into())]));
    assert!(!hit(&[("f.f", "x".into()), ("process.name", "sudo".into())]));
    assert!(!hit(&[("f.f", "x".into())]));
    assert!(!hit(&[
        ("f.f", "x".into()),
        ("process.name", "sshd".into()),
        ("event.dataset", "nginx.access".into())
    ]));
}

#[test]
fn explanations_show_what_was_found() {
    let detection = "selection: {user.name|startswith: adm, source.ip|cidr: 10.0.0.0/8}\n\
                     filter: {source.port: [22, 2222]}\ncondition: selection and not filter";
    let set = compile("{product: linux, service: sshd}", detection);
    let event = event(&[
        ("process.name", "sshd".into()),
        ("user.name", "Admin".into()),
        ("source.ip", "10.1.1.1".into()),
        ("source.port", 4711.into()),
    ]);
    let expected = "\
✔ T (00000000-0000-0000-0000-000000000001)
  ✔ logsource: event.dataset in system.auth — found 'system.auth'; process.name sshd… — found 'sshd'
  ✔ condition: all of
    ✔ selection
      ✔ user.name|startswith = 'adm*' — user.name is 'Admin'
      ✔ source.ip|cidr in 10.0.0.0/8 — source.ip is '10.1.1.1'
    ✔ not
      ✘ filter
        ✘ source.port any of 2 — source.port is '4711'
          ✘ = 22
          ✘ = 2222
";
    assert_eq!(set.why(0, &event).to_string(), expected);
}

#[test]
fn sets_are_found_by_id_and_identified_by_content() {
    let a = compile("{product: linux}", "s: {f.f: x}\ncondition: s");
    let b = compile("{product: linux}", "s: {f.f: y}\ncondition: s");
    assert_eq!(a.identity().len(), 16);
    assert_ne!(a.identity(), b.identity());
    assert_eq!(a.find("00000000-0000-0000-0000-000000000001").map(|rule| &*rule.title), Some("T"));
    assert!(a.find("nothing").is_none());
}

#[test]
fn a_logsource_without_events_is_diagnosed_and_harmless() {
    let text = "title: T\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
                logsource: {product: unheard_of}\ndetection: {s: {f: x}, condition: s}\n";
    let documents = parse_file("t.yml", text).documents;
    let rules = documents.into_iter().filter_map(|document| match document {
        Document::Rule(rule) => Some(rule),
        Document::Correlation(_) | Document::Filter(_) => None,
    });
    let (set, diagnostics) = RuleSet::compile(rules.collect());
    assert_eq!(diagnostics.iter().map(|it| it.code).collect::<Vec<_>>(), ["R061"]);
    assert_eq!(diagnostics[0].source_line, "logsource: {product: unheard_of}");
    let mut hits = vec![7];
    set.hits(&event(&[("f", "x".into())]), &mut hits);
    assert!(hits.is_empty());
}

#[test]
fn a_wider_logsource_is_tried_where_no_narrower_one_speaks() {
    let rule = |id: u8, logsource: &str| {
        format!(
            "title: T{id}\nid: 00000000-0000-0000-0000-00000000000{id}\nlevel: low\n\
             logsource: {logsource}\ndetection:\n  s: {{ f.f: x }}\n  condition: s\n"
        )
    };
    let narrow = rule(1, "{product: linux, service: auth}");
    let wide = rule(2, "{product: linux}");
    let text = format!("{narrow}---\n{wide}---\n{}", rule(3, "{product: any}"));
    let rules = parse_file("t.yml", &text).documents.into_iter().map(|document| match document {
        Document::Rule(rule) => rule,
        Document::Correlation(_) | Document::Filter(_) => unreachable!("the text holds rules"),
    });
    let (set, _) = RuleSet::compile(rules.collect());
    let hits = |dataset: &'static str| {
        let event = event(&[("event.dataset", dataset.into()), ("f.f", "x".into())]);
        let mut found = Vec::new();
        set.hits(&event, &mut found);
        found
    };
    assert_eq!(hits("system.auth"), [0, 1, 2]);
    assert_eq!(hits("json"), [1, 2], "the narrower one says nothing of this dataset");
    assert_eq!(hits("firewall.syslog"), [2]);
    assert_eq!(hits("nobody.knows.it"), [2]);
}
