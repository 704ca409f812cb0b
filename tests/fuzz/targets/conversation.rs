//! Fuzzes [`valise_proto::fuzz::conversation`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::conversation(bytes));
