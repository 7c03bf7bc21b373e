//! What is left of the samples.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The middle of some values, and between which two a half of them lies.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) upper_quartile: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted = values.into_iter().collect::<Vec<_>>();
        sorted.sort_by(f64::total_cmp);
        let at = |quantile| at(&sorted, quantile);
        Self { median: at(0.5), lower_quartile: at(0.25), upper_quartile: at(0.75) }
    }
}

/// The value at a quantile, between two of them if need be; 0 if there are none.
fn at(sorted: &[f64], quantile: f64) -> f64 {
    let place = quantile * (sorted.len().saturating_sub(1)) as f64;
    let value = |index: f64| sorted.get(index as usize).copied().unwrap_or_default();
    let (below, above) = (value(place.floor()), value(place.ceil()));
    below + (above - below) * place.fract()
}

/// The median of a round.
pub(crate) fn median(samples: &[u64]) -> f64 {
    Spread::of(samples.iter().map(|&sample| sample as f64)).median
}

/// Of all calls, in nanoseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) samples: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

/// Longer calls count as this long.
const LONGEST: u64 = 60_000_000_000;

#[derive(Debug)]
pub(crate) struct Calls(Histogram<u64>);

impl Calls {
    pub(crate) fn new() -> Self {
        // Three digits; the bounds are constants that it takes.
        Self(Histogram::new_with_bounds(1, LONGEST, 3).unwrap_or_else(|error| unreachable!("{error}")))
    }

    pub(crate) fn add(&mut self, samples: &[u64]) {
        samples.iter().for_each(|&sample| self.0.saturating_record(sample));
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Percentiles { samples: self.0.len(), p50: at(0.5), p99: at(0.99), p999: at(0.999), max: self.0.max() }
    }
}
