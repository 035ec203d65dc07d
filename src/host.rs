//! What the machine took from a measurement: stolen and throttled processor time, and pressure. Must say that something
//! is not seen rather than guess: all of it is Linux's.

use std::fs::read_to_string;

/// Counters of the kernel at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// All processor time and the stolen part of it, in ticks.
    ticks: Option<(u64, u64)>,
    /// How often this control group was throttled.
    throttled: Option<u64>,
    /// Microseconds in which a task waited for a CPU (CPU contention), and for how many seconds the machine has run.
    waiting: Option<(u64, f64)>,
}

impl Counters {
    /// Reads them.
    #[must_use]
    pub fn read() -> Self {
        // Linux documentation, "The /proc Filesystem", 1.7: user nice system idle iowait irq softirq steal, …
        let ticks = read_to_string("/proc/stat").ok().and_then(|text| {
            let first = text.lines().next()?;
            let line: Vec<u64> = first.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
            Some((line.iter().take(8).sum(), *line.get(7)?))
        });
        // "Control Group v2", cpu.stat.
        let throttled = read_to_string("/sys/fs/cgroup/cpu.stat")
            .ok()
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.trim().parse().ok()));
        // "PSI - Pressure Stall Information": total=, in microseconds.
        let waiting = cpu_pressure().and_then(|some| some.split("total=").nth(1)?.trim().parse().ok());
        let uptime = read_to_string("/proc/uptime").ok();
        let uptime_s = uptime.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Self { ticks, throttled, waiting: waiting.zip(uptime_s) }
    }

    /// Share of all processor time that other guests of the host took since these were read.
    #[must_use]
    pub fn stolen_since(&self, now: &Self) -> Option<f64> {
        let ((all, stolen), (all_now, stolen_now)) = (self.ticks?, now.ticks?);
        Some(stolen_now.saturating_sub(stolen) as f64 / all_now.saturating_sub(all).max(1) as f64)
    }

    /// Share of the time since these were read in which a task waited for a CPU (CPU contention).
    #[must_use]
    pub fn waiting_since(&self, now: &Self) -> Option<f64> {
        let ((total, uptime_s), (total_now, uptime_s_now)) = (self.waiting?, now.waiting?);
        let elapsed_us = (uptime_s_now - uptime_s) * 1e6;
        (0.0 < elapsed_us).then(|| total_now.saturating_sub(total) as f64 / elapsed_us)
    }

    /// How often this program's control group was throttled since these were read.
    #[must_use]
    pub fn throttled_since(&self, now: &Self) -> Option<u64> {
        Some(now.throttled?.saturating_sub(self.throttled?))
    }
}

/// Share of the last ten seconds in which a task waited for a CPU (CPU contention). "PSI - Pressure Stall Information".
#[must_use]
pub fn pressure() -> Option<f64> {
    let some = cpu_pressure()?;
    let value = some.split("avg10=").nth(1)?.split_whitespace().next()?;
    value.parse::<f64>().ok().map(|percent| percent / 100.0)
}

/// The line about tasks that wait for a CPU.
fn cpu_pressure() -> Option<String> {
    let text = read_to_string("/proc/pressure/cpu").ok()?;
    text.lines().find(|line| line.starts_with("some")).map(str::to_owned)
}
