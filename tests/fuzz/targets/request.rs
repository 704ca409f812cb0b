//! Fuzzes [`valise_proto::fuzz::request`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::request(bytes));
