//! Any text as a case file: no panic, every diagnostic in its place, every bound kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rules_sigma::parse_cases;

fuzz_target!(|text: &str| {
    let (cases, diagnostics) = parse_cases("fuzz.case.yml", text);
    // A carriage return alone ends a line of YAML, too.
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").lines().count();
    for diagnostic in &diagnostics {
        assert!(diagnostic.span.line <= lines + 1, "{diagnostic:?}");
        assert!(!diagnostic.render().is_empty());
    }
    for case in cases.matches.iter().chain(&cases.does_not_match) {
        assert!(!case.events.is_empty(), "{}", case.name);
        assert!(!case.name.is_empty());
    }
});
