//! What a process has used so far, as the kernel counts it.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// Clock ticks a second in `/proc/PID/stat`: fixed at 100 for every Linux user space (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

/// CPU and memory of one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time, seconds, of all its threads.
    pub cpu_seconds: f64,
    /// Peak resident memory, MiB.
    pub peak_mib: f64,
    /// Resident memory now, MiB.
    pub now_mib: f64,
}

/// Returns what a running process has used.
pub(crate) fn of(pid: u32) -> Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
    let ticks = |index: usize| -> Result<f64> { Ok(fields.get(index).context("short")?.parse()?) };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mib = |name: &str| -> Result<f64> {
        let value =
            status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        Ok(value.with_context(|| format!("no {name}"))?.parse::<f64>()? / 1024.0)
    };
    Ok(Usage {
        cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS_A_SECOND,
        peak_mib: mib("VmHWM:")?,
        now_mib: mib("VmRSS:")?,
    })
}

/// Returns the CPU seconds that the threads of a process have used, in nanoseconds' steps, and those of
/// its children that ended, in ticks.
pub(crate) fn with_children(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("no name")?.1.split_whitespace();
    // `cutime` and `cstime` (proc_pid_stat(5)).
    let ticks: Vec<f64> = fields.skip(13).take(2).map(str::parse).collect::<Result<_, _>>()?;
    let mut seconds = ticks.iter().sum::<f64>() / TICKS_A_SECOND;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let nanos: f64 = text.split_whitespace().next().context("no time")?.parse()?;
        seconds += nanos / 1e9;
    }
    Ok(seconds)
}

/// CPU time of this thread so far.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
