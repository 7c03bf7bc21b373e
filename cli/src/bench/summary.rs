//! The result of a load, as JSON and for people.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::load::Outcome;
use crate::exit::Failure;
use crate::output::{Output, Style};

/// The percentiles, with their names in JSON.
pub const PERCENTILES: [(&str, f64); 6] =
    [("p50", 50.0), ("p75", 75.0), ("p90", 90.0), ("p99", 99.0), ("p99_9", 99.9), ("p99_99", 99.99)];

/// The number of bars in the histogram.
const BARS: u32 = 12;

/// The longest bar in characters, and what stands around it, with room for a large number.
const BAR_LENGTH: u64 = 40;
const AROUND_BAR: usize = 32;

/// A bar of the histogram: calls whose time is in this range of nanoseconds, its end excluded.
struct Bar {
    from: u64,
    to: u64,
    calls: u64,
}

/// The result as JSON; the fields of `load` say what was measured.
pub fn json(load: Map<String, Value>, outcome: &Outcome) -> Value {
    let times = &outcome.tally.times;
    let seconds = outcome.elapsed.as_secs_f64();
    let mut latency =
        Map::from_iter([("min".to_owned(), us(times.min())), ("mean".to_owned(), json!(times.mean() / 1e3))]);
    latency.extend(PERCENTILES.map(|(name, at)| (name.to_owned(), us(times.value_at_percentile(at)))));
    latency.insert("max".to_owned(), us(times.max()));
    let bars =
        bars(times).into_iter().map(|bar| json!({ "from_us": us(bar.from), "to_us": us(bar.to), "calls": bar.calls }));
    let mut all = load;
    all.extend([
        ("calls".to_owned(), json!(outcome.tally.calls())),
        ("elapsed_s".to_owned(), json!(seconds)),
        ("calls_per_s".to_owned(), json!(outcome.tally.calls() as f64 / seconds)),
        (
            "statuses".to_owned(),
            Value::Object(outcome.tally.by_name().map(|(name, calls)| (name, json!(calls))).collect()),
        ),
        ("timed_out".to_owned(), json!(outcome.tally.timed_out)),
        ("missed".to_owned(), json!(outcome.missed)),
        ("latency_us".to_owned(), Value::Object(latency)),
        ("histogram".to_owned(), bars.collect()),
    ]);
    Value::Object(all)
}

fn us(nanoseconds: u64) -> Value {
    json!(nanoseconds as f64 / 1e3)
}

/// Writes the result for people.
pub fn write(output: &Output, outcome: &Outcome) -> Result<(), Failure> {
    let (tally, seconds) = (&outcome.tally, outcome.elapsed.as_secs_f64());
    let rate = tally.calls() as f64 / seconds;
    output.line(&format!("{} calls in {seconds:.2} s, {rate:.0} in a second", tally.calls()))?;
    if outcome.missed > 0 {
        output.line(&format!("{} calls were due and not made: this rate is too high", outcome.missed))?;
    }
    if tally.timed_out > 0 {
        output.line(&format!("{} calls were not answered in time", tally.timed_out))?;
    }
    let times = &tally.times;
    let value = |name: &str, nanoseconds| vec![name.to_owned(), text(nanoseconds)];
    let mut rows = vec![value("min", times.min())];
    rows.extend(PERCENTILES.map(|(name, at)| value(&name.replace('_', "."), times.value_at_percentile(at))));
    rows.push(value("max", times.max()));
    output.table(&["LATENCY", "TIME"], &rows)?;
    let bars = bars(times);
    let most = bars.iter().map(|bar| bar.calls).max().unwrap_or_default().max(1);
    let room = output.width().map_or(BAR_LENGTH, |width| width.saturating_sub(AROUND_BAR) as u64).clamp(1, BAR_LENGTH);
    for bar in bars {
        let length = (bar.calls * room).div_ceil(most);
        let drawn = output.paint(Style::Good, &"█".repeat(usize::try_from(length).unwrap_or_default()));
        output.line(&format!("{:>9} – {:>9} {drawn} {}", text(bar.from), text(bar.to), bar.calls))?;
    }
    Ok(())
}

/// A time in a unit that suits it, with three digits.
pub fn text(nanoseconds: u64) -> String {
    let (value, unit) = match nanoseconds {
        0..1_000_000 => (nanoseconds as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanoseconds as f64 / 1e6, "ms"),
        _ => (nanoseconds as f64 / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// The histogram: each bar ends at the same multiple of where it begins.
fn bars(times: &Histogram<u64>) -> Vec<Bar> {
    if times.is_empty() {
        return Vec::new();
    }
    let (least, most) = (times.min().max(1), times.max().max(1));
    let ratio = ((most + 1) as f64 / least as f64).powf(1.0 / f64::from(BARS));
    let edge = |at: u32| match at {
        0 => least,
        BARS => most + 1,
        at => (least as f64 * ratio.powi(at as i32)) as u64,
    };
    let mut bars: Vec<Bar> = (0..BARS).map(|at| Bar { from: edge(at), to: edge(at + 1), calls: 0 }).collect();
    for step in times.iter_recorded() {
        let at = bars.partition_point(|bar| bar.to <= step.value_iterated_to()).min(bars.len() - 1);
        if let Some(bar) = bars.get_mut(at) {
            bar.calls += step.count_since_last_iteration();
        }
    }
    bars.retain(|bar| bar.from < bar.to);
    bars
}
