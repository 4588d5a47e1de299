//! Redaction: the redactor of a configuration, and what it hid as a metric.

use std::sync::Arc;

use agent_pipeline::{Redactor, Tally};
use agent_wire::Identity;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, Opts, Registry};

use crate::config::Config;
use crate::error::{Error, Result};

/// Returns the redactor of a configuration; digests are made with a key derived from the agent's.
pub(crate) fn redactor(config: &Config, identity: &Identity) -> Result<Redactor> {
    Redactor::new(&config.redaction, &identity.seed()).map_err(Error::Redaction)
}

/// Shows the counts of a pipeline on the metrics page.
pub(crate) fn register(registry: &Registry, tally: Arc<Tally>) {
    let counter = counter().expect("name and label are constants of the right form");
    let page = Page { tally, desc: counter.desc().into_iter().cloned().collect() };
    registry.register(Box::new(page)).expect("names are registered once");
}

fn counter() -> prometheus::Result<IntCounterVec> {
    let name = "vonglau_agent_redactions_total";
    IntCounterVec::new(Opts::new(name, "Records in which a secret was hidden, by kind."), &["kind"])
}

/// The counts, read when somebody looks.
struct Page {
    tally: Arc<Tally>,
    desc: Vec<Desc>,
}

impl Collector for Page {
    fn desc(&self) -> Vec<&Desc> {
        self.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(counter) = counter() else { return Vec::new() };
        for (kind, count) in self.tally.counts() {
            counter.with_label_values(&[kind.as_str()]).inc_by(count);
        }
        counter.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_on_the_page_from_the_start() {
        let registry = Registry::new();
        register(&registry, Arc::default());
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text.contains("vonglau_agent_redactions_total{kind=\"password\"} 0"), "{text}");
    }
}
