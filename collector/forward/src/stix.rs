//! STIX 2.1: an incident as the objects the centre receives.
//!
//! Source: STIX 2.1 (OASIS, 10 June 2021), Incident Core Extension, TLP 2.0 marking extension.

mod facts;
mod ids;
mod object;
mod terms;

use std::collections::BTreeMap;

use collector_incident::{AlertRecord, Detail};
use rules_event::Timestamp;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::redact::Redactor;
use crate::{Draft, Profile, Result};
use ids::Mint;

/// Alerts told of one by one; the totals are always told.
const ALERTS_MAX: usize = 50;
/// The largest count STIX takes. Spec: STIX 2.1, 4.14 and 5.2.
const COUNT_MAX: u64 = 999_999_999;

/// What a report is built from.
pub(crate) struct Build<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) evidence: &'a Detail,
    pub(crate) draft: &'a Draft,
    pub(crate) report: &'a str,
    pub(crate) now: Timestamp,
}

/// Returns every text that could leave, with the name of its place, as it was written.
pub(crate) fn texts(evidence: &Detail, draft: &Draft) -> Vec<(String, String)> {
    let incident = &evidence.incident;
    let mut texts = vec![
        ("title_en".to_owned(), incident.title_en.clone()),
        ("title_vi".to_owned(), incident.title_vi.clone()),
        ("close_note".to_owned(), incident.close_note.clone().unwrap_or_default()),
    ];
    texts.extend(draft.sections().map(|(name, text)| (format!("draft: {name}"), text.to_owned())));
    let entities = std::iter::once(&incident.entity);
    for entity in entities.chain(evidence.alerts.iter().map(|it| &it.alert.entity)) {
        texts.extend(entity.pairs());
    }
    for AlertRecord { alert, .. } in &evidence.alerts {
        let place = |name: &str| format!("{name} of alert {}", alert.id);
        texts.push((place("summary"), alert.summary.clone()));
        texts.push((place("title"), alert.title.clone()));
        texts.push((place("title_vi"), alert.title_vi.clone()));
    }
    texts
}

/// Builds the objects in an order in which nothing refers to what comes later, but for `sighting`
/// and `relationship`, which come last.
pub(crate) async fn objects(
    tx: &mut SqliteConnection,
    build: &Build<'_>,
    redactor: &mut Redactor,
) -> Result<Vec<Value>> {
    let Build { profile, evidence, .. } = build;
    let incident = &evidence.incident;
    let mut mint = Mint::new(tx, build.now, profile.config.tlp);
    let mut out = vec![object::marking(profile.config.tlp), object::product(), object::extension()];

    let reporter =
        mint.object("identity/reporter", object::reporter(&profile.config.reporter)).await?;
    mint.author(ids::id(&reporter));
    let mut where_sighted = ids::id(&reporter);
    out.push(reporter);
    let mut agency = None;
    if let Some(code) = &incident.organization {
        let name = profile.organizations.get(code).unwrap_or(code);
        let identity = object::agency(code, name);
        let identity = mint.object(&format!("identity/agency/{code}"), identity).await?;
        where_sighted = ids::id(&identity);
        agency = Some(where_sighted.clone());
        out.push(identity);
    }

    let alerts = &evidence.alerts[..evidence.alerts.len().min(ALERTS_MAX)];
    let mut observables: BTreeMap<String, Value> = BTreeMap::new();
    let mut refs = Vec::with_capacity(alerts.len());
    for AlertRecord { alert, .. } in alerts {
        let seen = facts::observables(&alert.entity, &mut mint, redactor).await?;
        refs.push(seen.iter().map(ids::id).collect::<Vec<_>>());
        observables.extend(seen.into_iter().map(|it| (ids::id(&it), it)));
    }
    out.extend(observables.into_values());

    let key = &incident.id;
    let facts = facts::incident(build, redactor);
    let told = mint.object(&format!("incident/{key}"), facts).await?;
    let incident_ref = ids::id(&told);
    out.push(told);

    let mut patterns = BTreeMap::new();
    for technique in &incident.techniques {
        let name = format!("attack-pattern/{technique}");
        let object = mint.object(&name, object::attack_pattern(technique)).await?;
        patterns.insert(technique.clone(), ids::id(&object));
        out.push(object);
    }
    let mut relations = Vec::new();
    let mut indicators = BTreeMap::new();
    for AlertRecord { alert, .. } in alerts {
        let Some(text) = profile.rules.get(&alert.rule_id) else { continue };
        if indicators.contains_key(&alert.rule_id) {
            continue;
        }
        let name = format!("indicator/{}", alert.rule_id);
        let object = mint.indicator(&name, &alert.rule_id, &alert.title, text).await?;
        let indicator = ids::id(&object);
        out.push(object);
        relations.push((indicator.clone(), "detected", incident_ref.clone()));
        for technique in &alert.techniques {
            if let Some(pattern) = patterns.get(technique) {
                relations.push((indicator.clone(), "indicates", pattern.clone()));
            }
        }
        indicators.insert(alert.rule_id.clone(), indicator);
    }
    let mut sightings = Vec::new();
    for (AlertRecord { alert, .. }, refs) in alerts.iter().zip(refs) {
        let span = (ids::time(alert.first), ids::time(alert.last.max(alert.first)));
        let count = alert.count.clamp(1, COUNT_MAX);
        let mut observed = None;
        if !refs.is_empty() {
            let data = json!({
                "type": "observed-data", "first_observed": span.0, "last_observed": span.1,
                "number_observed": count, "object_refs": refs,
            });
            let object = mint.object(&format!("observed-data/{}", alert.id), data).await?;
            observed = Some(ids::id(&object));
            out.push(object);
        }
        let of = indicators.get(&alert.rule_id);
        let of = of.or_else(|| alert.techniques.iter().find_map(|it| patterns.get(it)));
        if let Some(of) = of {
            let mut sighting = json!({
                "type": "sighting", "sighting_of_ref": of, "first_seen": span.0,
                "last_seen": span.1, "count": count, "where_sighted_refs": [where_sighted],
            });
            if let Some(observed) = observed {
                sighting["observed_data_refs"] = json!([observed]);
            }
            sightings.push((format!("sighting/{}", alert.id), sighting));
        }
    }
    if let Some(note) = facts::note(build, &incident_ref, redactor) {
        out.push(mint.object(&format!("note/{}", build.report), note).await?);
    }
    for (name, sighting) in sightings {
        out.push(mint.object(&name, sighting).await?);
    }
    if let Some(agency) = agency {
        relations.push((incident_ref, "impacts", agency));
    }
    for (source, kind, target) in relations {
        let relation = json!({
            "type": "relationship", "relationship_type": kind, "source_ref": source,
            "target_ref": target,
        });
        out.push(mint.object(&format!("relationship/{source}/{kind}/{target}"), relation).await?);
    }
    Ok(out)
}
