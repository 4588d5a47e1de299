//! Values of batches as anyone with a key may send them: events or an error, never more memory than the
//! bound, and what was read can be written and is read again as it was.
#![no_main]

use std::sync::OnceLock;

use agent_wire::{BatchBuilder, ChainHead, Error, Identity, Lane, Record};
use libfuzzer_sys::fuzz_target;
use rules_event::{Event, Timestamp};

fn sealed(events: &[Event]) -> Option<Record> {
    let mut builder = BatchBuilder::default();
    for event in events {
        builder.push(event).ok()?;
    }
    let identity = Identity::from_seed(&[7; 32]);
    let when = Timestamp::from_seconds(1_795_600_000);
    builder.seal(&identity, Lane::Events, 1, &ChainHead::default(), when).ok()
}

/// Reads a value as that of a batch, whatever number of events its header should claim.
fn read(version: u8, raw: &[u8]) -> Option<Vec<Event>> {
    static EMPTY: OnceLock<Record> = OnceLock::new();
    let mut record = EMPTY.get_or_init(|| sealed(&[]).expect("an empty batch")).clone();
    record.header.version = version;
    record.header.raw_bytes = u32::try_from(raw.len()).ok()?;
    record.value = zstd::bulk::compress(raw, 1).ok()?;
    match record.events() {
        Err(Error::Count { found, .. }) => {
            record.header.count = u32::try_from(found).ok()?;
            Some(record.events().expect("only the number was wrong"))
        }
        Err(_) => None,
        Ok(events) => Some(events),
    }
}

fuzz_target!(|raw: &[u8]| {
    for version in [1, 2] {
        let Some(events) = read(version, raw) else { continue };
        // What takes too much once read may be refused once written; nothing else may differ.
        if let Some(record) = sealed(&events)
            && let Ok(again) = record.events()
        {
            assert_eq!(again, events);
        }
    }
});
