//! The load program: measures what people wait for, each figure beside its bar and beside what this
//! machine can do at best. It asserts nothing about time.
//!
//! `make bench`; or after it, for one part:
//! `cargo bench -p valise-client --features soft-key,weaken --bench load -- PART`, which is one of
//! latency, office, postgres, log, idle, growth, file, names, flood; or soak, which runs for
//! `VALISE_SOAK_MINUTES`.
//! The office of the stories needs `weaken`: it costs every check the comparison of a short text.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    reason = "a measurement stops at the first surprise, and needs only a part of the office"
)]

#[path = "bench/attachment.rs"]
mod attachment;
#[path = "bench/baseline.rs"]
mod baseline;
#[path = "bench/figure.rs"]
mod figure;
#[path = "bench/flood.rs"]
mod flood;
#[path = "bench/growth.rs"]
mod growth;
#[path = "bench/idle.rs"]
mod idle;
#[path = "bench/latency.rs"]
mod latency;
#[path = "bench/load.rs"]
mod load;
#[path = "bench/log.rs"]
mod log;
#[path = "bench/names.rs"]
mod names;
#[path = "bench/office.rs"]
mod office;
#[path = "bench/soak.rs"]
mod soak;
mod support;
#[path = "bench/watch.rs"]
mod watch;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let best = baseline::measure();
    if wants("latency") {
        runtime.block_on(latency::measure(&best));
    }
    if wants("office") {
        runtime.block_on(office::measure(&best));
    }
    if wants("postgres") {
        office::on_postgres();
    }
    if wants("log") {
        log::measure(&best);
    }
    if wants("idle") {
        runtime.block_on(idle::measure());
    }
    if wants("growth") {
        runtime.block_on(growth::measure());
    }
    if wants("file") {
        runtime.block_on(attachment::measure());
    }
    if wants("names") {
        runtime.block_on(names::measure());
    }
    if wants("flood") {
        runtime.block_on(flood::measure());
    }
    if wants("soak") {
        runtime.block_on(soak::measure());
    }
}
