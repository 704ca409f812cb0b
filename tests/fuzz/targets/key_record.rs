//! Fuzzes [`valise_proto::fuzz::key_record`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::key_record(bytes));
