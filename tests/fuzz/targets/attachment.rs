//! Fuzzes [`valise_proto::fuzz::attachment`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::attachment(bytes));
