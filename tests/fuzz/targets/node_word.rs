//! Fuzzes [`valise_server::fuzz::node_word`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| valise_server::fuzz::node_word(bytes));
