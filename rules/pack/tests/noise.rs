//! The whole pack over what is harmless: full scans of virus scanners, groupware, backups, a
//! vulnerability scanner, monitoring and everyday work, as in `noise.cases` beside this file.
//!
//! A provincial centre once had 11 grave alerts from 20 machines, all of them from such things. The
//! cases of a rule show that it leaves its own neighbours alone; this shows it of all rules at once.

use rules_event::Level;
use rules_matcher::RuleSet;
use rules_sigma::parse_cases;

#[test]
fn harmless_events_raise_nothing() {
    let (cases, diagnostics) = parse_cases("noise.cases", include_str!("noise.cases"));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert!(cases.does_not_match.len() >= 60, "the corpus shrank");
    let loaded = rules_pack::load(true, &[]).unwrap();
    let (rules, _) = RuleSet::compile(loaded.rules);
    let mut found = Vec::new();
    let mut noise = Vec::new();
    for case in &cases.does_not_match {
        for event in &case.events {
            rules.hits(event, &mut found);
            let grave = found.iter().map(|index| &rules.rules()[*index]);
            let grave = grave.filter(|rule| rule.level >= Level::Medium);
            noise.extend(grave.map(|rule| format!("{}: {}", case.name, rule.file)));
        }
    }
    assert!(noise.is_empty(), "{noise:#?}");
}
