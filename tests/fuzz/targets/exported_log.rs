//! Fuzzes [`valise_server::fuzz::exported_log`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_server::fuzz::exported_log(bytes));
