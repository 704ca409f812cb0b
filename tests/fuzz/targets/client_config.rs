//! Fuzzes [`valise_client::fuzz::client_config`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_client::fuzz::client_config(bytes));
