//! Fuzzes [`valise_proto::fuzz::server_url`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_proto::fuzz::server_url(bytes));
