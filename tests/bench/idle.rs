//! What a device costs the server that is connected and says nothing: ten thousand of them.

use valise_client::{
    api::{Api, Caller, Push},
    clock::Clock as _,
    provider::DeviceSigner,
};
use valise_proto::{
    id::{DeviceId, KeyId, SessionId},
    log::entry::{DeviceCertificate, Fact},
    testing::random,
};

use crate::{
    figure::{at_most, count, note},
    support::{Office, Person, Server, mallory, server},
    watch::{Passing, ms, now, timed_async},
};

/// Devices, all of one account.
const DEVICES: usize = 10_000;
/// So many of them come before it is measured: what the first ones cost is there once.
const FIRST: usize = 1_000;

/// A device that is in the log, and its session.
struct Device {
    signer: DeviceSigner,
    session: SessionId,
}

pub async fn measure() {
    let (mut office, mut alice) = Office::open().await;
    let passing = Passing::of(&office.time);
    office.stop();
    server::unlimited(&office.data());
    office.start().await;
    let mut devices = Vec::with_capacity(DEVICES);
    let adding = async {
        for _ in 0..DEVICES {
            devices.push(add(&mut alice).await);
        }
    };
    let ((), adding_ms) = timed_async(adding).await;
    let name = "a computer's entry in the log: signed, appended, proven";
    note(name, adding_ms / count(DEVICES), "ms", None);
    office.stop();
    log_in(&office, &mut alice, &devices);
    let server = Server::start(&office.data());
    alice.sync().await;
    let clock = std::sync::Arc::new(office.time.clone());
    let api = Api::new(office.card.clone(), clock).expect("a client");
    let (mut open, mut before): (Vec<Push>, f64) = (Vec::with_capacity(DEVICES), 0.0);
    let start = now();
    for device in &devices {
        if open.len() == FIRST {
            before = server.resident_mb();
        }
        let caller = Caller::Session(&device.signer, device.session);
        let mut push = Box::pin(api.push(caller)).await.expect("watching");
        drop(push.next().await.expect("the first page"));
        open.push(push);
    }
    let opening_ms = ms(start.elapsed());
    let name = "a device connects: TLS, signed request, first page";
    note(name, opening_ms / count(DEVICES), "ms", None);
    let after = server.resident_mb();
    let each = (after - before) * 1000.0 / count(DEVICES - FIRST);
    let name = "server: memory of one of 10,000 that are connected and silent";
    at_most(20.0, name, each, "kB", None);
    note("  of it: resident with all of them", after, "MB", None);
    drop((open, passing));
    server.stop();
}

/// Alice's key certifies one more device.
async fn add(alice: &mut Person) -> Device {
    let signer = DeviceSigner::from_seed(&random::<32>()).expect("a seed");
    let device = DeviceId::try_from(signer.public_key()).expect("a key");
    let org = alice.session().ledger().expect("a log").directory().org();
    let consent = DeviceCertificate::consent_bytes(org, &alice.name, device);
    let certificate = DeviceCertificate {
        account: alice.name.clone(),
        device,
        label: "laptop".to_owned().try_into().expect("a label"),
        consent: signer.sign_bytes(&consent).try_into().expect("a signature"),
    };
    let declared = alice.declare(Fact::DeviceAdd(certificate)).await;
    drop(declared.expect("the log takes it"));
    Device {
        signer,
        session: SessionId(random()),
    }
}

/// Each has logged in a moment ago: ten thousand touches would measure nothing here.
fn log_in(office: &Office, alice: &mut Person, devices: &[Device]) {
    let now_ms = i64::try_from(office.time.now_ms()).expect("a time");
    let name = alice.name.clone();
    let ledger = alice.session().ledger().expect("a log");
    let account = ledger.directory().account(&name).expect("alice");
    let KeyId(key) = *account.keys.first().expect("a key");
    let mut database = mallory::database(&office.data());
    let rows = database.transaction().expect("a transaction");
    for device in devices {
        let id = device.session;
        let ends_ms = now_ms + 12 * 3_600_000;
        let row = (
            &id.0[..],
            device.signer.public_key(),
            name.as_str(),
            &key[..],
            now_ms,
            now_ms,
            ends_ms,
        );
        rows.execute(
            "insert into session values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            row,
        )
        .expect("a row");
    }
    rows.commit().expect("rows");
}
