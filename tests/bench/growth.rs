//! What size costs: a letter in an office of ever more people, and to ever more of them.

use crate::{
    figure::{count, note, percentile},
    office::loopback_bytes,
    support::{Office, Person, Server, server},
    watch::{Passing, ms, now, timed_async},
};

/// People in the office, alice among them.
const PEOPLE: [usize; 3] = [10, 100, 1_000];
/// Readers of a letter, its writer among them.
const READERS: [usize; 4] = [2, 10, 100, 1_000];
/// How often a letter is written.
const RUNS: usize = 5;

pub async fn measure() {
    let (mut office, mut alice) = Office::open().await;
    let passing = Passing::of(&office.time);
    office.stop();
    server::unlimited(&office.data());
    let server = Server::start(&office.data());
    let mut people: Vec<Person> = Vec::new();
    for size in PEOPLE {
        let start = now();
        let before = people.len();
        while people.len() + 1 < size {
            let name = format!("person{}", people.len());
            people.push(office.hire(&mut alice, &name).await);
        }
        let each = ms(start.elapsed()) / count(people.len() - before);
        println!("\nan office of {size} people");
        note("  somebody asks, is enrolled and joins", each, "ms", None);
        people[0].sync().await;
        let (report, sync_ms) = timed_async(people[0].sync()).await;
        assert_eq!(report.letters, 0);
        note("  sync, nothing new", sync_ms, "ms", None);
        let resident = server.resident_mb();
        note("  server: resident memory", resident, "MB", None);
    }
    for readers in READERS {
        letters(&server, &mut alice, &mut people[..readers - 1]).await;
    }
    drop(passing);
    server.stop();
}

/// The first letter of a conversation, which invites everybody, and more of them.
async fn letters(server: &Server, alice: &mut Person, others: &mut [Person]) {
    println!("\na letter to {} people", others.len() + 1);
    let names: Vec<String> = others.iter().map(|it| it.name.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (before, cpu) = (loopback_bytes(), server.cpu_s());
    let (_, first_ms) = timed_async(alice.send(&names, "First", "Hello")).await;
    note("  the first: everybody is invited", first_ms, "ms", None);
    note("  of it: bytes", loopback_bytes() - before, "B", None);
    note(
        "  of it: the server",
        (server.cpu_s() - cpu) * 1000.0,
        "ms",
        None,
    );
    let reader = others.last_mut().expect("a reader");
    let (report, joined_ms) = timed_async(reader.sync()).await;
    assert_eq!(report.letters, 1);
    note("  one reader joins and reads it", joined_ms, "ms", None);
    let (mut samples, mut read) = (Vec::new(), Vec::new());
    let (before, cpu) = (loopback_bytes(), server.cpu_s());
    for _ in 0..RUNS {
        let (_, ms) = timed_async(alice.send(&names, "Next", "The bus leaves at 7.")).await;
        samples.push(ms);
    }
    let (bytes, cpu) = (loopback_bytes() - before, server.cpu_s() - cpu);
    for _ in 0..RUNS {
        let (_, ms) = timed_async(reader.sync()).await;
        read.push(ms);
    }
    note("  the next, p50", percentile(&samples, 50), "ms", None);
    note("  of it: bytes", bytes / count(RUNS), "B", None);
    note(
        "  of it: the server",
        cpu * 1000.0 / count(RUNS),
        "ms",
        None,
    );
    note(
        "  one reader looks in, p50",
        percentile(&read, 50),
        "ms",
        None,
    );
}
