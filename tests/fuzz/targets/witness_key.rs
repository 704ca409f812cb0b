//! Fuzzes [`valise_proto::fuzz::witness_key`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::witness_key(bytes));
