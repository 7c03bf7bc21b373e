//! A search for records that break an invariant.
#![no_main]

#[path = "../../tests/support"]
mod support {
    #[expect(dead_code, reason = "memory does not fail here")]
    pub(crate) mod heap;
    pub(crate) mod invariants;
    pub(crate) mod oracle;
    pub(crate) mod parsers;
    pub(crate) mod records;
}

use support::invariants::{check, records_in};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(&records_in(input)));
