//! A long run (R12): whether the server's memory and open files grow while nothing but letters pass.

use valise_client::clock::{Clock as _, System};

use crate::{
    figure::{at_most, count, note},
    support::{Office, Server},
    watch::Passing,
};

/// How long, in minutes: only if it is set.
const MINUTES: &str = "VALISE_SOAK_MINUTES";
/// The first part of the time is not counted: caches fill.
const WARM: f64 = 0.2;

pub async fn measure() {
    let minutes = asked().and_then(|it| it.parse::<f64>().ok());
    let Some(minutes) = minutes else {
        println!("soak: set {MINUTES}, such as 1440, to run it");
        return;
    };
    let (mut office, mut alice) = Office::open().await;
    let passing = Passing::of(&office.time);
    let mut bob = office.hire(&mut alice, "bob").await;
    office.stop();
    let server = Server::start(&office.data());
    let begun = System.monotonic_ms();
    let hours =
        || f64::from(u32::try_from((System.monotonic_ms() - begun) / 1000).unwrap_or(0)) / 3600.0;
    let (mut first, mut letters) = (None, 0);
    while hours() * 60.0 < minutes {
        alice
            .send(&["bob"], "News", &format!("letter {letters}"))
            .await;
        bob.sync().await;
        letters += 1;
        if first.is_none() && hours() * 60.0 > minutes * WARM {
            first = Some((hours(), server.resident_mb(), server.files()));
        }
    }
    let (since, memory, files) = first.expect("some time");
    let passed = hours() - since;
    note("soak: letters sent and read", count(letters), "", None);
    let slope = |name, value: f64, unit, most| {
        at_most(most, name, value / passed, unit, None);
    };
    let grown = server.resident_mb() - memory;
    slope(
        "soak: growth of the server's memory",
        grown,
        "MB/h",
        1.048_576,
    );
    let opened = count(server.files()) - count(files);
    slope("soak: growth of the server's open files", opened, "/h", 0.0);
    drop(passing);
    server.stop();
}

fn asked() -> Option<String> {
    std::env::var_os(MINUTES)?.into_string().ok()
}
