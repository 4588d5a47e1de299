//! Objects that do not depend on an incident: markings, identities, our extension, vocabulary.

use serde_json::{Value, json};

use crate::{Reporter, Tlp};

/// Extension that carries TLP 2.0. Source: FIRST and OASIS, STIX TLP 2.0 definitions.
const TLP_EXTENSION: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";
/// The Incident Core Extension. Two incompatible versions share this id: only properties that both
/// take are ever written.
pub(super) const INCIDENT_CORE_ID: &str =
    "extension-definition--ef765651-680c-498d-9894-99799f2fa126";
/// Our extension for what Vietnamese law asks about an incident. Minted once, for all installations.
pub(super) const EXTENSION_ID: &str = "extension-definition--6b8f1c52-3a0d-4e4e-9f0c-7d1c5a2e9b41";
/// The identity that owns our extension.
const PRODUCT_ID: &str = "identity--2f6d3c1e-8a47-4b0f-9d35-1c7e40b6a8f2";
/// When both were minted.
const MINTED: &str = "2026-11-21T00:00:00.000Z";
/// The extension's normative definition.
const SCHEMA: &str = include_str!("incident.schema.json");

/// Returns the id of a TLP 2.0 marking definition.
pub(super) fn marking_id(tlp: Tlp) -> String {
    let id = match tlp {
        Tlp::Clear => "94868c89-83c2-464b-929b-a1a8aa3c8487",
        Tlp::Green => "bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
        Tlp::Amber => "55d920b0-5e8b-4f79-9ee9-91f868d9b421",
        Tlp::AmberStrict => "939a9414-2ddd-4d32-a0cd-375ea402b003",
        Tlp::Red => "e828b379-4e03-4974-9ac4-e53a884c97c1",
    };
    format!("marking-definition--{id}")
}

/// Returns a TLP 2.0 marking definition; it travels with what it marks.
pub(super) fn marking(tlp: Tlp) -> Value {
    json!({
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": marking_id(tlp),
        "created": "2022-10-01T00:00:00.000Z",
        "name": format!("TLP:{}", tlp.as_str().to_uppercase()),
        "extensions": {
            TLP_EXTENSION: { "extension_type": "property-extension", "tlp_2_0": tlp.as_str() }
        },
    })
}

/// Returns the identity that owns our extension; the same everywhere.
pub(super) fn product() -> Value {
    json!({
        "type": "identity",
        "spec_version": "2.1",
        "id": PRODUCT_ID,
        "created": MINTED,
        "modified": MINTED,
        "name": "Vọng Lâu",
        "description": "Security monitoring for provincial government",
        "identity_class": "system",
    })
}

/// Returns the definition of our extension; the same everywhere.
pub(super) fn extension() -> Value {
    json!({
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": EXTENSION_ID,
        "created": MINTED,
        "modified": MINTED,
        "created_by_ref": PRODUCT_ID,
        "name": "Vietnam incident report",
        "description": "What Vietnamese law asks about a cybersecurity incident: detection time, \
            group, severity, agency, deadlines",
        "schema": SCHEMA,
        "version": "1.0.0",
        "extension_types": ["property-extension"],
    })
}

/// Returns who reports.
pub(super) fn reporter(reporter: &Reporter) -> Value {
    let name = if reporter.name.is_empty() { "SOC" } else { &reporter.name };
    let mut identity = json!({
        "type": "identity",
        "name": name,
        "identity_class": "organization",
        "sectors": ["government-regional"],
        "roles": ["security-operations-centre"],
    });
    if !reporter.organ_id.is_empty() {
        identity["external_references"] = organ_id(&reporter.organ_id);
    }
    if !reporter.contact.is_empty() {
        identity["contact_information"] = json!(reporter.contact);
    }
    identity
}

/// Returns the agency an incident is about.
pub(super) fn agency(code: &str, name: &str) -> Value {
    json!({
        "type": "identity",
        "name": name,
        "identity_class": "organization",
        "sectors": ["government-regional"],
        "external_references": organ_id(code),
    })
}

fn organ_id(code: &str) -> Value {
    json!([{ "source_name": "OrganId", "external_id": code }])
}

/// Returns an ATT&CK technique.
pub(super) fn attack_pattern(technique: &str) -> Value {
    json!({
        "type": "attack-pattern",
        "name": technique,
        "external_references": [{
            "source_name": "mitre-attack",
            "external_id": technique,
        }],
    })
}

/// Returns a Sigma rule as an indicator.
pub(super) fn indicator(rule: &str, title: &str, sigma: &str, valid_from: &str) -> Value {
    json!({
        "type": "indicator",
        "name": title,
        "description": format!("Sigma rule {rule}"),
        "indicator_types": ["malicious-activity"],
        "pattern": sigma,
        "pattern_type": "sigma",
        "valid_from": valid_from,
        "external_references": [{ "source_name": "sigma", "external_id": rule }],
    })
}
