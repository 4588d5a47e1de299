//! Any text: redaction ends, does not panic, and what it leaves it leaves a second time.
#![no_main]

use std::sync::OnceLock;

use agent_pipeline::{RedactionConfig, Redactor};
use libfuzzer_sys::fuzz_target;
use rules_event::encode_lossless;

fuzz_target!(|input: &[u8]| {
    let (text, _) = encode_lossless(input);
    for redactor in redactors() {
        let (once, hidden) = redactor.redact(&text);
        assert_eq!(hidden.is_empty(), once == text, "it says what it did");
        assert_eq!(redactor.names(hidden).count() > 0, once != text);
        let (twice, _) = redactor.redact(&once);
        assert_eq!(twice, once, "a second time changes nothing");
        assert!(once.len() <= text.len() * 16 + 64, "{} became {}", text.len(), once.len());
    }
});

/// That of the defaults, and one with everything.
fn redactors() -> &'static [Redactor; 2] {
    static REDACTORS: OnceLock<[Redactor; 2]> = OnceLock::new();
    REDACTORS.get_or_init(|| {
        let all = RedactionConfig {
            personal: ["cccd", "phone", "email"].map(str::to_owned).to_vec(),
            names: vec!["pin".to_owned(), "ma_ho_so".to_owned()],
            digest: true,
            ..RedactionConfig::default()
        };
        [RedactionConfig::default(), all]
            .map(|config| Redactor::new(&config, &[7; 32]).expect("a good configuration"))
    })
}
