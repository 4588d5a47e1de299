//! Flight: how many batches may be with the client at once.

use std::collections::VecDeque;
use std::time::Duration;

/// Batches of both lanes that may be with the client at once, at most. With batches of 50 to 100 KiB
/// these fill a line of 20 MB/s at 200 ms.
pub(crate) const IN_FLIGHT_COUNT_MAX: usize = 64;
/// Bytes of a lane that may be with the client at once: 4 MiB. The client keeps a copy, so this and
/// not the outage's length decides about memory.
pub(crate) const IN_FLIGHT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// For every so much time that an acknowledgement takes at least, one batch more may be under way. On
/// a near broker (a few milliseconds) that is one at a time, some hundred batches or fifty megabytes
/// of lines a second, and a killed agent has one batch whose fate it does not know.
const STEP: Duration = Duration::from_millis(10);
/// The quickest of so many last acknowledgements counts: a busy broker must not look like a long line,
/// or ever more would be handed to it.
const SAMPLES: usize = 16;
/// With fewer acknowledgements than this nothing is known of the line yet: the first ones of a broker that
/// has just come back, or of a busy host, are all slow.
const SAMPLES_MIN: usize = SAMPLES;
/// No line takes longer than this; what did waited out an outage and says nothing.
const LATENCY_MAX: Duration = Duration::from_secs(2);

/// Follows how long acknowledgements take.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    latencies: VecDeque<Duration>,
}

impl Flight {
    /// Notes how long an acknowledgement took.
    pub(crate) fn acknowledged(&mut self, after: Duration) {
        if after > LATENCY_MAX {
            return;
        }
        if self.latencies.len() == SAMPLES {
            self.latencies.pop_front();
        }
        self.latencies.push_back(after);
    }

    /// Returns how many batches may be under way.
    pub(crate) fn count_max(&self) -> usize {
        let known = self.latencies.iter().min().filter(|_| self.latencies.len() >= SAMPLES_MIN);
        let least = known.copied().unwrap_or_default();
        let steps = least.as_millis() / STEP.as_millis();
        usize::try_from(steps)
            .map_or(IN_FLIGHT_COUNT_MAX, |steps| (steps + 1).min(IN_FLIGHT_COUNT_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_on_a_near_broker_and_more_on_a_long_line() {
        let mut flight = Flight::default();
        assert_eq!(flight.count_max(), 1, "nothing is known yet");
        for _ in 0..SAMPLES {
            flight.acknowledged(Duration::from_secs(60));
            assert_eq!(flight.count_max(), 1, "an outage is no long line");
        }
        for _ in 0..SAMPLES_MIN {
            assert_eq!(flight.count_max(), 1);
            flight.acknowledged(Duration::from_millis(900));
        }
        assert_eq!(flight.count_max(), IN_FLIGHT_COUNT_MAX);
        flight.acknowledged(Duration::from_millis(3));
        assert_eq!(flight.count_max(), 1, "the others were slow for another reason");
        for _ in 0..SAMPLES {
            flight.acknowledged(Duration::from_millis(52));
        }
        assert_eq!(flight.count_max(), 6);
    }
}
