//! Fuzzes [`valise_proto::fuzz::history`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::history(bytes));
