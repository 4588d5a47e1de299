//! Host: measurements of the machine, as events.

use std::time::Duration;

use rules_event::{Event, Timestamp, Value, field};
use sysinfo::{DiskRefreshKind, Disks, MemoryRefreshKind, Networks, ProcessRefreshKind};
use sysinfo::{ProcessesToUpdate, RefreshKind, System};

use crate::run::Wiring;
use crate::{Chunk, Count, Item, Sample, clock};

/// Most file systems and most network interfaces measured; a host with more is a container host whose
/// overlays say nothing about it.
const INSTANCES_MAX: usize = 32;

/// `event.dataset` of every measurement.
const DATASET: &str = "vonglau.host";

/// Measures the host until stopped.
pub(crate) async fn run(interval_s: u64, wiring: Wiring) {
    let mut ticks = tokio::time::interval(Duration::from_secs(interval_s));
    // After an outage one measurement is enough.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut probe = None;
    loop {
        tokio::select! {
            () = wiring.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let taken = probe.take();
        let measured = tokio::task::spawn_blocking(move || {
            let mut probe = taken.map_or_else(Probe::new, Ok)?;
            let events = probe.measure();
            Ok::<_, sysinfo::Error>((probe, events))
        });
        let events = match measured.await {
            Ok(Ok((used, events))) => {
                probe = Some(used);
                events
            }
            Ok(Err(error)) => {
                let text =
                    format!("the host cannot be measured: {error}; set input.host.enabled = false");
                wiring.report.problem("host", text);
                return;
            }
            Err(error) => {
                wiring.report.problem("host", format!("measuring the host failed: {error}"));
                return;
            }
        };
        let samples = events.len() as u64;
        let items = events.into_iter().map(sample).collect();
        if !wiring.send(Chunk { items, ..Chunk::default() }).await {
            return;
        }
        wiring.report.count(Count::Samples, samples);
    }
}

/// Pressure stall information, since Linux 4.20 (`Documentation/accounting/psi.rst`): the share of the
/// last ten seconds in which something waited for it.
const PRESSURES: [(&str, &str); 3] = [
    ("/proc/pressure/cpu", "vonglau.host.pressure.cpu"),
    ("/proc/pressure/memory", "vonglau.host.pressure.memory"),
    ("/proc/pressure/io", "vonglau.host.pressure.io"),
];

fn pressure(path: &str) -> Option<f64> {
    parse_pressure(&std::fs::read_to_string(path).ok()?)
}

/// `some avg10=1.23 avg60=… avg300=… total=…`, in percent.
fn parse_pressure(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent = line.split(' ').find_map(|part| part.strip_prefix("avg10="))?;
    Some(percent.parse::<f64>().ok()? / 100.0)
}

/// What must be kept between measurements: rates are differences.
struct Probe {
    system: System,
    disks: Disks,
    networks: Networks,
    measured: Option<Timestamp>,
}

impl Probe {
    fn new() -> Result<Self, sysinfo::Error> {
        Ok(Self {
            system: System::new_with_specifics(RefreshKind::nothing())?,
            disks: Disks::new()?,
            networks: Networks::new()?,
            measured: None,
        })
    }

    /// Returns one event for the host, one per file system, one per network interface.
    fn measure(&mut self) -> Vec<Event> {
        let now = clock::now();
        let mut events = vec![self.host(now)];
        events.extend(self.filesystems(now));
        events.extend(self.networks(now));
        self.measured = Some(now);
        events
    }

    fn host(&mut self, now: Timestamp) -> Event {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory_specifics(MemoryRefreshKind::everything());
        // Names, users and command lines are not asked for: only how many there are.
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().without_tasks(),
        );
        let system = &self.system;
        let mut event = event(now, "host");
        if self.measured.is_some() {
            // The first usage is since boot; from the second on it is since the one before.
            set_ratio(&mut event, "host.cpu.usage", f64::from(system.global_cpu_usage()) / 100.0);
        }
        set_count(&mut event, "system.cpu.cores", system.cpus().len() as u64);
        set_count(&mut event, "system.memory.total", system.total_memory());
        set_count(&mut event, "system.memory.used.bytes", system.used_memory());
        set_count(&mut event, "system.memory.available", system.available_memory());
        let used = share(system.used_memory(), system.total_memory());
        set_ratio(&mut event, "system.memory.used.pct", used);
        set_count(&mut event, "system.memory.swap.total", system.total_swap());
        set_count(&mut event, "system.memory.swap.used.bytes", system.used_swap());
        set_ratio(
            &mut event,
            "system.memory.swap.used.pct",
            share(system.used_swap(), system.total_swap()),
        );
        if let Ok(load) = System::load_average() {
            set_ratio(&mut event, "system.load.1", load.one);
            set_ratio(&mut event, "system.load.5", load.five);
            set_ratio(&mut event, "system.load.15", load.fifteen);
        }
        if let Ok(uptime) = System::uptime() {
            set_count(&mut event, "host.uptime", uptime);
        }
        for (file, name) in PRESSURES {
            if let Some(share) = pressure(file) {
                set_ratio(&mut event, name, share);
            }
        }
        set_count(&mut event, "system.process.count", system.processes().len() as u64);
        event
    }

    fn filesystems(&mut self, now: Timestamp) -> Vec<Event> {
        self.disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage());
        let real = self.disks.iter().filter(|disk| disk.total_space() > 0);
        let events = real.take(INSTANCES_MAX).map(|disk| {
            let mut event = event(now, "filesystem");
            let (total, free) = (disk.total_space(), disk.available_space());
            let used = total.saturating_sub(free);
            let place = disk.mount_point().to_string_lossy().into_owned();
            event.set("system.filesystem.mount_point", place);
            let device = disk.name().to_string_lossy().into_owned();
            event.set("system.filesystem.device_name", device);
            let kind = disk.file_system().to_string_lossy().into_owned();
            event.set("system.filesystem.type", kind);
            set_count(&mut event, "system.filesystem.total", total);
            set_count(&mut event, "system.filesystem.available", free);
            set_count(&mut event, "system.filesystem.used.bytes", used);
            set_ratio(&mut event, "system.filesystem.used.pct", share(used, total));
            // A disk without inodes is as full as one without bytes.
            if let Ok(facts) = rustix::fs::statvfs(disk.mount_point()) {
                set_count(&mut event, "system.filesystem.files", facts.f_files);
                set_count(&mut event, "system.filesystem.free_files", facts.f_ffree);
            }
            event
        });
        events.collect()
    }

    fn networks(&mut self, now: Timestamp) -> Vec<Event> {
        self.networks.refresh(true);
        let mut names: Vec<_> =
            self.networks.iter().filter(|(name, _)| name.as_os_str() != "lo").collect();
        names.sort_by_key(|(name, _)| *name);
        let events = names.into_iter().take(INSTANCES_MAX).map(|(name, data)| {
            let mut event = event(now, "network");
            event.set("system.network.name", name.to_string_lossy().into_owned());
            set_count(&mut event, "system.network.in.bytes", data.total_received());
            set_count(&mut event, "system.network.in.packets", data.total_packets_received());
            set_count(&mut event, "system.network.in.errors", data.total_errors_on_received());
            set_count(&mut event, "system.network.out.bytes", data.total_transmitted());
            set_count(&mut event, "system.network.out.packets", data.total_packets_transmitted());
            set_count(&mut event, "system.network.out.errors", data.total_errors_on_transmitted());
            event
        });
        events.collect()
    }
}

/// Names of fields: Metricbeat's `system` module where ECS has none.
fn event(now: Timestamp, set: &'static str) -> Event {
    let mut event = Event::new(now, String::new());
    event.set(field::EVENT_KIND, "metric");
    event.set(field::EVENT_MODULE, "vonglau");
    event.set(field::EVENT_DATASET, DATASET);
    event.set("metricset.name", set);
    event
}

/// What tells measurements of one moment apart: the kind, and which disk or interface.
fn sample(event: Event) -> Item {
    let parts = ["metricset.name", "system.filesystem.mount_point", "system.network.name"];
    let mut instance = String::new();
    for name in parts {
        instance.push('\u{1}');
        instance.push_str(event.get_str(name).unwrap_or_default());
    }
    Item::Sample(Sample { event, instance })
}

fn set_count(event: &mut Event, name: &'static str, count: u64) {
    event.set(name, i64::try_from(count).unwrap_or(i64::MAX));
}

/// Sets a number with a fraction, to four places; not a number is left out.
fn set_ratio(event: &mut Event, name: &'static str, ratio: f64) {
    if ratio.is_finite() {
        event.set(name, Value::Float((ratio * 10_000.0).round() / 10_000.0));
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_a_share() {
        let text = "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00\n";
        assert_eq!(parse_pressure(text), Some(0.125));
        assert_eq!(parse_pressure("full avg10=1.00"), None);
    }

    #[test]
    fn the_host_is_measured() {
        let mut probe = Probe::new().unwrap();
        probe.measure();
        let events = probe.measure();
        let host = &events[0];
        for name in ["host.cpu.usage", "system.load.1", "system.memory.used.pct"] {
            assert!(
                matches!(host.get(name), Some(rules_event::ValueRef::Float(ratio)) if ratio >= 0.0),
                "{name}"
            );
        }
        for name in ["system.memory.total", "system.process.count", "host.uptime"] {
            assert!(host.get(name).and_then(rules_event::ValueRef::as_int) > Some(0), "{name}");
        }
        assert_eq!(host.get_str(field::EVENT_KIND), Some("metric"));
        let sets = events.iter().filter_map(|event| event.get_str("metricset.name"));
        assert!(sets.clone().all(|set| ["host", "filesystem", "network"].contains(&set)));
        assert_eq!(sets.filter(|set| *set == "host").count(), 1);
    }
}
