//! Generated rules and events that are likely to meet.

use proptest::prelude::*;
use rules_event::{Event, Timestamp, Value};
use rules_sigma::{Document, Rule, parse_file};

/// One field of each kind of column, and some without.
const FIELDS: [&str; 11] = [
    "url.query",
    "process.command_line",
    "user.name",
    "source.ip",
    "message",
    "http.response.status_code",
    "log.offset",
    "rule.id",
    "vonglau.level",
    "winlog.event_data.X",
    "odd ' \\ ? {p:String}.name",
];

/// Letters that fold in odd ways, Vietnamese, escapes and what SQL and regular expressions mind.
const LETTERS: &str = "[aAbBkKsSđĐộỘ\u{212a}\u{17f}ßẞσςΣİıiIǅ \\-/.%+_'\"\\\\]";

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => proptest::string::string_regex(&format!("{LETTERS}{{0,5}}")).unwrap(),
        2 => "[abkđ]{1,3}",
        1 => prop::sample::select(vec![
            "2026-11-26T14:09:56Z", "2026-02-29T00:00:00Z", "2024-02-29T23:59:59.999999999+07:00",
            "2026-01-01T00:30:00+01:00", "1969-12-31T23:00:00-00:00", "1900-01-01T00:00:00+00:01", "20260101T000000Z",
            "2261-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "2026-11-26 14:09:56Z", "2026-11-26T24:00:00Z",
            "2026-13-01T00:00:00Z", "1780000000", "-1", "1780000000.9", "9214646399.5", "9214646400", "-2208988801",
            "10.1.2.3", "::ffff:10.1.2.3", "::1", "::1.2.3.4", "::1234", "a000::5", "010.1.2.3", "1::2%eth0",
            "10.1.2", "1:0:0:2:0:0:3:4", "fe80::1", "0.0.0.0", "::", "2001:db8:0:0:1:0:0:1", "::ffff:0:1.2.3.4",
            "0", "-0", "5", "5.0", "05", "+5", "5e0", "5.e0", "0.5", ".5", "5.", "1e400", "9223372036854775807",
            "9223372036854775808", "-9223372036854775808", "9007199254740993", "9007199254740992.0", "0x5", "1_0",
            "true", "TRUE", "false", "null", "low", "high", "", "\u{1}5", "\u{1}", "a\nb", "a\0b", "\u{1}[1]",
        ])
        .prop_map(str::to_owned),
        3 => proptest::string::string_regex("(%[0-9a-fA-F]{2}|%25|%%41|%4|%+|%c4%91|%C3%81|%e1|%zz|[%+ka1u\u{323}ộĐ]){1,6}").unwrap(),
        1 => any::<String>(),
        1 => "[ak]{300,400}",
    ]
}

fn yaml(text: &str) -> String {
    // JSON strings are YAML strings, but for what JSON leaves as it is and YAML does not allow.
    let json = serde_json::to_string(text).unwrap();
    let mut out = String::new();
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}'
            | '\u{fffe}'..='\u{ffff}'
            | '\u{feff}'
            | '\u{2028}'
            | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

fn pattern() -> impl Strategy<Value = String> {
    let wild = prop::sample::select(vec!["", "", "", "*", "?", "*", "**", "\\*", "\\?", "\\\\"]);
    prop::collection::vec((wild.clone(), text_short(), wild), 1..3).prop_map(|parts| {
        parts.into_iter().map(|(before, text, after)| format!("{before}{text}{after}")).collect()
    })
}

fn text_short() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::string::string_regex(&format!("{LETTERS}{{0,2}}")).unwrap(),
        1 => text(),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "0",
        "5",
        "-5",
        "404",
        "0.5",
        "1e3",
        "9007199254740992",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5e300",
        "0.1",
        "10",
    ])
    .prop_map(str::to_owned)
}

fn regex() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "^a",
        "[ab]+$",
        "k",
        "\\bk",
        "k\\b",
        "\\bđ\\w+\\b",
        "^\\w+$",
        "\\W",
        "\\d",
        "\\s",
        "^\\S+$",
        "a.b",
        "^.$",
        "σ",
        "[^a-z]",
        "(a|b|)k",
        "a{2,3}",
        "(?:ka){150,}",
        "[\\w.-]+",
        "\\.",
        "x*",
        "^$",
        "\\x{212a}",
        "[[:alpha:]]k",
        "\\p{Lu}",
        "(?i)k(?-i)A",
        "(?s).",
        "(?m)^b$",
        "\\A5\\z",
        "ß",
        "i",
        "\\\\",
        "'",
        "\\?",
        "[]a]",
        "[&&-]",
        "\\pN",
        "^[^b]*$",
        "a|^k|ộ$",
        "\\B",
        "(?-u:\\b)a",
        "\\b",
        "(\\bk|b)",
        "\\b-",
        "[\\W]",
        "\\D\\d",
        "(?-u)a",
    ])
    .prop_map(str::to_owned)
}

/// One `key: value` of a map, as YAML.
fn item() -> impl Strategy<Value = String> {
    let modifiers = prop::sample::select(vec![
        "",
        "",
        "|contains",
        "|contains",
        "|startswith",
        "|endswith",
        "|contains|all",
        "|windash|contains|all",
        "|contains|cased",
        "|cased",
        "|cased|neq",
        "|neq",
        "|startswith|cased",
        "|wide|base64offset|contains",
        "|base64offset|contains",
    ]);
    let field = || 0..FIELDS.len();
    let list = |field: usize, modifiers: &str, values: &[String]| {
        format!("{}: [{}]", yaml(&format!("{}{modifiers}", FIELDS[field])), values.join(", "))
    };
    let texts =
        (field(), modifiers, prop::collection::vec(pattern().prop_map(|it| yaml(&it)), 1..5))
            .prop_map(move |(field, modifiers, values)| list(field, modifiers, &values));
    let value = prop_oneof![
        3 => number(),
        1 => prop::sample::select(vec!["null", "true", "false", "''"]).prop_map(str::to_owned),
        1 => text().prop_map(|text| yaml(&text)),
    ];
    let values = (field(), any::<bool>(), prop::collection::vec(value, 1..4))
        .prop_map(move |(field, neq, values)| list(field, if neq { "|neq" } else { "" }, &values));
    let regexes =
        (field(), regex(), prop::sample::select(vec!["", "", "|i", "|m", "|s", "|i|m|s"]))
            .prop_map(move |(field, regex, flags)| {
                list(field, &format!("|re{flags}"), &[yaml(&regex)])
            });
    let networks = prop::sample::select(vec![
        "10.0.0.0/8",
        "10.1.2.3/32",
        "0.0.0.0/0",
        "a000::/8",
        "::/0",
        "::1/128",
        "::/96",
        "fe80::/10",
    ]);
    let networks =
        (field(), networks).prop_map(move |(field, net)| list(field, "|cidr", &[yaml(net)]));
    let compared = (field(), prop::sample::select(vec!["gt", "gte", "lt", "lte"]), number())
        .prop_map(|(field, op, number)| {
            format!("{}: {number}", yaml(&format!("{}|{op}", FIELDS[field])))
        });
    let parts = prop::sample::select(vec!["minute", "hour", "day", "week", "month", "year"]);
    let bound = prop::sample::select(vec![0_i64, 1, 9, 14, 23, 26, 29, 53, 12, 2025]);
    let parts = (field(), parts, prop::sample::select(vec!["", "|gte", "|lt"]), bound).prop_map(
        |(field, part, op, bound)| {
            format!("{}: {bound}", yaml(&format!("{}|{part}{op}", FIELDS[field])))
        },
    );
    let exists = (field(), any::<bool>()).prop_map(|(field, there)| {
        format!("{}: {there}", yaml(&format!("{}|exists", FIELDS[field])))
    });
    let places = prop::sample::select(vec!["", "|startswith", "|endswith", "|contains", "|cased"]);
    let other = (field(), field(), places).prop_map(|(field, other, place)| {
        format!("{}: {}", yaml(&format!("{}|fieldref{place}", FIELDS[field])), yaml(FIELDS[other]))
    });
    prop_oneof![
        6 => texts, 3 => values, 2 => regexes, 1 => networks, 1 => compared, 1 => exists, 1 => other, 2 => parts,
    ]
}

fn search() -> impl Strategy<Value = String> {
    let map = prop::collection::vec(item(), 1..3)
        .prop_map(|items| format!("{{{}}}", items.join(", ")))
        .boxed();
    prop_oneof![
        6 => map.clone(),
        1 => prop::collection::vec(map, 1..3).prop_map(|maps| format!("[{}]", maps.join(", "))),
        1 => prop::collection::vec(pattern().prop_map(|it| yaml(&it)), 1..4)
            .prop_map(|words| format!("[{}]", words.join(", "))),
    ]
}

/// A rule, as YAML.
pub(crate) fn rule() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(vec![
        "a",
        "a",
        "not a",
        "a and not b",
        "a or b and c",
        "1 of them",
        "all of them",
        "not (a or b) and not c",
        "not 1 of b* and (c or a)",
    ]);
    let logsource = prop::sample::select(vec![
        "{product: linux}",
        "{product: linux}",
        "{product: linux, service: sshd}",
        "{product: linux, service: sudo}",
        "{product: windows, category: process_creation}",
        "{product: fortigate}",
    ]);
    (search(), search(), search(), condition, logsource).prop_map(
        |(a, b, c, condition, logsource)| {
            format!(
                "title: T\nid: 00000000-0000-0000-0000-000000000001\nlevel: low\n\
                 logsource: {logsource}\ndetection:\n  a: {a}\n  b: {b}\n  c: {c}\n  \
                 condition: {condition}\n"
            )
        },
    )
}

/// Reads rules; those that the language refuses are left out.
pub(crate) fn parse(texts: &[String]) -> Vec<Rule> {
    let documents = texts.iter().flat_map(|text| parse_file("t.yml", text).documents);
    documents
        .filter_map(|document| match document {
            Document::Rule(rule) => Some(rule),
            _ => None,
        })
        .collect()
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        8 => text().prop_map(Value::from),
        1 => (-6_i64..6).prop_map(Value::from),
        1 => prop::sample::select(vec![404, 65535, 65536, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1])
            .prop_map(Value::Int),
        1 => any::<bool>().prop_map(Value::from),
        1 => prop::sample::select(vec![0.5, 5.0, -0.0, 1e300, 1.5e-7, 9_007_199_254_740_992.0, 0.1, 1e16, 123_456.75])
            .prop_map(Value::Float),
        1 => any::<f64>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(Value::Float),
        1 => Just(Value::Null),
    ];
    scalar.prop_recursive(2, 6, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::List))
}

/// An event that some logsource admits, or nearly.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let fields = prop::collection::vec(prop::option::weighted(0.6, value()), FIELDS.len());
    let dataset = prop_oneof![
        8 => prop::sample::select(vec!["system.auth", "system.syslog", "windows.sysmon", "firewall.syslog", "x"])
            .prop_map(Value::from),
        1 => Just(Value::List(vec!["system.auth".into()])),
        1 => value(),
    ];
    let program = prop_oneof![
        4 => prop::sample::select(vec!["sshd", "SSHD-session", "sudo", "su", "Sudo"]).prop_map(Value::from),
        1 => Just(Value::List(vec!["sudo".into()])),
        1 => value(),
    ];
    let code = prop_oneof![Just(Value::Int(1)), Just("4688".into()), Just("1".into()), value()];
    (fields, dataset, program, code).prop_map(|(values, dataset, program, code)| {
        let mut event = Event::new(Timestamp::default(), String::new());
        event.set("event.dataset", dataset);
        event.set("process.name", program);
        event.set("event.code", code);
        event.set("observer.vendor", "Fortinet");
        for (field, value) in FIELDS.iter().zip(values) {
            if let Some(value) = value {
                event.set(*field, value);
            }
        }
        event
    })
}
