//! Gate: the `[shipping]` part of the configuration, and whether the bulk lane may send now.

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::bucket::Bucket;
use crate::windows::{Time, Window, time};

/// The least cap that makes sense, bytes a second: below it one batch would take minutes.
const BYTES_PER_S_MIN: u64 = 1024;
/// More windows than this are a mistake.
const WINDOWS_MAX: usize = 64;

/// When and how fast the bulk lane sends. Alerts and heartbeats are never held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ShippingConfig {
    /// Most bytes a second that events take on the line, averaged over some seconds (default 0: no
    /// cap; else at least 1024).
    pub events_bytes_per_s: u64,
    /// Local times at which events are sent, such as `mon-fri 18:00-06:00` or `00:00-24:00`; days are
    /// `mon` to `sun`, and a window past midnight belongs to the day it begins on (default `[]`:
    /// always). At other times events wait in the spool.
    pub events_windows: Vec<String>,
}

impl ShippingConfig {
    /// Checks it.
    ///
    /// # Errors
    /// [`Error::Cap`], [`Error::Window`], [`Error::Windows`].
    pub fn check(&self) -> Result<(), Error> {
        if (1..BYTES_PER_S_MIN).contains(&self.events_bytes_per_s) {
            return Err(Error::Cap { value: self.events_bytes_per_s, min: BYTES_PER_S_MIN });
        }
        if self.events_windows.len() > WINDOWS_MAX {
            return Err(Error::Windows { count: self.events_windows.len(), max: WINDOWS_MAX });
        }
        self.windows().map(drop)
    }

    fn windows(&self) -> Result<Vec<Window>, Error> {
        let parse = |text: &String| {
            text.parse().map_err(|bad: crate::windows::BadWindow| Error::Window(bad.to_string()))
        };
        self.events_windows.iter().map(parse).collect()
    }
}

/// Why a lane sends nothing although it may have something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    /// It is not the time: `shipping.events_windows`.
    Window,
    /// The bandwidth is used up: `shipping.events_bytes_per_s`.
    Bandwidth,
    /// The broker does not answer.
    Broker,
    /// The broker refused a batch; it is tried again.
    Refused,
}

impl Wait {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Window, Self::Bandwidth, Self::Broker, Self::Refused];

    /// Returns its name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Bandwidth => "bandwidth",
            Self::Broker => "broker",
            Self::Refused => "refused",
        }
    }

    /// Returns what it means, for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Window => "outside shipping.events_windows",
            Self::Bandwidth => "held to shipping.events_bytes_per_s",
            Self::Broker => "waiting for the broker's acknowledgement",
            Self::Refused => "refused by the broker, tried again",
        }
    }
}

/// Where the local time comes from; tests have their own.
pub(crate) type Clock = Box<dyn Fn() -> jiff::Timestamp + Send>;

/// Decides for the bulk lane.
pub(crate) struct Gate {
    windows: Vec<Window>,
    zone: TimeZone,
    clock: Clock,
    bucket: Option<Bucket>,
}

impl Gate {
    pub(crate) fn new(
        config: &ShippingConfig,
        zone: TimeZone,
        clock: Clock,
    ) -> Result<Self, Error> {
        let cap = config.events_bytes_per_s;
        Ok(Self {
            windows: config.windows()?,
            zone,
            clock,
            bucket: (cap > 0).then(|| Bucket::new(cap, Instant::now())),
        })
    }

    /// Returns why nothing may be sent, and when to look again; `None` if something may.
    pub(crate) fn holds(&mut self, now: Instant) -> Option<(Wait, Duration)> {
        if !self.windows.is_empty() {
            let local = (self.clock)().to_zoned(self.zone.clone());
            let minute = local.hour() as u32 * 60 + local.minute() as u32;
            if let Time::ClosedFor(minutes) = time(&self.windows, local.weekday(), minute) {
                let left = u64::from(minutes) * 60 - local.second().unsigned_abs() as u64;
                return Some((Wait::Window, Duration::from_secs(left.max(1))));
            }
        }
        let wait = self.bucket.as_mut()?.wait(now);
        (!wait.is_zero()).then_some((Wait::Bandwidth, wait))
    }

    /// Notes what was sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn the_windows_are_in_the_zone_of_the_host() {
        let config = ShippingConfig {
            events_windows: vec!["mon-fri 18:00-06:00".to_owned()],
            ..ShippingConfig::default()
        };
        config.check().unwrap();
        // Thursday 2026-11-26, 10:59:50 UTC: 17:59:50 in Hà Nội.
        let seconds = Arc::new(AtomicI64::new(1_795_690_790));
        let shared = Arc::clone(&seconds);
        let clock = move || jiff::Timestamp::from_second(shared.load(Ordering::Relaxed)).unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let mut gate = Gate::new(&config, zone, Box::new(clock)).unwrap();
        let now = Instant::now();
        assert_eq!(gate.holds(now), Some((Wait::Window, Duration::from_secs(10))));
        seconds.fetch_add(10, Ordering::Relaxed);
        assert_eq!(gate.holds(now), None);
        seconds.fetch_add(12 * 3600, Ordering::Relaxed);
        assert_eq!(gate.holds(now), Some((Wait::Window, Duration::from_secs(12 * 3600))));
    }

    #[test]
    fn mistakes_are_named() {
        let of = |cap, windows: &[&str]| ShippingConfig {
            events_bytes_per_s: cap,
            events_windows: windows.iter().map(|text| (*text).to_owned()).collect(),
        };
        of(0, &[]).check().unwrap();
        of(1024, &["sat,sun 00:00-24:00"]).check().unwrap();
        let error = of(100, &[]).check().unwrap_err().to_string();
        assert!(error.contains("shipping.events_bytes_per_s") && error.contains("1024"), "{error}");
        let error = of(0, &["mon 25:00-26:00"]).check().unwrap_err().to_string();
        assert!(error.contains("shipping.events_windows") && error.contains("25:00"), "{error}");
        let many = vec!["00:00-01:00"; 65];
        assert!(of(0, &many).check().unwrap_err().to_string().contains("65"));
    }
}
