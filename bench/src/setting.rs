//! How calls come, and what runs beside them.

use serde::{Deserialize, Serialize};

use crate::goals::thousands;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Setting {
    /// How often a second the client wakes up to call; 0 where it calls without a pause.
    pub(crate) rate: u64,
    /// Calls in a row, each time.
    pub(crate) burst: u64,
    /// Microseconds that the handler works.
    pub(crate) work_us: u64,
    /// Pairs that run at once.
    pub(crate) pairs: u64,
    /// Whether a process that only counts runs beside them.
    pub(crate) busy: bool,
}

/// One call after the other, by one pair alone.
pub(crate) const BACK_TO_BACK: Setting = Setting { rate: 0, burst: 1, work_us: 0, pairs: 1, busy: false };
pub(crate) const BUSY: Setting = Setting { busy: true, ..BACK_TO_BACK };
pub(crate) const RARE_AND_BUSY: Setting = Setting { busy: true, ..at_rate(1000) };
const BURSTS: Setting = Setting { burst: 20, ..at_rate(50) };
const SLOW_HANDLER: Setting = Setting { work_us: 30, ..BACK_TO_BACK };

pub(crate) const ALL: [Setting; 11] = [
    BACK_TO_BACK,
    at_rate(100),
    at_rate(1000),
    at_rate(5000),
    at_rate(20_000),
    BURSTS,
    SLOW_HANDLER,
    at_once(2),
    at_once(4),
    BUSY,
    RARE_AND_BUSY,
];
pub(crate) const QUICK: [Setting; 2] = [BACK_TO_BACK, at_rate(1000)];

/// So many calls a second.
pub(crate) const fn at_rate(rate: u64) -> Setting {
    Setting { rate, ..BACK_TO_BACK }
}

/// So many pairs.
pub(crate) const fn at_once(pairs: u64) -> Setting {
    Setting { pairs, ..BACK_TO_BACK }
}

impl Default for Setting {
    fn default() -> Self {
        BACK_TO_BACK
    }
}

impl Setting {
    /// Older results, and the other experiments, have no other one.
    pub(crate) fn is_default(&self) -> bool {
        *self == BACK_TO_BACK
    }

    pub(crate) fn title(&self) -> String {
        let Self { rate, burst, work_us, pairs, busy } = *self;
        let pace = match (rate, burst) {
            (0, _) => "back to back".to_owned(),
            (_, 1) => format!("{} calls/s", thousands(rate as f64)),
            _ => format!("{burst} in a row each {} ms", thousands(1e3 / rate as f64)),
        };
        let beside = [
            (work_us > 0).then(|| format!("handlers of {work_us} µs")),
            (pairs > 1).then(|| format!("{pairs} pairs at once")),
            busy.then(|| "a busy loop beside".to_owned()),
        ];
        [Some(pace)].into_iter().chain(beside).flatten().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_say_what_differs_from_one_pair_alone() {
        let titles = ALL.map(|setting| setting.title());
        assert_eq!(titles.first().map(String::as_str), Some("back to back"));
        assert!(titles.contains(&"5,000 calls/s".to_owned()));
        assert!(titles.contains(&"20 in a row each 20 ms".to_owned()));
        assert!(titles.contains(&"back to back, handlers of 30 µs".to_owned()));
        assert!(titles.contains(&"back to back, 4 pairs at once".to_owned()));
        assert!(titles.contains(&"1,000 calls/s, a busy loop beside".to_owned()));
    }
}
