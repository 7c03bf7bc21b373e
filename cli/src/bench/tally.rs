//! What becomes of calls: times, statuses, failures.

use std::collections::BTreeMap;
use std::time::Duration;

use drpc::{Cause, Error, Response, Status};
use hdrhistogram::Histogram;

use crate::exit::{Exit, Failure};

/// Counts of calls.
#[derive(Debug)]
pub struct Tally {
    /// The times in nanoseconds of the calls that were answered, or not answered in time.
    pub times: Histogram<u64>,
    /// The numbers of answers by status.
    pub statuses: BTreeMap<i32, u64>,
    /// The number of calls that were not answered in time.
    pub timed_out: u64,
    /// The first failure of a connection.
    pub failure: Option<Failure>,
}

impl Tally {
    /// No calls yet. Times have three digits.
    pub fn new() -> Result<Self, Failure> {
        let times = Histogram::new(3).map_err(Failure::usage)?;
        Ok(Self { times, statuses: BTreeMap::new(), timed_out: 0, failure: None })
    }

    /// Counts a call; false if its connection has failed.
    pub fn record(&mut self, time: Duration, result: Result<Response, Error>) -> bool {
        match result {
            Ok(response) => *self.statuses.entry(response.status).or_default() += 1,
            Err(error) if error.cause() == Cause::TimedOut => self.timed_out += 1,
            Err(error) => {
                self.failure.get_or_insert(error.into());
                return false;
            }
        }
        // The histogram grows as it needs; it has no room for a time of centuries.
        self.times.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).is_ok()
    }

    /// Adds the counts of another thread.
    pub fn add(&mut self, other: Self) -> Result<(), Failure> {
        self.times.add(other.times).map_err(Failure::usage)?;
        for (status, calls) in other.statuses {
            *self.statuses.entry(status).or_default() += calls;
        }
        self.timed_out += other.timed_out;
        self.failure = self.failure.take().or(other.failure);
        Ok(())
    }

    /// The number of calls that have a time.
    pub fn calls(&self) -> u64 {
        self.times.len()
    }

    /// The names of the statuses, with their numbers of answers.
    pub fn by_name(&self) -> impl Iterator<Item = (String, u64)> {
        self.statuses.iter().map(|(number, calls)| {
            let name = Status::try_from(*number).map(|status| status.as_str_name().to_owned());
            (name.unwrap_or_else(|_| number.to_string()), *calls)
        })
    }

    /// The failure that the exit code tells of: of a connection, of time, or of a status.
    pub fn verdict(&self) -> Result<Exit, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let calls = self.calls();
        if self.timed_out > 0 {
            return Err(Failure::new(
                Exit::NoAnswer,
                format!("{} of {calls} calls were not answered in time", self.timed_out),
            ));
        }
        let others: Vec<_> = self.by_name().filter(|(name, _)| name != Status::Success.as_str_name()).collect();
        match others.as_slice() {
            [] => Ok(Exit::Good),
            others => {
                let counts =
                    others.iter().map(|(name, calls)| format!("{name} to {calls}")).collect::<Vec<_>>().join(", ");
                Err(Failure::new(Exit::Status, format!("of {calls} calls the server answered {counts}")))
            }
        }
    }
}
