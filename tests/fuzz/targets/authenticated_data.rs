//! Fuzzes [`valise_proto::fuzz::authenticated_data`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::authenticated_data(bytes));
