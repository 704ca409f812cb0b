//! Fuzzes [`valise_proto::fuzz::add_checkpoint`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::add_checkpoint(bytes));
