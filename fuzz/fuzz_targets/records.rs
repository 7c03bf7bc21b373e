//! Looks for records of which the claims do not hold.
#![no_main]

#[path = "../../tests/claims/mod.rs"]
mod claims;
#[expect(dead_code, reason = "memory does not fail here")]
#[path = "../../tests/heap/mod.rs"]
mod heap;
#[path = "../../tests/old_servers/mod.rs"]
mod old_servers;
#[path = "../../tests/records/mod.rs"]
mod records;
#[path = "../../tests/witness/mod.rs"]
mod witness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| claims::check(&claims::records_in(input)));
