//! Fuzzes [`valise_server::fuzz::client_data`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_server::fuzz::client_data(bytes));
