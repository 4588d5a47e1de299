//! Ids and versions: minted once, kept in the database, and moved on only when content changes.

use rules_event::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::error::database;
use crate::{Result, Tlp};

use super::object;

/// Namespace of deterministic ids. Spec: STIX 2.1, 2.9 "Identifier".
const NAMESPACE: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);

/// Mints ids of domain and relationship objects and puts the common properties on.
pub(super) struct Mint<'a> {
    tx: &'a mut SqliteConnection,
    now: Timestamp,
    marking: String,
    author: Option<String>,
}

impl<'a> Mint<'a> {
    pub(super) fn new(tx: &'a mut SqliteConnection, now: Timestamp, tlp: Tlp) -> Self {
        Self { tx, now, marking: object::marking_id(tlp), author: None }
    }

    /// Everything minted from here on names this identity as its creator.
    pub(super) fn author(&mut self, identity: String) {
        self.author = Some(identity);
    }

    /// Completes an object that has versions. `name` is what it is about: the same name always gets
    /// the same id and `created`, and a later `modified` only when the content differs from the last
    /// time. So an unchanged object goes out with the same bytes in every report.
    pub(super) async fn object(&mut self, name: &str, content: Value) -> Result<Value> {
        let mut object = self.common(content);
        let digest = hex::encode(Sha256::digest(canonical(&Value::Object(object.clone()))));
        let kind = text(&object, "type");
        let known: Option<(String, String, String, String)> = sqlx::query_as(
            "SELECT object_id, created, modified, digest FROM report_stix WHERE name = $1",
        )
        .bind(name)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(database("look up a STIX id"))?;
        let (id, created, modified) = match known {
            Some((id, created, modified, old)) if old == digest => (id, created, modified),
            Some((id, created, modified, _)) => (id, created, self.later(&modified)),
            None => {
                let now = time(self.now);
                (format!("{kind}--{}", Uuid::new_v4()), now.clone(), now)
            }
        };
        sqlx::query(
            "INSERT INTO report_stix (name, object_id, created, modified, digest) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) \
             DO UPDATE SET modified = excluded.modified, digest = excluded.digest",
        )
        .bind(name)
        .bind(&id)
        .bind(&created)
        .bind(&modified)
        .bind(&digest)
        .execute(&mut *self.tx)
        .await
        .map_err(database("keep a STIX id"))?;
        object.insert("id".into(), id.into());
        object.insert("created".into(), created.into());
        object.insert("modified".into(), modified.into());
        Ok(Value::Object(object))
    }

    /// An indicator is valid from the moment it was first minted.
    pub(super) async fn indicator(
        &mut self,
        name: &str,
        rule: &str,
        title: &str,
        sigma: &str,
    ) -> Result<Value> {
        let known: Option<String> =
            sqlx::query_scalar("SELECT created FROM report_stix WHERE name = $1")
                .bind(name)
                .fetch_optional(&mut *self.tx)
                .await
                .map_err(database("look up a STIX id"))?;
        let since = known.unwrap_or_else(|| time(self.now));
        self.object(name, object::indicator(rule, title, sigma, &since)).await
    }

    /// Completes a cyber-observable object whose id follows from `contributing` properties.
    pub(super) fn observable(&self, kind: &str, contributing: Value) -> Value {
        let id = Uuid::new_v5(&NAMESPACE, canonical(&contributing).as_bytes());
        let mut object = match contributing {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        object.insert("type".into(), kind.into());
        object.insert("spec_version".into(), "2.1".into());
        object.insert("id".into(), format!("{kind}--{id}").into());
        object.insert("object_marking_refs".into(), json!([self.marking]));
        Value::Object(object)
    }

    /// Completes a cyber-observable object that no property identifies, such as a process: its id is
    /// minted once per `name`.
    pub(super) async fn nameless(&mut self, name: &str, content: Value) -> Result<Value> {
        let mut object = self.object(name, content).await?;
        if let Some(map) = object.as_object_mut() {
            for property in ["created", "modified", "created_by_ref"] {
                map.remove(property);
            }
        }
        Ok(object)
    }

    fn common(&self, content: Value) -> Map<String, Value> {
        let mut object = match content {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        object.insert("spec_version".into(), "2.1".into());
        object.insert("object_marking_refs".into(), json!([self.marking]));
        if let Some(author) = &self.author {
            object.insert("created_by_ref".into(), author.clone().into());
        }
        object
    }

    /// Now, but at least one millisecond after the last version.
    fn later(&self, last: &str) -> String {
        let last = last.parse::<Timestamp>().unwrap_or_default().as_millis();
        time(Timestamp::from_millis(self.now.as_millis().max(last + 1)))
    }
}

/// Returns the id of a completed object.
pub(super) fn id(object: &Value) -> String {
    object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns a moment as STIX writes it here: RFC 3339, UTC, milliseconds. Spec: STIX 2.1, 2.16.
pub(super) fn time(moment: Timestamp) -> String {
    let text = Timestamp::from_millis(moment.as_millis()).to_string();
    let text = text.trim_end_matches('Z');
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{fraction:0<3}Z")
}

fn text(object: &Map<String, Value>, name: &str) -> String {
    object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns canonical JSON: members sorted, no white space (RFC 8785; our objects hold no fractions,
/// and their names are ASCII, so that byte order is code-unit order).
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members: Vec<_> = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", json!(name), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deterministic_ids_are_those_of_the_specification() {
        // The first is the example of STIX 2.1 for identifiers of cyber-observable objects; the ids
        // in its chapter 6 are made up.
        let of = |text: &str| Uuid::new_v5(&NAMESPACE, text.as_bytes()).to_string();
        assert_eq!(of(r#"{"value":"198.51.100.3"}"#), "28bb3599-77cd-5a82-a950-b5bc3caf07c4");
        assert_eq!(of(r#"{"value":"example.com"}"#), "bedb4899-d24b-5401-bc86-8f6b4cc18ec7");
    }

    #[test]
    fn times_have_three_digits() {
        let show = |text: &str| time(text.parse().unwrap());
        assert_eq!(show("2026-11-21T08:30:00Z"), "2026-11-21T08:30:00.000Z");
        assert_eq!(show("2026-11-21T08:30:00.25Z"), "2026-11-21T08:30:00.250Z");
        assert_eq!(show("2026-11-21T08:30:00.123456789Z"), "2026-11-21T08:30:00.123Z");
    }

    #[test]
    fn canonical_json_sorts() {
        assert_eq!(
            canonical(&json!({"b": [1, {"d": "ậ", "c": null}], "a": "x\n"})),
            "{\"a\":\"x\\n\",\"b\":[1,{\"c\":null,\"d\":\"ậ\"}]}"
        );
    }
}
