//! Watchdog: measures what the agent takes, compares it with its bounds, and has it do less near them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rules_event::Value;
use rules_service::meter::Health;
use tokio::sync::watch;

use crate::config::Config;
use crate::metrics::{Metrics, set};
use crate::usage::{self, Quota, Usage};
use crate::witness::{Action, Witness, count};

/// How often memory and clocks are looked at.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// Every so many looks the slower measurements are made: descriptors, disk, control group.
const SLOW_EVERY: u64 = 10;
/// A bound is near from this share of it on, and no more below the second.
const NEAR: f64 = 0.9;
const WELL: f64 = 0.8;
/// So much of the control group's memory is ours to plan with: the kernel counts page tables and
/// socket buffers, too, and kills at 100 %.
const QUOTA_SHARE: f64 = 0.9;
/// Memory that stays over its bound so long although inputs wait will not come back by itself.
const OVER_MAX: Duration = Duration::from_secs(60);
const SUBJECT: &str = "limits";

/// How near the nearest bound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Level {
    /// All work is done.
    #[default]
    Well,
    /// Measurements are left out.
    Near,
    /// Inputs wait, too.
    Over,
}

impl Level {
    /// Returns the level of a value against its bound; a level once reached is kept until the value
    /// is well below, so that it does not flutter.
    fn of(value: u64, bound: u64, before: Self) -> Self {
        let share = value as f64 / bound.max(1) as f64;
        match () {
            () if share >= 1.0 => Self::Over,
            () if share >= NEAR => before.clamp(Self::Near, Self::Over),
            () if share >= WELL && before > Self::Well => Self::Near,
            () => Self::Well,
        }
    }
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Memory,
    Spool,
    Disk,
    OpenFiles,
}

impl Resource {
    pub(crate) const ALL: [Self; 4] = [Self::Memory, Self::Spool, Self::Disk, Self::OpenFiles];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Spool => "spool",
            Self::Disk => "disk",
            Self::OpenFiles => "open_files",
        }
    }

    /// What the agent does less of. Only memory makes inputs wait here: for room on the disk the
    /// worker itself waits, and too many descriptors are not undone by reading less.
    fn bounded(self, level: Level) -> Level {
        match self {
            Self::Memory => level,
            Self::Spool | Self::Disk => level.min(Level::Near),
            Self::OpenFiles => Level::Well,
        }
    }

    fn setting(self) -> &'static str {
        match self {
            Self::Memory => "limits.memory_bytes_max",
            Self::Spool => "spool.bytes_max",
            Self::Disk => "spool.free_bytes_min",
            Self::OpenFiles => "limits.open_files_max",
        }
    }
}

/// See the head of the file.
pub(crate) struct Watchdog {
    pub(crate) level: watch::Sender<Level>,
    bounds: Bounds,
    state_dir: PathBuf,
    levels: [Level; 4],
    over_since: Option<Instant>,
    looks: u64,
    metrics: Metrics,
    health: Health,
    witness: Witness,
}

/// The bounds in force.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bounds {
    memory: u64,
    open_files: u64,
    spool: u64,
    free_bytes_min: u64,
}

impl Watchdog {
    pub(crate) fn new(config: &Config, metrics: Metrics, health: Health, witness: Witness) -> Self {
        let (level, _) = watch::channel(Level::Well);
        let bounds = Bounds {
            memory: 0,
            open_files: 0,
            spool: config.spool.bytes_max,
            free_bytes_min: config.spool.free_bytes_min,
        };
        let mut watchdog = Self {
            level,
            bounds,
            state_dir: config.state_dir.clone(),
            levels: [Level::Well; 4],
            over_since: None,
            looks: 0,
            metrics,
            health,
            witness,
        };
        watchdog.apply(config);
        watchdog
    }

    /// Takes the bounds of a configuration, within those of the control group.
    pub(crate) fn apply(&mut self, config: &Config) {
        let limits = &config.limits;
        self.bounds.open_files = usage::limit_open_files(limits.open_files_max);
        self.bounds.memory = within(limits.memory_bytes_max, Quota::of_process().memory);
        set(&self.metrics.memory_bytes_max, self.bounds.memory);
        set(&self.metrics.open_files_max, self.bounds.open_files);
    }

    /// Measures and acts. An error says that memory stays over its bound whatever is done.
    pub(crate) fn look(&mut self) -> Result<(), u64> {
        let is_slow = self.looks.is_multiple_of(SLOW_EVERY);
        self.looks += 1;
        let usage = Usage::measure();
        set(&self.metrics.memory_bytes, usage.memory);
        self.metrics.note_cpu(usage::cpu_time());
        self.judge(Resource::Memory, usage.memory, self.bounds.memory);
        if is_slow {
            set(&self.metrics.open_files, usage.open_files);
            self.judge(Resource::OpenFiles, usage.open_files, self.bounds.open_files);
            let spool = u64::try_from(self.metrics.spool_bytes.get()).unwrap_or(0);
            self.judge(Resource::Spool, spool, self.bounds.spool);
            set(&self.metrics.state_bytes, usage::folder_bytes(&self.state_dir));
            if let Some(free) = usage::free_bytes(&self.state_dir) {
                set(&self.metrics.disk_free_bytes, free);
                // As much as is missing to the bound, seen from a disk that has twice as much.
                let (bound, taken) = (self.bounds.free_bytes_min, self.bounds.free_bytes_min * 2);
                self.judge(Resource::Disk, taken.saturating_sub(free.min(taken)), bound);
            }
        }
        let memory = self.levels[Resource::Memory as usize];
        if memory == Level::Over {
            self.metrics.held.with_label_values(&["memory"]).inc_by(INTERVAL.as_secs_f64());
            let since = *self.over_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= OVER_MAX {
                return Err(usage.memory);
            }
        } else {
            self.over_since = None;
        }
        Ok(())
    }

    fn judge(&mut self, resource: Resource, value: u64, bound: u64) {
        let before = self.levels[resource as usize];
        let level = if bound == 0 { Level::Well } else { Level::of(value, bound, before) };
        if level == before {
            return;
        }
        self.levels[resource as usize] = level;
        let name = resource.as_str();
        self.metrics.shedding.with_label_values(&[name]).set(level as i64);
        let worst = Resource::ALL.iter().map(|it| it.bounded(self.levels[*it as usize])).max();
        self.level.send_replace(worst.unwrap_or_default());
        self.tell_health();
        let does = match resource.bounded(level) {
            Level::Well => "nothing is left out",
            Level::Near => "measurements of the host are not kept",
            Level::Over => "measurements are not kept and inputs wait; logs are read later",
        };
        let (action, text) = match level {
            Level::Well => (Action::SheddingEnded, format!("{name}: back below its bound; {does}")),
            Level::Near => (Action::SheddingStarted, format!("{name}: near its bound; {does}")),
            Level::Over => (Action::SheddingStarted, format!("{name}: at its bound; {does}")),
        };
        let shed = self.metrics.sums.totals().dropped;
        let shed = shed.get(crate::metrics::DROP_SHED_MEASUREMENT).copied().unwrap_or(0);
        self.witness.say(
            action,
            text,
            [
                ("vonglau.limit.resource", Value::from(name)),
                ("vonglau.limit.value", count(value)),
                ("vonglau.limit.bound", count(bound)),
                ("vonglau.limit.level", Value::from(["well", "near", "over"][level as usize])),
                ("vonglau.agent.shed", count(shed)),
            ],
        );
    }

    fn tell_health(&self) {
        let near: Vec<String> = Resource::ALL
            .into_iter()
            .filter(|resource| self.levels[*resource as usize] > Level::Well)
            .map(|resource| {
                let at = match self.levels[resource as usize] {
                    Level::Over => "at",
                    _ => "near",
                };
                format!("{} is {at} its bound ({})", resource.as_str(), resource.setting())
            })
            .collect();
        if near.is_empty() {
            self.health.resolved(SUBJECT);
        } else {
            self.health.problem(SUBJECT, near.join(", "));
        }
    }
}

/// Returns a bound that also fits the control group.
fn within(bound: u64, quota: Option<u64>) -> u64 {
    quota.map_or(bound, |quota| bound.min((quota as f64 * QUOTA_SHARE) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules_event::field;

    #[test]
    fn a_level_does_not_flutter() {
        let mut level = Level::Well;
        let mut seen = Vec::new();
        for value in [10, 89, 90, 85, 81, 79, 90, 99, 100, 95, 99, 85, 79] {
            level = Level::of(value, 100, level);
            seen.push(level);
        }
        use Level::{Near, Over, Well};
        assert_eq!(
            seen,
            [Well, Well, Near, Near, Near, Well, Near, Near, Over, Over, Over, Near, Well]
        );
    }

    #[test]
    fn doing_less_is_said_in_every_place() {
        let (metrics, health) = (Metrics::new(), Health::default());
        let (witness, mut said) = Witness::new(metrics.clone(), true);
        let config = Config::default();
        let mut watchdog = Watchdog::new(&config, metrics.clone(), health.clone(), witness);
        let level = watchdog.level.subscribe();
        watchdog.judge(Resource::Spool, 95, 100);
        assert_eq!(*level.borrow(), Level::Near);
        watchdog.judge(Resource::Memory, 100, 100);
        assert_eq!(*level.borrow(), Level::Over);
        assert!(health.problems()[0].contains("memory is at its bound (limits.memory_bytes_max)"));
        watchdog.judge(Resource::Memory, 10, 100);
        // A full spool never makes inputs wait here: the worker does.
        watchdog.judge(Resource::Spool, 100, 100);
        assert_eq!(*level.borrow(), Level::Near);
        watchdog.judge(Resource::Spool, 10, 100);
        assert_eq!(*level.borrow(), Level::Well);
        assert!(health.problems().is_empty());
        let mut actions = Vec::new();
        while let Ok(sample) = said.try_recv() {
            actions.push(sample.event.get_str(field::EVENT_ACTION).unwrap_or_default().to_owned());
        }
        let (started, ended) = ("shedding_started", "shedding_ended");
        assert_eq!(actions, [started, started, ended, started, ended]);
    }

    #[test]
    fn a_bound_fits_the_control_group() {
        assert_eq!(within(96, None), 96);
        assert_eq!(within(96, Some(1_000)), 96);
        assert_eq!(within(96, Some(50)), 45);
    }
}
