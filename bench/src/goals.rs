//! What is to be reached, and what is: how the goals of `targets.rs` are looked up.

use crate::counts::Counts;
use crate::cpus::Layout;
use crate::pair::Experiment;
use crate::plan::bytes;
use crate::report::Contender;
use crate::rounds::Measurement;
use crate::setting::Setting;
use crate::statistics::Spread;

#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) goal: String,
    /// Nothing where it was not measured.
    pub(crate) measured: Option<String>,
    pub(crate) met: Option<bool>,
    /// What DAOS's own libraries do, measured in the same way.
    pub(crate) originals: String,
}

/// Which of the measurements. Both ends of the sizes are among them.
#[derive(Clone, Copy)]
pub(crate) struct Which {
    pub(crate) experiment: Experiment,
    pub(crate) cores: Layout,
    pub(crate) pair: &'static str,
    pub(crate) sizes: (u64, u64),
    /// Any, where there is none.
    pub(crate) parameter: Option<u64>,
    pub(crate) setting: Setting,
}

/// The goals so far, and what they are looked up in.
pub(crate) struct Goals<'a> {
    pub(crate) measured: &'a [Measurement],
    pub(crate) counts: &'a Counts,
    pub(crate) contenders: &'a [Contender],
    pub(crate) list: Vec<Goal>,
}

impl Goals<'_> {
    pub(crate) fn find(&self, which: Which) -> impl Iterator<Item = &Measurement> {
        self.measured.iter().filter(move |Measurement { case, pair, .. }| {
            (case.experiment, case.cores) == (which.experiment, which.cores)
                && which.parameter.is_none_or(|parameter| case.parameter == parameter)
                && pair == which.pair
                && case.setting == which.setting
                && (which.sizes.0..=which.sizes.1).contains(&case.size)
        })
    }

    pub(crate) fn push(&mut self, what: String, goal: String, originals: &str, measured: Option<(String, bool)>) {
        let (measured, met) = measured.unzip();
        self.list.push(Goal { what, goal, measured, met, originals: originals.to_owned() });
    }

    /// The largest ratio to the baseline.
    pub(crate) fn at_most(&mut self, what: impl Into<String>, limit: f64, originals: &'static str, which: Which) {
        let by_ratio = |a: &&Measurement, b: &&Measurement| a.ratio.median.total_cmp(&b.ratio.median);
        let worst = self.find(which).max_by(by_ratio);
        let measured = worst.map(|measurement| {
            let Measurement { ratio, case, .. } = measurement;
            let place = match case.experiment {
                Experiment::Placement => format!(" at offset {}", case.parameter),
                _ if which.sizes.0 == which.sizes.1 => String::new(),
                _ => format!(" at {}", bytes(case.size)),
            };
            (format!("{}{place}", spread(ratio)), rounded(ratio.median) <= limit)
        });
        self.push(what.into(), format!("≤ {limit}"), originals, measured);
    }

    /// A figure over that of another pair in the same case.
    pub(crate) fn against(
        &mut self,
        what: String,
        limit: f64,
        figure: fn(&Measurement) -> f64,
        ours: Which,
        other: Which,
    ) {
        let of = |which| self.find(which).next().map(figure);
        let measured = of(ours).zip(of(other)).map(|(ours, other)| {
            let ratio = ours / other;
            (format!("{ratio:.2}"), rounded(ratio) <= limit)
        });
        self.push(what, format!("≤ {limit}"), "none", measured);
    }

    /// Calls a second as a part of the baseline's, and perhaps a number of them that is enough by itself.
    pub(crate) fn part(&mut self, what: &str, limit: f64, enough: Option<f64>, originals: &'static str, which: Which) {
        let measured = self.find(which).next().map(|measurement| {
            let (part, rate) = (inverse(&measurement.ratio), measurement.per_second());
            let met = rounded(part.median) >= limit || enough.is_some_and(|enough| rate >= enough);
            (format!("{}: {}/s", spread(&part), thousands(rate)), met)
        });
        let enough = enough.map(|enough| format!(", or {}/s", thousands(enough))).unwrap_or_default();
        self.push(format!("{what}, {}", which.cores.name()), format!("≥ {limit}{enough}"), originals, measured);
    }

    pub(crate) fn count(&mut self, what: String, limit: f64, originals: &'static str, value: Option<f64>) {
        let measured = value.map(|value| (thousands(value), value <= limit));
        self.push(what, format!("≤ {}", thousands(limit)), originals, measured);
    }
}

/// As it is printed: what reads as the limit is at the limit.
fn rounded(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}

/// A ratio with its quartiles.
pub(crate) fn spread(ratio: &Spread) -> String {
    let Spread { median, lower_quartile, upper_quartile } = ratio;
    format!("{median:.2} ({lower_quartile:.2}–{upper_quartile:.2})")
}

/// Times to rates.
pub(crate) fn inverse(ratio: &Spread) -> Spread {
    Spread {
        median: 1.0 / ratio.median,
        lower_quartile: 1.0 / ratio.upper_quartile,
        upper_quartile: 1.0 / ratio.lower_quartile,
    }
}

/// A number with commas. Small ones keep a digit behind the point.
pub(crate) fn thousands(value: f64) -> String {
    if value.abs() < 100.0 && rounded(value).fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
