//! What an operator's surroundings hand to the server: a socket, files through pipes, a renewed certificate.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use rcgen::{CertificateParams, KeyPair};
use valise_proto::card::Card;

use crate::support::site::Site;

/// Goal: a restart under systemd refuses nobody. Method: the test holds the socket, as systemd does.
#[test]
fn who_connects_during_a_restart_waits_for_it() {
    let (mut site, alice) = Site::open();
    site.stop();
    let address = site.url().replace("https://localhost", "127.0.0.1");
    let socket = TcpListener::bind(address).unwrap();
    // It could not bind this one: only the socket that it is given leads to it.
    site.start_on(&socket);
    alice.must(&["sync"]);
    site.stop();
    let _queued = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let waits = alice.start(&["sync"]);
    site.start_on(&socket);
    assert_eq!(crate::support::site::code(&mut { waits }), 0);
}

/// Goal: a container without a shared folder can be founded. Method: everything through pipes.
#[test]
fn the_card_comes_out_of_a_pipe() {
    let (site, _) = Site::open();
    let init = |genesis: Stdio| {
        site.valised("init --data other --genesis - --card -")
            .env("VALISED_LISTEN", "127.0.0.1:1")
            .stdin(genesis)
            .output()
            .unwrap()
    };
    let refused = init(File::open("/dev/zero").unwrap().into());
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let made = init(File::open(site.path("genesis.valise")).unwrap().into());
    assert!(made.status.success(), "{made:?}");
    let card: Card = String::from_utf8(made.stdout).unwrap().parse().unwrap();
    let first: Card = fs::read_to_string(site.path("card.valise"))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!((card.org, card.url), (first.org, first.url));
}

/// Goal: an own certificate is renewed without a restart, and a new key is not taken by mistake.
#[test]
fn a_certificate_is_renewed_by_a_signal() {
    let mut site = Site::empty();
    let alice = site.person("alice");
    let key = KeyPair::generate().unwrap();
    fs::write(site.path("own.key"), key.serialize_pem()).unwrap();
    certify(&site, &key);
    site.found(
        &alice,
        &[
            ("VALISED_TLS_CERTIFICATE", "own.crt"),
            ("VALISED_TLS_KEY", "own.key"),
        ],
    );
    site.configure("tls_certificate = \"own.crt\"\ntls_key = \"own.key\"");
    site.start();
    alice.must(&["join", &site.path("card.valise")]);

    certify(&site, &key);
    assert!(site.hang_up().contains("loaded again"));
    alice.must(&["sync"]);
    site.operate("healthcheck --data server");

    let other = KeyPair::generate().unwrap();
    certify(&site, &other);
    fs::write(site.path("own.key"), other.serialize_pem()).unwrap();
    let said = site.hang_up();
    assert!(said.contains("with the same key"), "{said}");
    alice.must(&["sync"]);
    // It still shows the old one; but it would not start again.
    site.operate("healthcheck --data server");
    site.stop();
    refused(&site, "the TLS key is");
    certify(&site, &key);
    fs::write(site.path("own.key"), key.serialize_pem()).unwrap();
    site.start();
    alice.must(&["sync"]);
}

/// The server does not start, in this sentence, and the doctor agrees.
fn refused(site: &Site, sentence: &str) {
    let serve = site.operator("serve --data server");
    assert_eq!(serve.code, 4, "{serve:?}");
    for part in [sentence, "Nothing is served", "valised backup restore"] {
        assert!(serve.err.contains(part), "{part}: {serve:?}");
    }
    let doctor = site.operator("doctor --data server");
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.out.contains(sentence), "{doctor:?}");
}

/// Goal: a server that is not the one on the card makes nobody alarm. Method: another organisation's files.
#[test]
fn a_server_that_is_not_the_card_s_does_not_start() {
    let (mut site, alice) = Site::open();
    let handed_out = fs::read_to_string(site.path("card.valise")).unwrap();
    assert_eq!(site.operator("card --data server").done().out, handed_out);
    site.operate("backup create --data server --to backups");
    site.stop();

    let (other, _bob) = Site::open();
    for (file, sentence) in [("log.key", "the log key is"), ("tls.crt", "the TLS key is")] {
        let path = site.path(&format!("server/{file}"));
        let own = fs::read(&path).unwrap();
        fs::copy(other.path(&format!("server/{file}")), &path).unwrap();
        refused(&site, sentence);
        fs::write(&path, own).unwrap();
    }
    let card = site.path("server/card.valise");
    let elsewhere = handed_out.replace("https://localhost", "https://elsewhere.example");
    fs::write(&card, elsewhere).unwrap();
    refused(&site, "the server's address is");
    fs::write(&card, "nothing").unwrap();
    let nothing = site.operator("serve --data server");
    assert!(
        nothing.code == 1 && nothing.err.contains("no organisation card"),
        "{nothing:?}"
    );

    // One from before cards were kept is served as ever.
    fs::remove_file(&card).unwrap();
    assert_eq!(site.operator("card --data server").code, 1);
    let doctor = site.operator("doctor --data server").done();
    assert!(doctor.out.contains("keeps no card"), "{doctor:?}");
    site.start();
    site.operate("healthcheck --data server");
    alice.must(&["sync"]);
    site.stop();

    let mut backups = fs::read_dir(site.path("backups")).unwrap();
    let backup = backups.next().unwrap().unwrap().path();
    site.operate(&format!(
        "backup restore {} --data server --replace",
        backup.display()
    ));
    assert_eq!(fs::read_to_string(&card).unwrap(), handed_out);
    site.start();
    alice.must(&["sync"]);
}

fn certify(site: &Site, key: &KeyPair) {
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let pem = params.self_signed(key).unwrap().pem();
    fs::write(site.path("own.crt"), pem).unwrap();
}
