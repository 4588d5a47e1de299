//! EventRow: an event as a row of the table `events`, and back.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use agent_wire::{AgentId, Lane};
use clickhouse::Row;
use rules_event::{Event, Timestamp, ValueRef, field};
use serde::{Deserialize, Serialize};

use crate::promoted::{self, Slot};
use crate::{Cursor, Error, Result, value};

/// Where an event comes from: its batch, its place in it, and the record that carried the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The agent that signed the batch.
    pub agent: AgentId,
    /// The lane of the batch.
    pub lane: Lane,
    /// Chain epoch of the lane.
    pub epoch: u64,
    /// Number of the batch in its chain.
    pub seq: u64,
    /// Number of the event in its batch, from 0.
    pub index: u32,
    /// Kafka topic, or `spool/LANE` for the embedded transport.
    pub topic: Arc<str>,
    /// Partition number; 0 for a spool.
    pub partition: i32,
    /// Offset of the record; the batch number for a spool.
    pub offset: i64,
    /// When the record arrived, by the broker's clock where it has one.
    pub received: Timestamp,
}

/// An event that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// The event; its fields are in column order, not in the order they were decoded.
    pub event: Event,
    /// Where it came from.
    pub place: Place,
}

impl StoredEvent {
    /// Returns the cursor that continues a search after this event.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { time: self.event.time, id: self.event.id.clone() }
    }
}

/// A row of the table `events`. Text borrows from the event it was made of.
///
/// The fields that rules and people use most have columns of their own; `extra` holds the rest. A
/// promoted field whose value its column cannot hold exactly (an empty text, a list, a number out
/// of range) stands in `extra` as well, which then decides what is read back.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "columns; sql/0001_events.sql and promoted.rs say what they hold")]
pub struct EventRow<'a> {
    pub ts: i64,
    pub event_id: Cow<'a, str>,
    pub received_at: i64,
    pub agent_id: Cow<'a, str>,
    pub lane: Cow<'a, str>,
    pub epoch: u64,
    pub seq: u64,
    pub idx: u32,
    pub topic: Cow<'a, str>,
    pub kafka_partition: i32,
    pub kafka_offset: i64,
    pub organization: Cow<'a, str>,
    pub dataset: Cow<'a, str>,
    pub module: Cow<'a, str>,
    pub kind: Cow<'a, str>,
    pub category: Cow<'a, str>,
    pub action: Cow<'a, str>,
    pub outcome: Cow<'a, str>,
    pub level: u8,
    pub rule_ids: Vec<Cow<'a, str>>,
    pub ruleset: Cow<'a, str>,
    pub agent_host: Cow<'a, str>,
    pub host: Cow<'a, str>,
    pub process_name: Cow<'a, str>,
    pub process_pid: i64,
    pub process_executable: Cow<'a, str>,
    pub process_command_line: Cow<'a, str>,
    pub process_parent: Cow<'a, str>,
    pub working_directory: Cow<'a, str>,
    pub user_name: Cow<'a, str>,
    pub user_effective: Cow<'a, str>,
    pub source_ip: Ipv6Addr,
    pub source_port: u16,
    pub destination_ip: Ipv6Addr,
    pub destination_port: u16,
    pub http_method: Cow<'a, str>,
    pub http_status: u16,
    pub http_bytes: i64,
    pub http_referrer: Cow<'a, str>,
    pub url_original: Cow<'a, str>,
    pub url_path: Cow<'a, str>,
    pub url_query: Cow<'a, str>,
    pub user_agent: Cow<'a, str>,
    pub file_path: Cow<'a, str>,
    pub log_path: Cow<'a, str>,
    pub log_offset: i64,
    pub message: Cow<'a, str>,
    pub original: Cow<'a, str>,
    pub extra: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> EventRow<'a> {
    /// Returns the row of an event.
    #[must_use]
    pub fn new(event: &'a Event, place: &'a Place) -> Self {
        let mut row = Self {
            ts: event.time.as_nanos(),
            event_id: Cow::Borrowed(&event.id),
            received_at: place.received.as_nanos(),
            agent_id: Cow::Owned(place.agent.to_string()),
            lane: Cow::Borrowed(place.lane.as_str()),
            epoch: place.epoch,
            seq: place.seq,
            idx: place.index,
            topic: Cow::Borrowed(&place.topic),
            kafka_partition: place.partition,
            kafka_offset: place.offset,
            ..Self::empty()
        };
        let mut agent_named = false;
        for (name, value) in event.fields() {
            let exact = match name {
                field::AGENT_ID => {
                    agent_named = true;
                    value.as_str() == Some(row.agent_id.as_ref())
                }
                _ => row.promote(name, value),
            };
            if !exact {
                row.extra.push((Cow::Borrowed(name), value::encode(value)));
            }
        }
        if !agent_named {
            row.extra.push((Cow::Borrowed(field::AGENT_ID), Cow::Borrowed(value::ABSENT)));
        }
        row
    }

    /// Puts a value into its column as well as it fits; returns whether the column alone gives the
    /// very same value back.
    fn promote(&mut self, name: &str, value: ValueRef<'a>) -> bool {
        let Some(slot) = promoted::slot(self, name) else { return false };
        // A list is found by its first value; `extra` keeps all of it.
        let first = value.items().next().unwrap_or(ValueRef::Null);
        match slot {
            Slot::Text(column) => {
                *column = first.to_text().unwrap_or_default();
                !column.is_empty() && matches!(value, ValueRef::Str(_))
            }
            Slot::Small(column) => {
                let number = number(first).and_then(|number| u16::try_from(number).ok());
                *column = number.unwrap_or(0);
                *column != 0 && matches!(value, ValueRef::Int(_))
            }
            Slot::Count(column) => {
                let number = number(first).filter(|number| *number >= 0);
                *column = number.unwrap_or(-1);
                number.is_some() && matches!(value, ValueRef::Int(_))
            }
            Slot::Address(column) => {
                let Some(ip) = first.as_str().and_then(|text| text.parse::<IpAddr>().ok()) else {
                    return false;
                };
                *column = to_ipv6(ip);
                !column.is_unspecified()
                    && value.as_str() == Some(from_ipv6(*column).to_string().as_str())
            }
            Slot::Level(column) => {
                let level = first.as_str().and_then(|word| word.parse::<rules_event::Level>().ok());
                *column = level.map_or(0, rules_event::Level::rank);
                level.is_some() && matches!(value, ValueRef::Str(_))
            }
            Slot::Texts(column) => {
                *column = value.items().filter_map(ValueRef::to_text).collect();
                matches!(value, ValueRef::List(items)
                    if !items.is_empty() && items.iter().all(|item| item.as_str().is_some()))
            }
        }
    }

    /// Returns the event, with the place it came from.
    ///
    /// # Errors
    /// [`Error::BadRow`] if agent or lane are not what this build writes.
    pub fn into_stored(mut self) -> Result<StoredEvent> {
        let bad = |reason: String| Error::BadRow { what: "an event", reason };
        let place = Place {
            agent: self.agent_id.parse().map_err(|_| bad(format!("agent '{}'", self.agent_id)))?,
            lane: self.lane.parse().map_err(|()| bad(format!("lane '{}'", self.lane)))?,
            epoch: self.epoch,
            seq: self.seq,
            index: self.idx,
            topic: Arc::from(self.topic.as_ref()),
            partition: self.kafka_partition,
            offset: self.kafka_offset,
            received: Timestamp::from_nanos(self.received_at),
        };
        let mut event = Event::new(Timestamp::from_nanos(self.ts), self.event_id.to_string());
        for &(name, _) in promoted::FIELDS {
            let Some(slot) = promoted::slot(&mut self, name) else { continue };
            if let Some(value) = slot.take() {
                event.set(name, value);
            }
        }
        event.set(field::AGENT_ID, place.agent.to_string());
        for (name, text) in self.extra {
            match value::decode(&text) {
                Some(value) => event.set(rules_event::intern(&name), value),
                None => drop(event.remove(&name)),
            }
        }
        Ok(StoredEvent { event, place })
    }

    fn empty() -> Self {
        const NONE: Cow<'static, str> = Cow::Borrowed("");
        Self {
            ts: 0,
            event_id: NONE,
            received_at: 0,
            agent_id: NONE,
            lane: NONE,
            epoch: 0,
            seq: 0,
            idx: 0,
            topic: NONE,
            kafka_partition: 0,
            kafka_offset: 0,
            organization: NONE,
            dataset: NONE,
            module: NONE,
            kind: NONE,
            category: NONE,
            action: NONE,
            outcome: NONE,
            level: 0,
            rule_ids: Vec::new(),
            ruleset: NONE,
            agent_host: NONE,
            host: NONE,
            process_name: NONE,
            process_pid: -1,
            process_executable: NONE,
            process_command_line: NONE,
            process_parent: NONE,
            working_directory: NONE,
            user_name: NONE,
            user_effective: NONE,
            source_ip: Ipv6Addr::UNSPECIFIED,
            source_port: 0,
            destination_ip: Ipv6Addr::UNSPECIFIED,
            destination_port: 0,
            http_method: NONE,
            http_status: 0,
            http_bytes: -1,
            http_referrer: NONE,
            url_original: NONE,
            url_path: NONE,
            url_query: NONE,
            user_agent: NONE,
            file_path: NONE,
            log_path: NONE,
            log_offset: -1,
            message: NONE,
            original: NONE,
            extra: Vec::new(),
        }
    }
}

/// Returns a number, also one written as text: `"22"` is found where 22 is looked for.
fn number(value: ValueRef<'_>) -> Option<i64> {
    value.as_int().or_else(|| value.as_str()?.parse().ok())
}

/// Returns an address as the IPv6 columns hold it; IPv4 becomes `::ffff:a.b.c.d`.
pub(crate) fn to_ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// Returns an address as people write it.
pub(crate) fn from_ipv6(ip: Ipv6Addr) -> IpAddr {
    IpAddr::V6(ip).to_canonical()
}

#[cfg(test)]
pub(crate) mod tests {
    use rules_event::Value;

    use super::*;
    use crate::value::tests::any_value;
    use proptest::prelude::*;

    pub(crate) fn place() -> Place {
        Place {
            agent: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            lane: Lane::Events,
            epoch: 7,
            seq: 3,
            index: 5,
            topic: "vonglau.events.v1".into(),
            partition: 2,
            offset: 99,
            received: Timestamp::from_millis(1_780_000_000_000),
        }
    }

    /// Any event, promoted fields and others, with values of any type in both.
    pub(crate) fn any_event() -> impl Strategy<Value = Event> {
        let names: Vec<&'static str> = promoted::FIELDS.iter().map(|(name, _)| *name).collect();
        let name = prop_oneof![
            3 => proptest::sample::select(names).prop_map(str::to_owned),
            1 => Just(field::AGENT_ID.to_owned()),
            2 => "[a-z]{1,6}(\\.[a-z]{1,6}){0,2}",
            1 => any::<String>(),
        ];
        let id = prop_oneof!["[0-9a-f]{32}", any::<String>()];
        let fields = proptest::collection::vec((name, any_value()), 0..20);
        (any::<i64>(), id, fields).prop_map(|(time, id, fields)| {
            let mut event = Event::new(Timestamp::from_nanos(time), id);
            for (name, value) in fields {
                event.set(name, value);
            }
            event
        })
    }

    /// Fields by name: the order is the one thing a row does not keep.
    pub(crate) fn sorted(event: &Event) -> (Timestamp, String, Vec<(String, Value)>) {
        let mut fields: Vec<_> =
            event.fields().map(|(name, value)| (name.to_owned(), value.to_value())).collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        (event.time, event.id.clone(), fields)
    }

    proptest! {
        #[test]
        fn an_event_comes_back_as_it_was(event in any_event()) {
            let place = place();
            let stored = EventRow::new(&event, &place).into_stored().unwrap();
            prop_assert_eq!(sorted(&stored.event), sorted(&event));
            prop_assert_eq!(stored.place, place);
        }
    }

    #[test]
    fn odd_values_are_found_and_kept() {
        let mut event = Event::new(Timestamp::from_seconds(1), "e".into());
        event.set(field::SOURCE_PORT, "22");
        event.set(field::SOURCE_IP, "::ffff:10.0.0.1");
        event.set(field::USER_NAME, Value::List(vec!["an".into(), "bình".into()]));
        event.set(field::LOG_OFFSET, 0);
        let place = place();
        let row = EventRow::new(&event, &place);
        assert_eq!((row.source_port, row.log_offset), (22, 0));
        assert_eq!(row.source_ip.to_string(), "::ffff:10.0.0.1");
        assert_eq!(row.user_name, "an");
        assert_eq!(sorted(&row.into_stored().unwrap().event), {
            event.set("x", 1);
            event.remove("x");
            sorted(&event)
        });
    }
}
