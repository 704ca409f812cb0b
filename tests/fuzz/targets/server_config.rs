//! Fuzzes [`valise_server::fuzz::server_config`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_server::fuzz::server_config(bytes));
