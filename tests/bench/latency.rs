//! From "send" to "decrypted and durable at the receiver", who is connected by push.

use std::{sync::mpsc, thread, time::Instant};

use valise_client::{mail::Draft, session::Session, sync::Report};

use crate::{
    baseline::Baseline,
    figure::{at_least, at_most, count, note, percentile},
    load,
    support::{Office, Person},
    watch::{Passing, ms, now},
};

/// Letters that are measured.
const LETTERS: usize = 600;
/// Letters before that, not measured.
const WARM: usize = 50;
/// Letters of a sender who has not looked at the server for a while.
const RESTED: usize = 100;
/// Letters that wait in the outbox until they go one after the other.
const WAITING: usize = 500;

/// When one letter passed which point.
struct Letter {
    begun: Instant,
    written: Instant,
    accepted: Instant,
    arrived: Instant,
    durable: Instant,
}

pub async fn measure(best: &Baseline) {
    let (office, mut alice) = Office::open().await;
    let passing = Passing::of(&office.time);
    let mut bob = office.hire(&mut alice, "bob").await;
    alice.send(&["bob"], "First", "Hello").await;
    bob.sync().await;
    let received = connect(bob);
    // Whoever has a session with the server needs no touch from here on.
    alice.online(async |_, _| Ok(())).await.expect("logging in");
    let session = alice.session();
    for _ in 0..WARM {
        one(session, &received).await;
    }
    let mut letters = Vec::with_capacity(LETTERS);
    for _ in 0..LETTERS {
        letters.push(one(session, &received).await);
    }
    print(best, &letters);
    drop(passing);
    let mut rested = Vec::with_capacity(RESTED);
    for _ in 0..RESTED {
        office.time.pass(6_000);
        rested.push(one(session, &received).await);
    }
    let all = samples(&rested, |l| (l.begun, l.durable));
    note(
        "  same, sender first asks the server for news, p50",
        percentile(&all, 50),
        "ms",
        None,
    );
    let rate = in_a_row(session, &received).await;
    let name = "letters in a row, from one to the other";
    at_least(1_000.0, name, rate, "/s", None);
}

/// Letters that waited, a second, until the last one is durable at the receiver.
async fn in_a_row(session: &mut Session, received: &mpsc::Receiver<(Instant, Instant)>) -> f64 {
    for _ in 0..WAITING {
        session.write(draft()).expect("writing");
    }
    let start = now();
    session.sync().await.expect("sending");
    for _ in 0..WAITING {
        received.recv().expect("receiving");
    }
    count(WAITING) / start.elapsed().as_secs_f64()
}

fn print(best: &Baseline, letters: &[Letter]) {
    let all = samples(letters, |letter| (letter.begun, letter.durable));
    let p50 = percentile(&all, 50);
    at_most(
        4.0,
        "letter of 1 KiB: send -> decrypted at the receiver, p50",
        p50,
        "ms",
        Some((p50 / best.flush_ms, "fdatasync")),
    );
    let p99 = percentile(&all, 99);
    let ratio = Some((p99 / best.flush_ms, "fdatasync"));
    at_most(20.0, "  same, p99", p99, "ms", ratio);
    let part = |name: &str, of: fn(&Letter) -> (Instant, Instant)| {
        note(name, percentile(&samples(letters, of), 50), "ms", None);
    };
    part("  of it: written into the outbox", |l| (l.begun, l.written));
    part("  of it: encrypted, and accepted by the server", |l| {
        (l.written, l.accepted)
    });
    part("  of it: written -> page at the receiver", |l| {
        (l.written, l.arrived)
    });
    part("  of it: decrypted and durable", |l| (l.arrived, l.durable));
}

fn samples(letters: &[Letter], part: impl Fn(&Letter) -> (Instant, Instant)) -> Vec<f64> {
    let parts = letters.iter().map(part);
    parts
        .map(|(from, to)| ms(to.saturating_duration_since(from)))
        .collect()
}

fn draft() -> Draft {
    load::draft(&["bob".to_owned()])
}

async fn one(session: &mut Session, received: &mpsc::Receiver<(Instant, Instant)>) -> Letter {
    let draft = draft();
    let begun = now();
    let number = session.write(draft).expect("writing");
    let written = now();
    session.send(number).await.expect("sending");
    let accepted = now();
    let (arrived, durable) = received.recv().expect("receiving");
    Letter {
        begun,
        written,
        accepted,
        arrived,
        durable,
    }
}

/// The receiver, on a thread of its own as on a machine of its own: says when each letter's page
/// arrived, and when the letter was durable.
fn connect(mut bob: Person) -> mpsc::Receiver<(Instant, Instant)> {
    let (tell, told) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            bob.reopen();
            bob.online(async |_, _| Ok(())).await.expect("logging in");
            let session = bob.session();
            let mut push = session.watch().await.expect("watching");
            ready.send(()).expect("somebody waits");
            while let Ok(Some(page)) = push.next().await {
                let arrived = now();
                let mut report = Report::default();
                let ack = session.receive(page, &mut report).await.expect("a page");
                for _ in 0..report.letters {
                    tell.send((arrived, now())).ok();
                }
                if let Some(ack) = ack {
                    push.acknowledge(&ack).await.expect("acknowledging");
                }
            }
        });
    });
    is_ready.recv().expect("the receiver is connected");
    told
}
