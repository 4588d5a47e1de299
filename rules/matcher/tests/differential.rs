//! The compiled matcher against the plain evaluator: same rule, same event, same answer.

use proptest::prelude::*;
use rules_event::{Event, Timestamp, Value};
use rules_matcher::{Matcher, Naming, RuleSet, SourceOf};
use rules_sigma::{Document, Rule, parse_file};

const FIELDS: [&str; 5] =
    ["user.name", "source.ip", "message", "http.response.status_code", "url.original"];

/// A text of a rule, as YAML.
fn yaml_text() -> impl Strategy<Value = String> {
    "[aAbBđĐkK*? -]{0,4}".prop_map(|text| format!("'{text}'"))
}

/// A value of a rule, as YAML.
fn yaml_value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => yaml_text(),
        1 => Just("null".to_owned()),
        1 => (0_i64..12).prop_map(|number| number.to_string()),
        1 => Just("true".to_owned()),
        1 => Just("0.5".to_owned()),
    ]
}

/// One `key: value` of a map, as YAML.
fn item() -> impl Strategy<Value = String> {
    let modifiers = prop_oneof![
        3 => Just("|contains"),
        1 => Just("|startswith"),
        1 => Just("|endswith"),
        1 => Just("|contains|all"),
        1 => Just("|windash|contains|all"),
        1 => Just("|contains|cased"),
        1 => Just("|cased|neq"),
    ];
    let list = |field: usize, modifiers: &str, values: &[String]| {
        format!("'{}{modifiers}': [{}]", FIELDS[field], values.join(", "))
    };
    let texts = (0..FIELDS.len(), modifiers, prop::collection::vec(yaml_text(), 1..7));
    let values = (0..FIELDS.len(), any::<bool>(), prop::collection::vec(yaml_value(), 1..7));
    let encoded = (0..FIELDS.len(), prop::collection::vec("[abđ]{2,4}", 1..3));
    let text = prop_oneof![
        3 => texts.prop_map(move |(field, modifiers, values)| list(field, modifiers, &values)),
        2 => values.prop_map(move |(field, negated, values)| {
            list(field, if negated { "|neq" } else { "" }, &values)
        }),
        1 => encoded.prop_map(move |(field, texts)| {
            list(field, "|base64offset|contains", &texts)
        }),
    ];
    let other = (0..FIELDS.len(), 0..FIELDS.len(), 0..8_usize, 0_i64..12).prop_map(
        |(field, other, kind, number)| {
            let field = FIELDS[field];
            match kind {
                0 => format!("'{field}|re': '[ab]+$'"),
                1 => format!("'{field}|re|i': '^[ab]'"),
                2 => format!("'{field}|cidr': ['10.0.0.0/8', 'a000::/8']"),
                3 => format!("'{field}|gte': {number}"),
                4 => format!("'{field}|exists': {}", number % 2 == 0),
                5 => format!("'{field}|hour|gte': {number}"),
                6 => format!("'{field}|re': '(?:ab[aA]|b+k).*(a|đ)'"),
                _ => format!("'{field}|fieldref|startswith': '{}'", FIELDS[other]),
            }
        },
    );
    prop_oneof![3 => text, 1 => other]
}

fn search() -> impl Strategy<Value = String> {
    let map = prop::collection::vec(item(), 1..3)
        .prop_map(|items| format!("{{{}}}", items.join(", ")))
        .boxed();
    prop_oneof![
        3 => map.clone(),
        1 => prop::collection::vec(map, 1..3).prop_map(|maps| format!("[{}]", maps.join(", "))),
        1 => prop::collection::vec(yaml_text(), 1..6)
            .prop_map(|words| format!("[{}]", words.join(", "))),
    ]
}

fn rule() -> impl Strategy<Value = String> {
    let condition = prop_oneof![
        Just("a"),
        Just("a and not b"),
        Just("a or b and c"),
        Just("1 of them"),
        Just("all of them"),
        Just("not (a or b) and not c"),
        Just("not 1 of b* and (c or a)"),
    ];
    let logsource = prop_oneof![
        4 => Just("{product: linux}"),
        1 => Just("{product: linux, service: auth}"),
        1 => Just("{product: any}"),
    ];
    (logsource, search(), search(), search(), condition).prop_map(
        |(logsource, a, b, c, condition)| {
            format!(
                "title: T\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
             logsource: {logsource}\ndetection:\n  a: {a}\n  b: {b}\n  c: {c}\n  \
             condition: {condition}\n"
            )
        },
    )
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        5 => "[aAbBđĐkK\u{212a} *?/–-]{0,6}".prop_map(Value::from),
        1 => (0_i64..12).prop_map(|number| Value::from(number.to_string())),
        1 => (0_i64..12).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Float(0.5)),
        1 => Just(Value::Float(3.0)),
        1 => prop_oneof![
            Just("3.0"), Just("5e-1"), Just("-0"), Just("0.0"), Just("2026-11-21T08:30:00Z"),
            Just("%2561+b"), Just("a%62%ff"), Just("1763713800"), Just("ab ab ab ab abab"),
        ].prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(Value::from("10.1.2.3")),
        1 => Just(Value::from("YWIgYWI=")),
    ];
    prop_oneof![
        6 => scalar.clone(),
        1 => prop::collection::vec(scalar, 0..3).prop_map(Value::List),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let dataset = prop_oneof![4 => Just("system.auth"), 1 => Just("nobody.knows")];
    let values = prop::collection::vec(prop::option::of(value()), FIELDS.len());
    (dataset, values).prop_map(|(dataset, values)| {
        let mut event = Event::new(Timestamp::default(), String::new());
        event.set("event.dataset", dataset);
        for (field, value) in FIELDS.iter().zip(values) {
            if let Some(value) = value {
                event.set(*field, value);
            }
        }
        event
    })
}

fn rules(texts: &[String]) -> Vec<Rule> {
    let documents = texts.iter().flat_map(|text| parse_file("t.yml", text).documents);
    let rules = documents.filter_map(|document| match document {
        Document::Rule(rule) => Some(rule),
        _ => None,
    });
    rules.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn compiled_and_plain_agree(
        texts in prop::collection::vec(rule(), 1..4),
        events in prop::collection::vec(event(), 1..6),
    ) {
        let (set, _) = RuleSet::compile(rules(&texts));
        let (mut hits, mut plain) = (Vec::new(), Vec::new());
        for event in &events {
            set.hits(event, &mut hits);
            set.full_scan(event, &mut plain);
            prop_assert_eq!(&hits, &plain, "{:?}\n{:?}", texts, event);
            for index in 0..set.rules().len() {
                let why = set.why(index, event);
                prop_assert_eq!(
                    hits.contains(&index), why.matched,
                    "{}\n{:?}\n{}", set.rules()[index].source, event, why
                );
            }
        }
    }

    /// The same with Sigma's own names, keywords in every field, and a set read back from its image.
    #[test]
    fn images_and_sigma_names_agree(
        texts in prop::collection::vec(rule(), 1..4),
        events in prop::collection::vec(event(), 1..6),
    ) {
        let (set, _) = RuleSet::compile_as(rules(&texts), Naming::Sigma);
        let matcher = Matcher::from_image(set.matcher().to_image().to_vec());
        let matcher = matcher.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let source = SourceOf { product: Some("linux"), ..SourceOf::default() };
        let selection = matcher.select(&source);
        let (mut hits, mut plain) = (Vec::new(), Vec::new());
        for event in &events {
            matcher.hits_in(&selection, event, &mut hits);
            set.full_scan_in(&source, event, &mut plain);
            prop_assert_eq!(&hits, &plain, "{:?}\n{:?}", texts, event);
        }
    }
}
