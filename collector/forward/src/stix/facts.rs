//! Facts: what is told of one incident, masked.

use std::net::IpAddr;

use collector_incident::{CloseReason, Entity, Status};
use rules_event::field;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Result;
use crate::redact::Redactor;

use super::ids::{Mint, time};
use super::object::{EXTENSION_ID, INCIDENT_CORE_ID};
use super::{ALERTS_MAX, Build, terms};

/// Summaries quoted in the description.
const SUMMARIES_MAX: usize = 10;
/// Hosts listed.
const HOSTS_MAX: usize = 100;

/// Returns the incident object without its id.
pub(super) fn incident(build: &Build<'_>, redactor: &mut Redactor) -> Value {
    let incident = &build.evidence.incident;
    let types = terms::incident_types(incident.incident_type.as_deref(), &incident.techniques);
    let determination = match incident.close_reason {
        Some(CloseReason::FalsePositive | CloseReason::Benign) => "false-positive",
        Some(CloseReason::TruePositive) => "confirmed",
        _ => "suspected",
    };
    let investigation = match incident.status {
        Status::New => "new",
        Status::Closed => "closed",
        _ => "open",
    };
    let mut core = json!({
        "extension_type": "property-extension",
        "determination": determination,
        "investigation_status": investigation,
        "detection_methods": ["automated-tool"],
    });
    if !types.is_empty() {
        core["incident_types"] = json!(types);
    }
    json!({
        "type": "incident",
        "lang": "vi",
        "name": format!("{} {}", incident.number, redactor.text(&incident.title_vi)),
        "description": description(build, redactor),
        "external_references": [{ "source_name": "vonglau", "external_id": incident.number }],
        "extensions": {
            INCIDENT_CORE_ID: core,
            EXTENSION_ID: law(build, redactor),
        },
    })
}

/// What Vietnamese law asks, as our own extension.
fn law(build: &Build<'_>, redactor: &mut Redactor) -> Value {
    let incident = &build.evidence.incident;
    let mut law = json!({
        "extension_type": "property-extension",
        "report_kind": build.draft.kind.as_str(),
        "incident_number": incident.number,
        "severity": incident.severity.as_str(),
        "detected_at": time(incident.detected_at),
        "occurred_first": time(incident.occurred_first),
        "occurred_last": time(incident.occurred_last),
        "alert_count": incident.alert_count,
        "event_count": incident.event_count,
        "disruption": incident.disruption,
    });
    if let Some(group) = &incident.incident_type {
        law["incident_group"] = json!(group);
    }
    if let Some(code) = &incident.organization {
        law["organ_id"] = json!(code);
    }
    if let Some(since) = incident.personal_data_at {
        law["personal_data_at"] = json!(time(since));
    }
    let mut hosts: Vec<String> = build
        .evidence
        .alerts
        .iter()
        .filter_map(|it| it.alert.entity.host.as_deref())
        .map(|host| redactor.text(host))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts.truncate(HOSTS_MAX);
    if !hosts.is_empty() {
        law["hosts"] = json!(hosts);
    }
    if let Some(policy) = &build.profile.policy {
        law["policy"] = json!(policy.name);
        law["serious"] = json!(policy.is_serious(incident));
        let deadlines: Vec<_> = policy
            .deadlines(incident, build.now)
            .into_iter()
            .map(|it| json!({ "id": it.id, "due": time(it.due), "basis": it.basis }))
            .collect();
        if !deadlines.is_empty() {
            law["deadlines"] = json!(deadlines);
        }
    }
    law
}

fn description(build: &Build<'_>, redactor: &mut Redactor) -> String {
    let incident = &build.evidence.incident;
    let mut lines = vec![
        incident.title_en.clone(),
        format!(
            "{} cảnh báo, {} sự kiện. / {} alerts, {} events.",
            incident.alert_count, incident.event_count, incident.alert_count, incident.event_count
        ),
    ];
    let told = build.evidence.alerts.len().min(ALERTS_MAX);
    if u64::try_from(told).unwrap_or(u64::MAX) < incident.alert_count {
        lines.push(format!("{told} cảnh báo đầu tiên kèm theo. / The first {told} are attached."));
    }
    let mut summaries: Vec<&str> =
        build.evidence.alerts.iter().map(|it| it.alert.summary.as_str()).collect();
    summaries.dedup();
    lines.extend(
        summaries
            .iter()
            .filter(|it| !it.is_empty())
            .take(SUMMARIES_MAX)
            .map(|it| format!("- {it}")),
    );
    redactor.text(&lines.join("\n"))
}

/// Returns the report text as people wrote it, in Vietnamese; `None` if they wrote nothing.
pub(super) fn note(build: &Build<'_>, incident: &str, redactor: &mut Redactor) -> Option<Value> {
    let sections: Vec<_> = build
        .draft
        .sections()
        .into_iter()
        .filter(|(_, text)| !text.trim().is_empty())
        .map(|(heading, text)| format!("{heading}:\n{}", redactor.text(text.trim())))
        .collect();
    if sections.is_empty() {
        return None;
    }
    Some(json!({
        "type": "note",
        "lang": "vi",
        "abstract": format!("Báo cáo sự cố {}", build.evidence.incident.number),
        "content": sections.join("\n\n"),
        "object_refs": [incident],
    }))
}

/// Returns the cyber-observable objects an entity speaks of. Hosts are told in our extension: STIX
/// 2.1 has no object for a host's short name.
pub(super) async fn observables(
    entity: &Entity,
    mint: &mut Mint<'_>,
    redactor: &mut Redactor,
) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    for (name, value) in entity.pairs() {
        match name.as_str() {
            field::SOURCE_IP | field::DESTINATION_IP => {
                let Ok(address) = value.parse::<IpAddr>() else { continue };
                if redactor.may_leave(address) {
                    let kind = if address.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" };
                    out.push(mint.observable(kind, json!({ "value": address.to_string() })));
                }
            }
            field::USER_NAME | field::USER_EFFECTIVE_NAME => {
                let login = redactor.text(&value);
                out.push(mint.observable("user-account", json!({ "account_login": login })));
            }
            field::URL_ORIGINAL if value.contains("://") => {
                out.push(mint.observable("url", json!({ "value": redactor.text(&value) })));
            }
            field::FILE_PATH | field::PROCESS_EXECUTABLE => {
                let base = value.rsplit(['/', '\\']).next().unwrap_or_default();
                if !base.is_empty() {
                    out.push(mint.observable("file", json!({ "name": redactor.text(base) })));
                }
            }
            field::PROCESS_COMMAND_LINE => {
                let line = redactor.text(&value);
                let name = format!("process/{}", hex::encode(Sha256::digest(&line)));
                let process = json!({ "type": "process", "command_line": line });
                out.push(mint.nameless(&name, process).await?);
            }
            _ => {}
        }
    }
    Ok(out)
}
