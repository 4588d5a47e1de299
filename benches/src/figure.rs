//! Figure: one measured number, printed as one JSON line.

use serde_json::json;

/// Prints a figure. `peer` is what it is measured against in the same run, if anything.
pub(crate) fn print(bench: &str, figure: &str, value: f64, unit: &str, peer: Option<(&str, f64)>) {
    let ratio = peer.map(|(_, other)| if other == 0.0 { 0.0 } else { round(value / other) });
    let line = json!({
        "bench": bench,
        "figure": figure,
        "value": round(value),
        "unit": unit,
        "peer": peer.map(|(name, other)| json!({"name": name, "value": round(other)})),
        "ratio": ratio,
        "machine": machine(),
        "date": today(),
    });
    println!("{line}");
}

/// Rounds to four significant figures: more would claim what a noisy machine cannot give.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// Returns the date, as results carry it.
pub(crate) fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// Returns what this machine is.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    format!("{cores} cores, {model}")
}
