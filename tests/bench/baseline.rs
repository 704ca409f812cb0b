//! What this machine can do at best: the same disk, the same loopback, the same cryptography.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
    },
};

use crate::{
    figure::{note, percentile},
    support::program,
    watch::timed,
};

pub struct Baseline {
    /// 4 KiB appended and fdatasync(2): median, milliseconds.
    pub flush_ms: f64,
    /// 1 KiB there and back over TCP on loopback: median, milliseconds.
    pub loopback_ms: f64,
    /// P-256 signatures verified a second.
    pub p256_verify: f64,
    /// `valise --version` as a process: median, milliseconds.
    pub process_ms: f64,
}

pub fn measure() -> Baseline {
    let flush_ms = flush();
    note("baseline: 4 KiB + fdatasync, p50", flush_ms, "ms", None);
    let loopback_ms = loopback();
    note(
        "baseline: 1 KiB there and back, TCP loopback, p50",
        loopback_ms * 1000.0,
        "us",
        None,
    );
    let process_ms = process();
    note(
        "baseline: process `valise --version`, p50",
        process_ms,
        "ms",
        None,
    );
    note(
        "baseline: AES-256-GCM by ring, 16 KiB records",
        aes(),
        "MB/s",
        None,
    );
    let random = SystemRandom::new();
    let message = [7; 64];
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    note(
        "baseline: Ed25519 sign",
        rate(|| pair.sign(&message)),
        "/s",
        None,
    );
    let (key, signed) = (pair.public_key(), pair.sign(&message));
    let key = UnparsedPublicKey::new(&ED25519, key);
    let verify = rate(|| key.verify(&message, signed.as_ref()).unwrap());
    note("baseline: Ed25519 verify", verify, "/s", None);
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    let signed = pair.sign(&random, &message).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key());
    let p256_verify = rate(|| key.verify(&message, signed.as_ref()).unwrap());
    note("baseline: P-256 verify", p256_verify, "/s", None);
    Baseline {
        flush_ms,
        loopback_ms,
        p256_verify,
        process_ms,
    }
}

fn flush() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut file = File::create(folder.path().join("file")).unwrap();
    let samples: Vec<f64> = (0..500)
        .map(|_| {
            let write = || file.write_all(&[7; 4096]).and_then(|()| file.sync_data());
            let (done, ms) = timed(write);
            done.unwrap();
            ms
        })
        .collect();
    percentile(&samples, 50)
}

fn loopback() -> f64 {
    const TRIPS: usize = 2_000;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut bytes = [0; 1024];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes).unwrap();
        }
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut bytes = [7; 1024];
    let mut samples = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        let trip = || {
            stream
                .write_all(&bytes.clone())
                .and_then(|()| stream.read_exact(&mut bytes))
        };
        let (done, ms) = timed(trip);
        done.unwrap();
        samples.push(ms);
    }
    drop(stream);
    echo.join().unwrap();
    percentile(&samples, 50)
}

fn process() -> f64 {
    let run = || {
        std::process::Command::new(program::valise())
            .arg("--version")
            .output()
    };
    let samples: Vec<f64> = (0..20).map(|_| timed(|| run().unwrap()).1).collect();
    percentile(&samples, 50)
}

fn aes() -> f64 {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    let mut record = vec![7; 16 << 10];
    let records = rate(|| {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut record)
            .unwrap()
    });
    records * 16.384 / 1000.0
}

/// How often a second.
fn rate<T>(mut run: impl FnMut() -> T) -> f64 {
    let run = |_| drop(std::hint::black_box(run()));
    let ((), ms) = timed(|| (0..5_000).for_each(run));
    5_000.0 / ms * 1000.0
}
