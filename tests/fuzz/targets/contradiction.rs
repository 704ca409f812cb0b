//! Fuzzes [`valise_client::fuzz::contradiction`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_client::fuzz::contradiction(bytes));
