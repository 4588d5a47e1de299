//! What a report is built with: the reporter, the policy, and the texts of the rules.

use std::collections::HashMap;

use anyhow::Context;
use collector_forward::Profile;
use collector_incident::Policy;
use rules_sigma::Document;

use crate::config::Config;

/// Returns the legal policy in force.
pub(crate) fn policy(config: &Config) -> anyhow::Result<Policy> {
    match &config.policy {
        Some(path) => Ok(Policy::load(path)?),
        None => Policy::shipped().context("the built-in policy is broken"),
    }
}

/// Returns what reports are built with.
pub(crate) fn profile(config: &Config, policy: Policy) -> anyhow::Result<Profile> {
    Ok(Profile {
        config: config.forward.clone(),
        policy: Some(policy),
        rules: rule_texts(config)?,
        organizations: HashMap::new(),
    })
}

/// Returns the text of every rule by its id, for STIX indicators.
fn rule_texts(config: &Config) -> anyhow::Result<HashMap<String, String>> {
    let mut texts = HashMap::new();
    let mut take = |name: &str, text: &str| {
        for document in rules_sigma::parse_file(name, text).documents {
            let id = match document {
                Document::Rule(rule) => rule.id,
                Document::Correlation(correlation) => correlation.id,
                Document::Filter(_) => continue,
            };
            texts.insert(id, text.to_owned());
        }
    };
    if config.rules.builtin {
        for (name, text) in rules_pack::shipped() {
            take(name, text);
        }
    }
    let loaded = rules_pack::load(false, &config.rules.dirs)?;
    for rule in &loaded.rules {
        if let Ok(text) = std::fs::read_to_string(&rule.file) {
            take(&rule.file, &text);
        }
    }
    Ok(texts)
}
