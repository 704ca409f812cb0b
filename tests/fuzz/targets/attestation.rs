//! Fuzzes [`valise_client::fuzz::attestation`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_client::fuzz::attestation(bytes));
