//! Quarantine: of a record with the mark of a state secret only a stub leaves the pipeline.
//!
//! Law: state secrets must not be kept on, or copied to, machines that are on a network (Law on the
//! Protection of State Secrets 29/2018/QH14, Article 5, clauses 2 and 5, and Law 117/2025/QH15, which
//! takes its place from 1 March 2026). So nothing of what the record says goes on, and nothing of it
//! is kept here either: a folder of such records on this host would be one copy more. The stub tells
//! the person in charge where the record lies in a log of his own: file and offset, the journal's
//! cursor, the device that sent it. It holds what the agent knows by itself, never what it read.
//!
//! The digest lets that person show that a record is the one meant. It is keyed, as what is marked
//! may be short enough to be guessed.

use rules_event::{Event, Value, ValueRef, field};
use rules_matcher::Copies;

/// `vonglau.quarantined`: the record is held back, and this is what may be told of it.
pub const QUARANTINED: &str = "vonglau.quarantined";
/// `vonglau.quarantine.bytes`: how long the record is.
const BYTES: &str = "vonglau.quarantine.bytes";
/// `vonglau.quarantine.digest`: keyed BLAKE3 of the record.
const DIGEST: &str = "vonglau.quarantine.digest";
/// `vonglau.quarantine.cursor`: how the journal, or a Windows log, knows the record.
const CURSOR: &str = "vonglau.quarantine.cursor";

/// What stands in the place of a name that carries a mark itself.
const WITHHELD: &str = "(withheld)";

/// Fields of a stub, beside those set here. Texts are those of the configuration or of the rules.
const TEXTS: [&str; 11] = [
    field::AGENT_HOST,
    field::AGENT_ID,
    field::ORGANIZATION_ID,
    field::EVENT_DATASET,
    field::EVENT_MODULE,
    field::LOG_FILE_PATH,
    field::LOG_SOURCE_ADDRESS,
    field::VONGLAU_EXEC_NAME,
    field::VONGLAU_SYSTEM_ID,
    field::RULE_RULESET,
    field::VONGLAU_LEVEL,
];
/// Numbers by which a record, a file or a process is found. Kept only where they are numbers.
const NUMBERS: [&str; 4] = [field::LOG_OFFSET, field::PROCESS_PID, "file.inode", "event.sequence"];

/// The key of digests, known to this agent only.
pub type DigestKey = [u8; 32];

/// Returns the key of digests that belongs to an agent's secret key.
#[must_use]
pub fn digest_key(secret: &[u8; 32]) -> DigestKey {
    blake3::derive_key("vonglau 2026-11-26 digests of quarantined records", secret)
}

/// Turns an event into its stub. `raw` is the record as read.
pub(crate) fn hold_back(event: &mut Event, raw: &[u8], cursor: Option<&str>, key: &DigestKey) {
    let mut kept: Vec<(&'static str, Value)> = Vec::with_capacity(TEXTS.len() + NUMBERS.len() + 1);
    for name in TEXTS {
        if let Some(text) = event.get_str(name) {
            let text = if is_marked(text) { WITHHELD } else { text };
            kept.push((name, Value::text(text)));
        }
    }
    for name in NUMBERS {
        kept.extend(event.get(name).filter(|it| is_number(*it)).map(|it| (name, it.to_value())));
    }
    kept.extend(event.get(field::RULE_ID).map(|ids| (field::RULE_ID, ids.to_value())));
    let id = std::mem::take(&mut event.id);
    // What is the same for all records of the source stays, and may be set to itself again.
    event.reset(event.time);
    event.id = id;
    for (name, value) in kept {
        if event.get(name) != Some((&value).into()) {
            event.set(name, value);
        }
    }
    event.set(field::EVENT_KIND, "alert");
    event.set(QUARANTINED, true);
    event.set(BYTES, i64::try_from(raw.len()).unwrap_or(i64::MAX));
    event.set(DIGEST, Value::text(blake3::keyed_hash(key, raw).to_hex().as_str()));
    if let Some(cursor) = cursor {
        event.set(CURSOR, Value::text(if is_marked(cursor) { WITHHELD } else { cursor }));
    }
}

fn is_number(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Int(_) => true,
        ValueRef::Str(text) => text.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Whether a name carries a mark, however it is written: a file may be called by one. More is taken
/// for one here than the rules do, as a name that is withheld costs little.
fn is_marked(text: &str) -> bool {
    // The last copy is the one with everything taken off.
    let mut plain = text.to_owned();
    Copies::Url.of(text, |copy| plain = copy.to_owned());
    let letters = plain.to_lowercase();
    let letters: String = letters.chars().filter(|letter| letter.is_alphanumeric()).collect();
    letters.contains("tuyetmat") || letters.contains("toimat")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules_event::Timestamp;

    #[test]
    fn a_stub_holds_nothing_that_was_read() {
        let mut event = Event::default();
        event.set(field::AGENT_HOST, "web01");
        event.keep();
        event.reset(Timestamp::from_seconds(7));
        event.id = "ab".repeat(16);
        for (name, value) in [
            (field::MESSAGE, "plan"),
            (field::EVENT_ORIGINAL, "plan"),
            (field::USER_NAME, "plan"),
            (field::EVENT_DATASET, "json"),
            (field::LOG_FILE_PATH, "/var/log/app.log"),
            (field::RULE_ID, "r1"),
            ("file.inode", "77"),
            ("event.sequence", "plan"),
        ] {
            event.set(name, value);
        }
        event.set(field::LOG_OFFSET, 12);
        hold_back(&mut event, b"plan", None, &[1; 32]);
        assert!(event.fields().all(|(_, value)| !value.to_string().contains("plan")), "{event:?}");
        assert_eq!(event.id, "ab".repeat(16));
        assert_eq!(event.time, Timestamp::from_seconds(7));
        assert_eq!(event.get_str(field::LOG_FILE_PATH), Some("/var/log/app.log"));
        assert_eq!(event.get(field::LOG_OFFSET).and_then(rules_event::ValueRef::as_int), Some(12));
        assert_eq!(event.get_str("file.inode"), Some("77"));
        assert_eq!(event.get(BYTES).and_then(rules_event::ValueRef::as_int), Some(4));
        assert_eq!(event.get_str(field::AGENT_HOST), Some("web01"));
        assert_eq!(event.kept(), 1, "the next record of the source keeps what all have");
        let digest = event.get_str(DIGEST).unwrap().to_owned();
        assert_ne!(digest, blake3::hash(b"plan").to_hex().as_str());
        hold_back(&mut event, b"plan", None, &[1; 32]);
        assert_eq!(event.get_str(DIGEST), Some(digest.as_str()));
    }

    #[test]
    fn a_name_with_a_mark_is_withheld() {
        for name in [
            "/srv/TUYỆT MẬT/a.log",
            "/srv/tuye\u{302}\u{323}t_ma\u{323}\u{302}t.log",
            "/srv/Tuy%E1%BB%87t%20m%E1%BA%ADt.log",
            "/srv/Tuy%25E1%25BB%2587t%2520m%25E1%25BA%25ADt.log",
            "toi-mat.txt",
        ] {
            assert!(is_marked(name), "{name}");
        }
        for name in ["/var/log/auth.log", "/var/log/bảo mật.log", "192.0.2.1", ""] {
            assert!(!is_marked(name), "{name}");
        }
    }
}
