//! Fuzzes [`valise_proto::fuzz::leaf_identity`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::leaf_identity(bytes));
