//! Fuzzes [`valise_server::fuzz::backup_manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_server::fuzz::backup_manifest(bytes));
