//! A day in an office with the real `valised` and the real `valise`: memory, load, the commands.

use valise_client::store::Filter;
use valise_proto::api::delivery::LETTERS_MAX;

use crate::{
    baseline::Baseline,
    figure::{at_least, at_most, count, note, percentile},
    load,
    support::{Cli, Office, Person, Server, cluster, front::Front, office::free_port, server},
    watch::{Passing, ms, now, timed},
};

/// People who write, all of them also to bob.
const WRITERS: usize = 8;
/// Each writes to the next so many, and bob, together.
const NEIGHBOURS: usize = 3;
/// Letters of one writer in one conversation.
const EACH: usize = 180;
/// How often a command is run.
const RUNS: usize = 20;

pub async fn measure(best: &Baseline) {
    let (mut office, mut alice) = Office::open().await;
    let mut passing = Passing::of(&office.time);
    let mut bob = office.hire(&mut alice, "bob").await;
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(office.hire(&mut alice, &format!("writer{number}")).await);
    }
    office.stop();
    server::unlimited(&office.data());
    let server = idle(best, &office, &mut alice).await;

    let conversations = conversations();
    for (writer, conversations) in writers.iter_mut().zip(&conversations) {
        writer.sync().await;
        for people in conversations {
            let people: Vec<&str> = people.iter().map(String::as_str).collect();
            writer.send(&people, "First", "Hello").await;
        }
    }
    bob.sync().await;
    drop(passing);
    for writer in &mut writers {
        writer.sync().await;
    }
    server.stop();
    let streams = encrypt(&mut writers, &conversations);
    let server = Server::start(&office.data());
    passing = Passing::of(&office.time);
    let letters: usize = streams.iter().map(load::Stream::len).sum();
    let server = if cluster::chosen() {
        let (first, later) = streams.into_iter().map(load::Stream::halved).unzip();
        accept(best, &office, &[&server], first).await;
        server.stop();
        on_two_nodes(best, &office, later).await;
        Server::start(&office.data())
    } else {
        accept(best, &office, &[&server], streams).await;
        server
    };
    receive(&mut bob, letters).await;
    commands(best, &office, &mut bob);
    note(
        "server: resident memory after the load",
        server.resident_mb(),
        "MB",
        None,
    );
    drop(passing);
    server.stop();
    let (server, start_ms) = timed(|| Server::start(&office.data()));
    note("server: start again, after the load", start_ms, "ms", None);
    server.stop();
}

/// The same office on a PostgreSQL that flushes, by this program again.
pub fn on_postgres() {
    println!("\nthe same office on PostgreSQL");
    let program = std::env::current_exe().expect("this program");
    let mut office = std::process::Command::new(program);
    office
        .arg("office")
        .env(cluster::VARIABLE, cluster::DURABLE);
    assert!(office.status().expect("it runs").success());
}

/// Start-up, memory after 100 requests, and what a sync costs when there is nothing new.
async fn idle(best: &Baseline, office: &Office, alice: &mut Person) -> Server {
    let (server, start_ms) = timed(|| Server::start(&office.data()));
    let ratio = Some((start_ms / best.process_ms, "process"));
    at_most(
        500.0,
        "server: start until it serves",
        start_ms,
        "ms",
        ratio,
    );
    alice.sync().await;
    let (before, mut samples) = (loopback_bytes(), Vec::new());
    for _ in 0..100 {
        let start = now();
        alice.sync().await;
        samples.push(ms(start.elapsed()));
    }
    let bytes = (loopback_bytes() - before) / 100.0;
    let p50 = percentile(&samples, 50);
    let ratio = Some((p50 / best.loopback_ms, "loopback"));
    at_most(5.0, "sync, nothing new, p50", p50, "ms", ratio);
    let name = "  of it: bytes on the wire, both ways, headers included";
    at_most(10_000.0, name, bytes, "B", None);
    let name = "server: resident memory after start and 100 requests";
    at_most(30.0, name, server.resident_mb(), "MB", None);
    server
}

/// To whom each writer writes.
fn conversations() -> Vec<Vec<Vec<String>>> {
    let all = (0..WRITERS).map(|writer| {
        let mut conversations = vec![vec!["bob".to_owned()]];
        for distance in 1..=NEIGHBOURS {
            for other in [writer + distance, writer + WRITERS - distance] {
                let other = format!("writer{}", other % WRITERS);
                conversations.push(vec!["bob".to_owned(), other]);
            }
        }
        conversations
    });
    all.collect()
}

fn encrypt(writers: &mut Vec<Person>, people: &[Vec<Vec<String>>]) -> Vec<load::Stream> {
    let start = now();
    let runtime = tokio::runtime::Handle::current();
    let threads: Vec<_> = writers
        .drain(..)
        .zip(people.to_vec())
        .map(|(mut writer, people)| {
            let runtime = runtime.clone();
            std::thread::spawn(move || runtime.block_on(load::encrypt(&mut writer, &people, EACH)))
        })
        .collect();
    let streams: Vec<_> = threads
        .into_iter()
        .flat_map(|t| t.join().expect("a writer"))
        .collect();
    let letters: usize = streams.iter().map(load::Stream::len).sum();
    let rate = count(letters) / start.elapsed().as_secs_f64();
    note(
        "letters written and encrypted, 8 stores at once",
        rate,
        "/s",
        None,
    );
    streams
}

/// Two servers on one database, and before them what passes each connection on to one of them.
async fn on_two_nodes(best: &Baseline, office: &Office, streams: Vec<load::Stream>) {
    println!("two nodes, and what stands before them");
    let ports = [free_port(), free_port()];
    let nodes = ports.map(|port| Server::start_at(&office.data(), port));
    let front = Front::start(office.port(), ports.to_vec());
    accept(best, office, &[&nodes[0], &nodes[1]], streams).await;
    drop(front);
    for node in nodes {
        node.stop();
    }
}

/// One half of the letters come one by one, as people write them; the other as they leave an outbox.
async fn accept(best: &Baseline, office: &Office, nodes: &[&Server], streams: Vec<load::Stream>) {
    note("  connections of the load", count(streams.len()), "", None);
    let (alone, together) = streams.into_iter().map(load::Stream::halved).unzip();
    let name = "server: letters of 1 KiB accepted, one in a request";
    accept_so_many(best, office, nodes, (alone, 1), name).await;
    let name = "server: letters of 1 KiB accepted, up to 32 in a request";
    accept_so_many(best, office, nodes, (together, LETTERS_MAX), name).await;
}

async fn accept_so_many(
    best: &Baseline,
    office: &Office,
    nodes: &[&Server],
    (streams, together): (Vec<load::Stream>, usize),
    name: &str,
) {
    let letters = streams.iter().map(load::Stream::len).sum();
    let used = || nodes.iter().map(|node| node.cpu_s()).sum::<f64>();
    let before = used();
    let rate = load::send(office, streams, together).await;
    let cpu_us = (used() - before) / count(letters) * 1e6;
    let ratio = Some((rate * best.flush_ms / 1000.0, "one fdatasync each"));
    at_least(5_000.0, name, rate, "/s", ratio);
    note(
        "  of it: processor time of the server for a letter",
        cpu_us,
        "us",
        None,
    );
}

/// Bob was away and gets everything.
async fn receive(bob: &mut Person, letters: usize) {
    let start = now();
    let report = bob.sync().await;
    let rate = count(letters) / start.elapsed().as_secs_f64();
    assert_eq!(
        usize::try_from(report.letters).expect("a number"),
        letters,
        "{:?}",
        report.alarms
    );
    note(
        "receiver: letters decrypted and kept, catching up",
        rate,
        "/s",
        None,
    );
    let kept = bob
        .session()
        .store()
        .read()
        .letters(&Filter::default())
        .expect("letters")
        .len();
    note("  letters in the store now", count(kept), "", None);
}

fn commands(best: &Baseline, office: &Office, bob: &mut Person) {
    bob.close();
    let cli = office.cli("bob");
    run(&cli, &["unlock"]);
    let list = || run(&cli, &["list"]);
    let samples: Vec<f64> = (0..RUNS).map(|_| timed(list).1).collect();
    let p50 = percentile(&samples, 50);
    at_most(
        50.0,
        "`valise list` of this store, unlocked, whole process, p50",
        p50,
        "ms",
        Some((p50 / best.process_ms, "process")),
    );
    let search = || run(&cli, &["search", "bus", "leaves"]);
    let samples: Vec<f64> = (0..5).map(|_| timed(search).1).collect();
    note(
        "`valise search` that finds every letter, p50",
        percentile(&samples, 50),
        "ms",
        None,
    );
    let arguments = "send alice -s Point -m Bus";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let send = || run(&cli, &arguments);
    send();
    let samples: Vec<f64> = (0..RUNS).map(|_| timed(send).1).collect();
    let p50 = percentile(&samples, 50);
    let ratio = Some((p50 / best.flush_ms, "fdatasync"));
    note(
        "`valise send`, unlocked, whole process, p50",
        p50,
        "ms",
        ratio,
    );
    run(&cli, &["lock"]);
}

fn run(cli: &Cli, arguments: &[&str]) {
    let said = cli.run(arguments);
    assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
}

/// What has passed over loopback so far: bytes, TCP and IP headers included.
pub fn loopback_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/net/dev").expect("the interfaces");
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("lo:"))
        .expect("loopback");
    line.split_whitespace()
        .next()
        .expect("a number")
        .parse()
        .expect("a number")
}
