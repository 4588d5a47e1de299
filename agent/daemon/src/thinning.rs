//! Thinning: tells which logs are over their limit, and what was left out of them: as events, in
//! health, in metrics.

use std::sync::Arc;

use agent_pipeline::{Flow, Limited};
use rules_event::{Timestamp, Value};
use rules_service::meter::Health;

use crate::metrics::{Metrics, set};
use crate::report::place;
use crate::witness::{Action, Witness, count, text};

/// So many logs are told one by one at a look, one a second; of more only the sum.
const TOLD_MAX: usize = 20;
/// So many logs are named in health.
const NAMED_MAX: usize = 5;
const SUBJECT: &str = "rate limit";

/// See the head of the file.
pub(crate) struct Thinning {
    pub(crate) flow: Arc<Flow>,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) witness: Witness,
}

impl Thinning {
    /// Looks at all logs that have a limit.
    pub(crate) fn look(&self, now: Timestamp) {
        let (repeated, forgotten) = self.flow.suppressor().counts();
        for (metric, total) in
            [(&self.metrics.suppressed, repeated), (&self.metrics.suppress_forgotten, forgotten)]
        {
            metric.inc_by(total.saturating_sub(metric.get()));
        }
        let limited = self.flow.look(now);
        for name in &self.flow.names() {
            let of_input = limited.iter().filter(|it| it.policy == *name).map(|it| it.rate).max();
            set(&self.metrics.sampling.with_label_values(&[name.as_str()]), of_input.unwrap_or(1));
        }
        let news: Vec<&Limited> = limited.iter().filter(|it| it.began || it.ended).collect();
        for it in news.iter().take(TOLD_MAX) {
            self.tell(it);
        }
        if let Some(more) = news.get(TOLD_MAX..).filter(|more| !more.is_empty()) {
            self.tell_rest(more);
        }
        self.tell_health(&limited);
    }

    fn tell(&self, it: &Limited) {
        let name = if it.log.is_empty() { "the whole agent" } else { it.log.as_str() };
        let (action, text) = match it.ended {
            false => (
                Action::RateLimited,
                format!(
                    "{name} is over its limit: of what no rule hit one event in {} is kept",
                    it.rate
                ),
            ),
            true => (
                Action::RateLimitEnded,
                format!("{name} is within its limit again; {} events were left out", it.left_out),
            ),
        };
        let mut fields = facts(&it.policy, it.rate, it.rate_worst, it.left_out);
        fields.extend((!it.log.is_empty()).then(|| place(&it.log)));
        self.witness.say(action, text, fields);
    }

    fn tell_rest(&self, more: &[&Limited]) {
        let left_out = more.iter().map(|it| it.left_out).sum();
        let rate = |of: fn(&Limited) -> u64| more.iter().map(|it| of(it)).max().unwrap_or(1);
        let is_over = more.iter().all(|it| it.ended);
        self.witness.say(
            if is_over { Action::RateLimitEnded } else { Action::RateLimited },
            format!("the same is true of {} more logs", more.len()),
            facts("", rate(|it| it.rate), rate(|it| it.rate_worst), left_out),
        );
    }

    fn tell_health(&self, limited: &[Limited]) {
        let over: Vec<&Limited> = limited.iter().filter(|it| !it.ended).collect();
        if over.is_empty() {
            self.health.resolved(SUBJECT);
            return;
        }
        let named = over.iter().take(NAMED_MAX).map(|it| {
            let log = if it.log.is_empty() { it.policy.as_str() } else { it.log.as_str() };
            format!("{log}: 1 in {} is kept, {} left out", it.rate, it.left_out)
        });
        let mut text = named.collect::<Vec<_>>().join("; ");
        if over.len() > NAMED_MAX {
            text.push_str(&format!("; and {} more", over.len() - NAMED_MAX));
        }
        self.health.problem(SUBJECT, text);
    }
}

fn facts(policy: &str, rate: u64, rate_worst: u64, left_out: u64) -> Vec<(&'static str, Value)> {
    vec![
        ("vonglau.limit.input", text(policy)),
        ("vonglau.limit.sampling", count(rate)),
        ("vonglau.limit.sampling_worst", count(rate_worst)),
        ("vonglau.agent.left_out", count(left_out)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules_event::field;

    fn limited(log: &str, ended: bool) -> Limited {
        Limited {
            policy: "files.1".to_owned(),
            log: log.to_owned(),
            rate: if ended { 1 } else { 100 },
            rate_worst: 100,
            left_out: 7,
            began: !ended,
            ended,
        }
    }

    #[test]
    fn what_is_left_out_is_said_and_shown_until_it_is_over() {
        let (metrics, health) = (Metrics::new(), Health::default());
        let (witness, mut said) = Witness::new(metrics.clone(), true);
        let flow = Arc::new(Flow::default());
        let thinning = Thinning { flow, metrics, health: health.clone(), witness };
        thinning.tell(&limited("/var/log/loud.log", false));
        let event = said.try_recv().unwrap().event;
        assert_eq!(event.get_str(field::EVENT_ACTION), Some("rate_limited"));
        assert_eq!(event.get_str(field::LOG_FILE_PATH), Some("/var/log/loud.log"));
        assert_eq!(event.get("vonglau.limit.sampling"), Some(rules_event::ValueRef::Int(100)));
        thinning.tell(&limited("/var/log/loud.log", true));
        let event = said.try_recv().unwrap().event;
        assert_eq!(event.get_str(field::EVENT_ACTION), Some("rate_limit_ended"));
        assert_eq!(event.get("vonglau.agent.left_out"), Some(rules_event::ValueRef::Int(7)));
        let many: Vec<_> = (0..7).map(|n| limited(&format!("/log/{n}"), false)).collect();
        thinning.tell_health(&many);
        let problem = health.problems().pop().unwrap();
        assert!(problem.contains("/log/4: 1 in 100") && problem.contains("and 2 more"));
        thinning.tell_rest(&many.iter().collect::<Vec<_>>());
        let event = said.try_recv().unwrap().event;
        assert_eq!(event.get("vonglau.agent.left_out"), Some(rules_event::ValueRef::Int(49)));
        thinning.look(crate::sealer::now());
        assert!(health.problems().is_empty());
    }
}
