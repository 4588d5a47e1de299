//! Rules and events built from a small vocabulary, so that nearly every input is a rule set worth
//! matching: the compiled matcher and the plain evaluator give the same verdicts.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rules_event::{Event, Value};
use rules_matcher::{Matcher, RuleSet};
use rules_sigma::{Document, parse_file};

/// Enough rules that the compiled form shares work among them.
const RULES_MAX: usize = 24;
const EVENTS_MAX: usize = 4;

const FIELDS: [&str; 7] = [
    "url.path",
    "url.query",
    "process.command_line",
    "file.path",
    "source.ip",
    "http.response.status_code",
    "message",
];

/// What texts are made of: letters with unusual cases, wildcards, escapes, encodings, Vietnamese.
const PIECES: [&str; 32] = [
    "a",
    "A",
    "b",
    "ab",
    "/etc/",
    "passwd",
    "..",
    "/",
    "\\",
    "*",
    "?",
    "\\*",
    "\\\\",
    " ",
    "-",
    "%2e",
    "%2F",
    "%25",
    "+",
    "đ",
    "Đ",
    "ệ",
    "e\u{323}\u{302}",
    "ß",
    "ẞ",
    "K",
    "ſ",
    "İ",
    "Σ",
    "1",
    "10.1.2.3",
    "::1",
];

const MODIFIERS: [&str; 20] = [
    "",
    "|contains",
    "|startswith",
    "|endswith",
    "|contains|all",
    "|cased",
    "|contains|cased",
    "|neq",
    "|windash|contains",
    "|base64offset|contains",
    "|wide|base64offset|contains",
    "|re",
    "|re|i",
    "|cidr",
    "|gt",
    "|lte",
    "|exists",
    "|fieldref",
    "|fieldref|startswith",
    "|endswith|cased",
];

const CONDITIONS: [&str; 10] = [
    "s0",
    "s0 and not s1",
    "s0 or s1",
    "1 of s*",
    "all of them",
    "not 1 of s*",
    "s0 and s1 or s2",
    "not (s0 or s1) and s2",
    "1 of them and not s2",
    "not s0",
];

fuzz_target!(|bytes: &[u8]| {
    // Running out of bytes ends the input, not the fuzzing.
    let _ = check(&mut Unstructured::new(bytes));
});

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let mut rules = Vec::new();
    for number in 0..input.int_in_range(1..=RULES_MAX)? {
        let text = rule(number, input)?;
        rules.extend(parse_file("fuzz.yml", &text).documents.into_iter().filter_map(|document| {
            match document {
                Document::Rule(rule) => Some(rule),
                _ => None,
            }
        }));
        if input.is_empty() {
            break;
        }
    }
    let (set, _) = RuleSet::compile(rules);
    // The image holds the same rules.
    let again = Matcher::from_image(set.matcher().to_image().to_vec()).expect("our own image");
    let (mut hits, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..EVENTS_MAX {
        let event = event(input)?;
        set.full_scan(&event, &mut plain);
        set.hits(&event, &mut hits);
        let said = |hits: &[usize]| -> Vec<String> {
            let odd = (0..set.rules().len()).filter(|it| hits.contains(it) != plain.contains(it));
            odd.map(|it| format!("{}\n{}", set.rules()[it].source, set.why(it, &event))).collect()
        };
        assert!(hits == plain, "{event:?}\n{}", said(&hits).join("\n"));
        again.hits(&event, &mut hits);
        assert!(hits == plain, "from the image: {event:?}\n{}", said(&hits).join("\n"));
    }
    Ok(())
}

fn rule(number: usize, input: &mut Unstructured<'_>) -> Result<String> {
    let mut text = format!(
        "title: T\nid: 00000000-0000-0000-0000-{number:012}\nlevel: low\n\
         logsource: {{product: vonglau, service: fuzz}}\ndetection:\n"
    );
    for search in 0..3 {
        if input.ratio(1, 8)? {
            let words = texts(input)?;
            text.push_str(&format!("  s{search}: [{}]\n", words.join(", ")));
            continue;
        }
        text.push_str(&format!("  s{search}:\n"));
        // A map holds a key once: fields are taken in order.
        let mut field = 0;
        for _ in 0..input.int_in_range(1..=3)? {
            field += input.int_in_range(0..=2)?;
            let Some(name) = FIELDS.get(field) else { break };
            field += 1;
            text.push_str(&item(name, input)?);
        }
    }
    text.push_str(&format!("  condition: {}\n", input.choose(&CONDITIONS)?));
    Ok(text)
}

fn item(field: &str, input: &mut Unstructured<'_>) -> Result<String> {
    let modifiers = *input.choose(&MODIFIERS)?;
    let values = match modifiers {
        "|cidr" => (*input.choose(&["10.0.0.0/8", "'::/64'", "10.1.2.3/32"])?).to_owned(),
        "|gt" | "|lte" => (*input.choose(&["0", "1", "1.5", "403", "-1"])?).to_owned(),
        "|exists" => (*input.choose(&["true", "false"])?).to_owned(),
        "|fieldref" | "|fieldref|startswith" => (*input.choose(&FIELDS)?).to_owned(),
        "|re" | "|re|i" => {
            (*input.choose(&["'^a'", "'a.*b$'", "'[0-9]{1,3}'", "'pass(wd|word)'", "'\\bk'"])?)
                .to_owned()
        }
        "" | "|neq" if input.ratio(1, 3)? => {
            (*input.choose(&["null", "''", "1", "true", "403"])?).to_owned()
        }
        _ => format!("[{}]", texts(input)?.join(", ")),
    };
    Ok(format!("    {field}{modifiers}: {values}\n"))
}

/// One to four texts as YAML.
fn texts(input: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let count = input.int_in_range(1..=4)?;
    (0..count).map(|_| Ok(format!("'{}'", words(input)?))).collect()
}

fn words(input: &mut Unstructured<'_>) -> Result<String> {
    let count = input.int_in_range(0..=5)?;
    (0..count).map(|_| input.choose(&PIECES).copied()).collect()
}

fn event(input: &mut Unstructured<'_>) -> Result<Event> {
    let mut event = Event::default();
    event.set("event.dataset", "fuzz");
    for field in FIELDS {
        let value = match input.int_in_range(0..=8)? {
            0 | 1 => continue,
            2 => Value::Null,
            3 => Value::Int(*input.choose(&[0, 1, 2, 403, -1])?),
            4 => Value::Float(*input.choose(&[0.0, 1.5, 403.0])?),
            5 => Value::Bool(input.arbitrary()?),
            6 => Value::List(vec![words(input)?.into(), words(input)?.into()]),
            _ => words(input)?.into(),
        };
        event.set(field, value);
    }
    Ok(event)
}
