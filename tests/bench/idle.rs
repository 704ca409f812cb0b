//! What a device costs the server that is connected and says nothing.

use crate::{
    figure::{at_most, count, note},
    support::{Office, Server, server},
    watch::{Passing, timed_async},
};

/// Devices, all of one account. Memory grows in proportion: 10,000 would only take longer to make.
const DEVICES: usize = 400;
/// So many of them come before it is measured: what the first ones cost is there once.
const FIRST: usize = 100;

pub async fn measure() {
    let (mut office, mut alice) = Office::open().await;
    let passing = Passing::of(&office.time);
    office.stop();
    server::unlimited(&office.data());
    office.start().await;
    let (mut devices, mut made_ms) = (Vec::new(), 0.0);
    for number in 0..DEVICES {
        let mut device = alice.other_computer();
        device.folder = device.folder.with_extension(number.to_string());
        let ((), ms) = timed_async(device.join(&office)).await;
        made_ms += ms;
        devices.push(device);
    }
    let each = made_ms / count(DEVICES);
    note(
        "a computer added: key, log, login, packages",
        each,
        "ms",
        None,
    );
    office.stop();
    let server = Server::start(&office.data());
    alice.sync().await;
    let mut before = 0.0;
    let mut open = Vec::new();
    for device in &mut devices {
        if open.len() == FIRST {
            before = server.resident_mb();
        }
        device.online(async |_, _| Ok(())).await.expect("a session");
        let mut push = device.session().watch().await.expect("watching");
        drop(push.next().await.expect("the first page"));
        open.push(push);
    }
    let each = (server.resident_mb() - before) * 1000.0 / count(DEVICES - FIRST);
    at_most(
        20.0,
        "server: memory of a device that is connected and silent",
        each,
        "kB",
        None,
    );
    drop((open, passing));
    server.stop();
}
