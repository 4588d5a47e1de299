//! The pack keeps its promises: fifty detections, whole metadata, cases on both sides, and a page
//! that lists it all.
//!
//! `UPDATE_DOCS=1 cargo test -p rules-pack --test pack` writes the list in `docs/pack.md` anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use rules_event::Level;
use rules_pack::DETECTIONS;
use rules_sigma::{Custom, parse_cases};

/// A rule or correlation, as far as they are alike.
struct Entry {
    id: String,
    name: String,
    file: String,
    title: String,
    description: String,
    level: Level,
    tags: Vec<String>,
    techniques: Vec<String>,
    falsepositives: Vec<String>,
    author: String,
    custom: Custom,
    /// What it reads, for the page.
    reads: String,
    is_correlation: bool,
}

fn entries() -> Vec<Entry> {
    let loaded = rules_pack::load(true, &[]).expect("the pack is built in");
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let rules = loaded.rules.into_iter().map(|it| {
        let source = [&it.logsource.product, &it.logsource.category, &it.logsource.service];
        let reads: Vec<&str> = source.iter().filter_map(|part| part.as_deref()).collect();
        let reads = reads.join(" ");
        Entry {
            techniques: it.techniques(),
            id: it.id,
            name: it.name.unwrap_or_default(),
            file: it.file,
            title: it.title,
            description: it.description,
            level: it.level,
            tags: it.tags,
            falsepositives: it.falsepositives,
            author: it.author,
            custom: it.custom,
            reads,
            is_correlation: false,
        }
    });
    let correlations = loaded.correlations.into_iter().map(|it| Entry {
        techniques: it.techniques(),
        id: it.id,
        name: it.name.unwrap_or_default(),
        file: it.file,
        title: it.title,
        description: it.description,
        level: it.level,
        tags: it.tags,
        falsepositives: it.falsepositives,
        author: "Vọng Lâu".into(),
        custom: it.custom,
        reads: it.kind.as_str().to_owned(),
        is_correlation: true,
    });
    let mut entries: Vec<Entry> = rules.chain(correlations).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Vietnamese has letters that no other language of the pack has.
fn is_vietnamese(text: &str) -> bool {
    text.chars().any(|c| rules_matcher::strip_vietnamese(&c.to_string()).is_some())
}

fn is_uuid(text: &str) -> bool {
    let lens: Vec<usize> = text.split('-').map(str::len).collect();
    lens == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// `T1110` or `T1110.001`, as ATT&CK writes them.
fn is_technique(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('T') else { return false };
    let (base, sub) = digits.split_once('.').unwrap_or((digits, "001"));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    base.len() == 4 && sub.len() == 3 && all_digits(base) && all_digits(sub)
}

/// Tactics of ATT&CK v19, which split Defense Evasion into Stealth and Defense Impairment.
const TACTICS: [&str; 15] = [
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "stealth",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
];

/// Technique ids that v19 gave other numbers; the old ones must not be used.
const RENUMBERED: [&str; 8] = [
    "T1562",
    "T1562.001",
    "T1562.002",
    "T1562.004",
    "T1562.010",
    "T1562.012",
    "T1070.001",
    "T1070.002",
];

/// Detections of rules of operation and law, to which no technique of ATT&CK belongs.
const WITHOUT_TECHNIQUE: [u16; 3] = [48, 49, 50];

#[test]
fn every_detection_has_a_rule_that_is_seen() {
    let mut best: BTreeMap<u16, Level> = BTreeMap::new();
    for entry in entries() {
        for number in entry.custom.detection {
            assert!(DETECTIONS.len() >= usize::from(number), "{}: {number}", entry.name);
            let level = best.entry(number).or_insert(entry.level);
            *level = (*level).max(entry.level);
        }
    }
    let missing: Vec<usize> =
        (1..=DETECTIONS.len()).filter(|it| !best.contains_key(&(*it as u16))).collect();
    assert!(missing.is_empty(), "no rule for {missing:?}");
    // What only is operation stays low, everything else raises an alert.
    let quiet: Vec<u16> =
        best.iter().filter(|(_, level)| **level < Level::Medium).map(|(it, _)| *it).collect();
    assert_eq!(quiet, [48, 49], "detections without a rule of medium or above");
}

#[test]
fn every_rule_has_all_that_an_analyst_needs() {
    let mut wrong = String::new();
    for entry in entries() {
        let mut say = |what: &str| writeln!(wrong, "{}: {what}", entry.file).unwrap();
        let custom = &entry.custom;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        if format!("{}.yml", entry.name) != entry.file {
            say("the name is not that of the file");
        }
        if !is_uuid(&entry.id) {
            say("the id is no UUID");
        }
        if entry.title.is_empty() || entry.description.len() < 20 || entry.author != "Vọng Lâu" {
            say("title, description or author is missing");
        }
        let english = format!("{} {}", entry.title, entry.description).replace("Vọng Lâu", "");
        if is_vietnamese(&english) {
            say("title and description are in English, the Vietnamese ones are custom keys");
        }
        if entry.falsepositives.is_empty() {
            say("no false positive is named");
        }
        for (key, text) in [
            ("title_vi", text(&custom.title_vi)),
            ("description_vi", text(&custom.description_vi)),
            ("runbook_vi", text(&custom.runbook_vi)),
        ] {
            if !is_vietnamese(&text) {
                say(&format!("{key} is not in Vietnamese"));
            }
        }
        let runbook = text(&custom.runbook_vi);
        let steps = (1..=20).take_while(|number| {
            runbook.lines().any(|line| line.starts_with(&format!("{number}. ")))
        });
        let least = if entry.level >= Level::Medium { 3 } else { 1 };
        if steps.count() < least {
            say(&format!("the runbook has fewer than {least} numbered steps"));
        }
        if custom.incident_type.is_none() || text(&custom.attack_version) != "19" {
            say("incident_type or attack_version is missing");
        }
        if custom.forward.is_none() || custom.detection.is_empty() {
            say("forward or detection is missing");
        }
        if entry.techniques.is_empty()
            && !custom.detection.iter().all(|number| WITHOUT_TECHNIQUE.contains(number))
        {
            say("no technique is named");
        }
        for technique in &entry.techniques {
            if !is_technique(technique) || RENUMBERED.contains(&technique.as_str()) {
                say(&format!("'{technique}' is no technique of ATT&CK v19"));
            }
        }
        for tag in &entry.tags {
            let known = match tag.split_once('.') {
                Some(("attack", id)) if id.starts_with('t') => true,
                Some(("attack", tactic)) => TACTICS.contains(&tactic),
                Some(("cve", _)) => true,
                _ => false,
            };
            if !known {
                say(&format!("'{tag}' is no tag of the pack"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_rule_has_cases_on_both_sides() {
    let cases: BTreeMap<&str, &str> = rules_pack::shipped_cases().iter().copied().collect();
    let mut wrong = String::new();
    for entry in entries() {
        let name = entry.file.replace(".yml", ".case.yml");
        let Some(text) = cases.get(name.as_str()) else {
            writeln!(wrong, "{}: no cases", entry.file).unwrap();
            continue;
        };
        let (cases, diagnostics) = parse_cases(&name, text);
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:?}");
        if cases.matches.len() < 2 || cases.does_not_match.len() < 2 {
            writeln!(wrong, "{name}: fewer than two cases on a side").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn state_secrets_stay_in_the_house() {
    for entry in entries() {
        let is_secret = entry.custom.detection.contains(&50);
        assert_eq!(entry.custom.quarantine, is_secret, "{}", entry.name);
        let forward = entry.custom.forward.as_deref();
        assert_eq!(forward == Some("never"), is_secret, "{}", entry.name);
    }
}

#[test]
fn the_page_lists_what_is_shipped() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pack.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (head, _) = text.split_once(MARK).expect("the page has the mark below which it is made");
    let entries = entries();
    let rules = entries.iter().filter(|entry| !entry.is_correlation).count();
    let correlations = entries.len() - rules;
    let mut list = format!("{MARK}\n\n{rules} rules and {correlations} correlations.\n");
    for (index, title) in DETECTIONS.iter().enumerate() {
        let number = index as u16 + 1;
        write!(list, "\n### {number}. {title}\n\n").unwrap();
        list.push_str("| rule | level | reads | ATT&CK |\n|---|---|---|---|\n");
        for entry in entries.iter().filter(|entry| entry.custom.detection.contains(&number)) {
            let Entry { name, level, reads, techniques, .. } = entry;
            let techniques = techniques.join(" ");
            writeln!(list, "| `{name}` | {} | {reads} | {techniques} |", level.as_str()).unwrap();
        }
    }
    let expected = format!("{head}{list}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, &expected).unwrap();
    } else {
        assert!(text == expected, "run UPDATE_DOCS=1 cargo test -p rules-pack --test pack");
    }
}

const MARK: &str = "<!-- Below: made by rules/pack/tests/pack.rs -->";
