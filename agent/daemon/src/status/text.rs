//! The status for people: one subject a line.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Correlation, Limits, Status};

impl Status {
    /// Returns the status for people.
    pub(crate) fn to_text(&self) -> String {
        let mut lines = Vec::new();
        let mut say = |subject: &str, text: String| lines.push(format!("{subject:<9}{text}\n"));
        let agent = self.agent.as_deref().unwrap_or("(no key yet)");
        match &self.metrics {
            Some(address) => say("agent", format!("{agent}, running, metrics at {address}")),
            None => {
                let ended = self.ended.as_ref().map(|how| format!("; {how}")).unwrap_or_default();
                say("agent", format!("{agent}, not running{ended}"));
            }
        }
        if self.running {
            say("events", self.sums());
            say("inputs", list(&self.read_by_input, "nothing read yet"));
            if !self.dropped_by_reason.is_empty() {
                say("dropped", list(&self.dropped_by_reason, ""));
            }
            if !self.sampling.is_empty() {
                let what = "over the limit, one in so many of what no rule hit is kept";
                say("thinned", format!("{what}: {}", list(&self.sampling, "")));
            }
            if self.quarantined > 0 {
                let what = "records with the mark of a state secret; only stubs were sent";
                say("secret", format!("{} {what}", self.quarantined));
            }
            if self.suppressed > 0 {
                say("repeats", format!("{} of alerts, sent as events", self.suppressed));
            }
            let (shipped, hits, rules) = (self.shipped, self.hits, self.rules);
            let what = format!("{shipped} events acknowledged; {hits} rule hits by {rules} rules");
            say("shipped", what);
            if self.correlation.rules > 0 {
                say("attacks", self.correlation.to_text());
            }
            let (bytes, max) = (size(self.spool_bytes), size(self.spool_bytes_max));
            say("spool", format!("{bytes} of {max}"));
        } else {
            say("spool", format!("{} events wait to be sent", self.pending));
        }
        for (lane, progress) in &self.lanes {
            let mut text = format!(
                "{lane}: sealed {}, acknowledged {}, {} batches wait",
                progress.sealed_seq, progress.acked_seq, progress.waiting_batches
            );
            if let Some(age) = progress.oldest_waiting_seconds {
                text.push_str(&format!(", the oldest for {age} s"));
            }
            if self.running {
                let (spooled, shipped) = (progress.spooled, progress.shipped);
                text.push_str(&format!("; events spooled {spooled}, shipped {shipped}"));
            }
            if let Some(why) = progress.waits {
                text.push_str(&format!(": {why}"));
            }
            say("lane", text);
        }
        say("broker", self.broker());
        if self.running {
            say("limits", self.limits.to_text());
            if !self.limits.shedding.is_empty() {
                say("less", format!("near or over its bound: {}", list(&self.limits.shedding, "")));
            }
            if !self.limits.held_seconds.is_empty() {
                say(
                    "held",
                    format!("seconds inputs waited: {}", list(&self.limits.held_seconds, "")),
                );
            }
            if !self.redacted_by_kind.is_empty() {
                say("redacted", list(&self.redacted_by_kind, ""));
            }
            if !self.own_events.is_empty() {
                say("said", list(&self.own_events, ""));
            }
        }
        for problem in &self.problems {
            say("problem", problem.clone());
        }
        lines.concat()
    }

    fn sums(&self) -> String {
        let verdict = match (self.unaccounted, self.closes) {
            (0, true) => "closes".to_owned(),
            (0, false) => "closes, BUT THE PARTS BY INPUT OR LANE DO NOT ADD UP".to_owned(),
            (missing, _) => format!("DOES NOT CLOSE, {missing} unaccounted for"),
        };
        format!(
            "read {} = spooled {} + dropped {} + in memory {}: {verdict}",
            self.read, self.spooled, self.dropped, self.pending
        )
    }

    fn broker(&self) -> String {
        let bootstrap = &self.broker.bootstrap;
        match (self.broker.state, &self.broker.problem) {
            ("none", _) => "none; a collector on this machine reads the spool".to_owned(),
            (state, Some(problem)) => format!("{bootstrap}: {state}: {problem}"),
            (state, None) => format!("{bootstrap}: {state}"),
        }
    }
}

impl Limits {
    fn to_text(&self) -> String {
        let cpu = match self.cpu_pct_max {
            0 => String::new(),
            pct => format!(" (at most {pct} % of one)"),
        };
        format!(
            "memory {} of {}; descriptors {} of {}; processor {:.1} s{cpu}; state folder {}; disk \
             {} free, {} of it left to others",
            size(self.memory_bytes),
            size(self.memory_bytes_max),
            self.open_files,
            self.open_files_max,
            self.cpu_seconds,
            size(self.state_bytes),
            size(self.disk_free_bytes),
            size(self.disk_free_bytes_min),
        )
    }
}

fn list(map: &BTreeMap<String, impl Display>, empty: &str) -> String {
    if map.is_empty() {
        return empty.to_owned();
    }
    map.iter().map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>().join(", ")
}

impl Correlation {
    fn to_text(&self) -> String {
        let mut text = format!(
            "{} correlations: {} alerts by {} events; {} groups under watch, {}",
            self.rules,
            self.alerts,
            self.counted,
            self.groups,
            size(self.bytes)
        );
        if self.evicted > 0 {
            text.push_str(&format!("; {} groups given up for want of memory", self.evicted));
        }
        if self.withheld > 0 {
            text.push_str(&format!("; {} times too many attacks to tell", self.withheld));
        }
        text
    }
}

/// Returns bytes as people read them.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = "bytes";
    for larger in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(size(1_023), "1023 bytes");
        assert_eq!(size(1_536), "1.5 KiB");
        assert_eq!(size(1 << 40), "1.0 TiB");
    }

    #[test]
    fn a_sum_that_does_not_close_is_shouted() {
        let mut status = Status { running: true, closes: true, ..Status::default() };
        assert!(status.to_text().contains("in memory 0: closes\n"));
        status.unaccounted = 3;
        assert!(status.to_text().contains("DOES NOT CLOSE, 3 unaccounted for"));
        status.unaccounted = 0;
        status.closes = false;
        assert!(status.to_text().contains("DO NOT ADD UP"));
    }
}
