//! Fuzzes [`valise_proto::fuzz::kept_letter`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::kept_letter(bytes));
