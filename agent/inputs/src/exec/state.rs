//! State: what is remembered of a command from run to run, as its position in the checkpoint.

use serde::{Deserialize, Serialize};

use super::child::Outcome;

/// Two events of one command are so far apart at least, ms: one that fails each second must not fill
/// the spool.
const TOLD_INTERVAL_MS: u64 = 60_000;
/// So often it is told again that a command still fails, ms.
const REMINDED_INTERVAL_MS: u64 = 3_600_000;

/// See the head of the file. Written with the records of the run it speaks of, so that a killed agent
/// either has both or runs the command again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// When the last run began, ms since 1970; rises with each run, also when the clock does not.
    pub(super) run: u64,
    /// BLAKE3 of the output last sent, when only changes are.
    pub(super) digest: String,
    /// How the run ended that was told last; empty: none was.
    told: String,
    /// When that was.
    told_at: u64,
    /// Runs since then that did not succeed.
    pub(super) failures: u64,
    /// Runs since then that were left out.
    pub(super) skipped: u64,
}

impl State {
    /// Reads a position; nothing is known when it is not understood.
    pub(super) fn parse(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the number of a run that begins now.
    pub(super) fn begin(&mut self, now_ms: u64) -> u64 {
        self.run = now_ms.max(self.run + 1);
        self.run
    }

    /// Notes how a run ended, and says whether that is to be told. Success is told after a failure only.
    pub(super) fn note(&mut self, outcome: &Outcome) -> bool {
        let is_good = *outcome == Outcome::Success;
        self.failures += u64::from(!is_good);
        let was_good = self.told.is_empty() || self.told == Outcome::Success.as_str();
        let since = self.run.saturating_sub(self.told_at);
        let is_news = match (was_good, is_good) {
            (true, true) => false,
            (false, false) if self.told == outcome.as_str() => since >= REMINDED_INTERVAL_MS,
            _ => since >= TOLD_INTERVAL_MS,
        };
        if is_news {
            outcome.as_str().clone_into(&mut self.told);
            self.told_at = self.run;
        }
        is_news
    }

    /// Begins to count anew, after the event was made.
    pub(super) fn told(&mut self) {
        self.failures = 0;
        self.skipped = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_when_they_begin_end_and_last() {
        let mut state = State::default();
        let mut told = Vec::new();
        let outcomes = |second: u64| match second {
            // Fails for three hours, then now and then.
            10..10_810 => Outcome::Failed(1),
            11_000.. if second.is_multiple_of(2) => Outcome::TimedOut,
            _ => Outcome::Success,
        };
        for second in 0..12_000 {
            state.begin(1_800_000_000_000 + second * 1_000);
            if state.note(&outcomes(second)) {
                told.push((second, state.told.clone(), state.failures));
                state.told();
            }
        }
        let first: Vec<_> =
            told.iter().take(5).map(|(at, what, n)| (*at, what.as_str(), *n)).collect();
        let wanted = [
            (10, "failed", 1),
            (3_610, "failed", 3_600),
            (7_210, "failed", 3_600),
            (10_810, "success", 3_599),
            (11_000, "timed_out", 1),
        ];
        assert_eq!(first, wanted);
        let rest = &told[5..];
        assert!(rest.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 60) && rest.len() <= 17);
        let sum: u64 = told.iter().map(|(_, _, failures)| failures).sum::<u64>() + state.failures;
        assert_eq!(sum, 10_800 + 500, "every failure is in one event or still to be told");
    }

    #[test]
    fn runs_rise_and_positions_are_read_again() {
        let mut state = State::default();
        assert_eq!(state.begin(1_000), 1_000);
        assert_eq!(state.begin(400), 1_001, "the clock was set back");
        state.digest = "ab".to_owned();
        assert_eq!(State::parse(&state.json()), state);
        assert_eq!(State::parse("{\"run\":\"x\"}"), State::default());
    }
}
