//! Asking to be enrolled.

use data_encoding::BASE64URL_NOPAD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use valise_proto::{
    api::{
        self, ErrorCode,
        enrolment::{Ask, Challenge, Pending, Registration, Status},
    },
    codec::{Bytes, encode},
    id::EnrolmentId,
    key::{Credential, SOFT_KEY_MODEL},
    log::entry::{AttestationAuthority, Policy},
    statement::sha256,
    testing,
};

use super::support::{Answer, Person, Request, TestServer, URL};
use crate::{account::enrolment::EnrolmentError, clock::Clock};

/// The JSON that a key signs in a registration.
fn client_data(challenge: [u8; 32]) -> Vec<u8> {
    let challenge = BASE64URL_NOPAD.encode(&challenge);
    format!(r#"{{"type":"webauthn.create","challenge":"{challenge}","origin":"{URL}"}}"#)
        .into_bytes()
}

/// Authenticator data with a new credential (WebAuthn §6.5.1).
fn authenticator_data(party: &str, credential: &Credential, model: [u8; 16], flags: u8) -> Vec<u8> {
    let id = credential.id.as_slice();
    let mut data = sha256(&[party.as_bytes()]).to_vec();
    data.push(flags);
    data.extend([0; 4]);
    data.extend(model);
    data.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
    data.extend(id);
    // COSE_Key {1: EC2, 3: ES256, -1: P-256, -2: x, -3: y}
    data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
    data.extend(&credential.public_key[1..33]);
    data.extend([0x22, 0x58, 0x20]);
    data.extend(&credential.public_key[33..]);
    data
}

/// CBOR {fmt, attStmt, authData}.
fn attestation_object(format: &[u8], statement: &[u8], data: &[u8]) -> Bytes<8192> {
    let mut object = b"\xa3\x63fmt".to_vec();
    object.push(0x60 + u8::try_from(format.len()).unwrap());
    object.extend(format);
    object.extend(b"\x67attStmt");
    object.extend(statement);
    object.extend(b"\x68authData\x58");
    object.push(u8::try_from(data.len()).unwrap());
    object.extend(data);
    object.try_into().unwrap()
}

/// A registration without attestation, as a key makes it for `party`.
fn registration(
    party: &str,
    credential: &Credential,
    model: [u8; 16],
    challenge: [u8; 32],
    flags: u8,
) -> Registration {
    let data = authenticator_data(party, credential, model, flags);
    Registration {
        attestation_object: attestation_object(b"none", b"\xa0", &data),
        client_data: client_data(challenge).try_into().unwrap(),
    }
}

/// A maker of keys: its authority, and a batch of keys that it attests.
struct Maker {
    authority: Vec<u8>,
    batch: Vec<u8>,
    signer: EcdsaKeyPair,
}

impl Maker {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Maker");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = params.self_signed(&key).unwrap().der().to_vec();
        let issuer = Issuer::new(params, key);
        let batch_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // WebAuthn §8.2.1
        let name = &mut params.distinguished_name;
        name.push(DnType::CountryName, "FR");
        name.push(DnType::OrganizationName, "Maker");
        name.push(DnType::OrganizationalUnitName, "Authenticator Attestation");
        name.push(DnType::CommonName, "Batch");
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        let batch = params
            .signed_by(&batch_key, &issuer)
            .unwrap()
            .der()
            .to_vec();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = batch_key.serialize_der();
        let signer = EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8, &SystemRandom::new()).unwrap();
        Self {
            authority,
            batch,
            signer,
        }
    }

    /// A registration with packed attestation (WebAuthn §8.2).
    fn attest(
        &self,
        party: &str,
        credential: &Credential,
        model: [u8; 16],
        challenge: [u8; 32],
    ) -> Registration {
        let data = authenticator_data(party, credential, model, FLAGS);
        let client_data = client_data(challenge);
        let signed = [&data[..], &sha256(&[&client_data])].concat();
        let signature = self.signer.sign(&SystemRandom::new(), &signed).unwrap();
        let mut statement = b"\xa3\x63alg\x26\x63sig\x58".to_vec();
        statement.push(u8::try_from(signature.as_ref().len()).unwrap());
        statement.extend(signature.as_ref());
        statement.extend(b"\x63x5c\x81\x59");
        statement.extend(u16::try_from(self.batch.len()).unwrap().to_be_bytes());
        statement.extend(&self.batch);
        Registration {
            attestation_object: attestation_object(b"packed", &statement, &data),
            client_data: client_data.try_into().unwrap(),
        }
    }
}

const FLAGS: u8 = 0b0100_0101;

fn ask(server: &TestServer, person: &Person, challenge: [u8; 32]) -> Ask {
    let record = &person.key.record;
    let party = format!("valise:{}", server.card.tag);
    Ask {
        name: person.name.clone(),
        device: person.device.id(),
        key: record.clone(),
        statement: registration(&party, &record.statement, record.model, challenge, FLAGS),
        login: registration("localhost", &record.login, record.model, challenge, FLAGS),
    }
}

fn target(id: EnrolmentId) -> String {
    format!("/v1/enrolments/{id}")
}

async fn challenge(server: &TestServer) -> Challenge {
    server.anybody("POST", api::ENROLMENTS).await.read()
}

async fn put(server: &TestServer, person: &Person, id: EnrolmentId, ask: &Ask) -> Answer {
    server
        .as_device(person, "PUT", &target(id), Some(ask))
        .await
}

async fn status(server: &TestServer, person: &Person, id: EnrolmentId) -> Answer {
    server
        .as_device::<Ask>(person, "GET", &target(id), None)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_waits_until_an_admin_signs() {
    let (mut server, alice) = TestServer::start().await;
    let bob = Person::new("bob");
    let given = challenge(&server).await;
    let asked = ask(&server, &bob, given.challenge);
    put(&server, &bob, given.id, &asked).await.done();
    put(&server, &bob, given.id, &asked).await.done();
    assert_eq!(
        status(&server, &bob, given.id).await.read::<Status>(),
        Status::Waiting
    );
    status(&server, &alice, given.id)
        .await
        .refused(ErrorCode::NotFound);
    let pending: Pending = server.get(&alice, api::ENROLMENTS).await.read();
    assert_eq!(pending.asks.len(), 1);
    assert_eq!(pending.asks[0].ask, asked);
    let entry = testing::account_add(&server.directory, &bob.name, &bob.key, &[&alice.key]);
    server.append(&alice, entry).await;
    assert_eq!(
        status(&server, &bob, given.id).await.read::<Status>(),
        Status::Enrolled
    );
    let pending: Pending = server.get(&alice, api::ENROLMENTS).await.read();
    assert!(pending.asks.is_empty());
    assert_eq!(
        status(&server, &bob, given.id).await.read::<Status>(),
        Status::Enrolled
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e03_an_ask_is_refused_by_an_admin_by_age_or_by_its_name() {
    let (mut server, alice) = TestServer::start().await;
    let [bob, carol, dave] = ["bob", "carol", "dave"].map(Person::new);
    let mut ids = Vec::new();
    for person in [&bob, &carol, &dave] {
        let given = challenge(&server).await;
        let asked = ask(&server, person, given.challenge);
        put(&server, person, given.id, &asked).await.done();
        ids.push(given.id);
    }
    let refuse = server.signed(&alice, "DELETE", &target(ids[0]), Vec::new());
    server.send(&refuse).await.done();
    let impostor = Person::new("carol");
    let entry = testing::account_add(&server.directory, &carol.name, &impostor.key, &[&alice.key]);
    server.append(&alice, entry).await;
    for (person, id, expected) in [
        (&bob, ids[0], Status::Refused),
        (&carol, ids[1], Status::Refused),
        (&dave, ids[2], Status::Waiting),
    ] {
        assert_eq!(status(&server, person, id).await.read::<Status>(), expected);
    }
    server.clock.advance(24 * 3_600_000);
    assert_eq!(
        status(&server, &dave, ids[2]).await.read::<Status>(),
        Status::Refused
    );
    let given = challenge(&server).await;
    server.clock.advance(10 * 60_000);
    let late = ask(&server, &bob, given.challenge);
    put(&server, &bob, given.id, &late)
        .await
        .refused(ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d18_a_taken_name_is_asked_for_as_any_other() {
    let (server, alice) = TestServer::start().await;
    let thief = Person::new("alice");
    let given = challenge(&server).await;
    let asked = ask(&server, &thief, given.challenge);
    put(&server, &thief, given.id, &asked).await.done();
    assert_eq!(
        status(&server, &thief, given.id).await.read::<Status>(),
        Status::Waiting
    );
    assert_eq!(alice.name, thief.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn l05_l10_only_a_sound_registration_is_taken() {
    let (server, _) = TestServer::start().await;
    let party = format!("valise:{}", server.card.tag);
    let bob = Person::new("bob");
    let (record, given) = (&bob.key.record, challenge(&server).await);
    let model = record.model;
    let statement = |flags| registration(&party, &record.statement, model, given.challenge, flags);
    let good = ask(&server, &bob, given.challenge);
    let spoils: [(&str, Ask); 8] = [
        (
            "no PIN",
            Ask {
                statement: statement(0b0100_0001),
                ..good.clone()
            },
        ),
        (
            "synced",
            Ask {
                statement: statement(0b0101_1101),
                ..good.clone()
            },
        ),
        (
            "backup-eligible",
            Ask {
                statement: statement(0b0100_1101),
                ..good.clone()
            },
        ),
        (
            "L for S",
            Ask {
                statement: good.login.clone(),
                ..good.clone()
            },
        ),
        (
            "web S",
            Ask {
                statement: registration(
                    "localhost",
                    &record.statement,
                    model,
                    given.challenge,
                    FLAGS,
                ),
                ..good.clone()
            },
        ),
        (
            "another challenge",
            Ask {
                login: registration("localhost", &record.login, model, [1; 32], FLAGS),
                ..good.clone()
            },
        ),
        (
            "another model",
            Ask {
                login: registration("localhost", &record.login, [9; 16], given.challenge, FLAGS),
                ..good.clone()
            },
        ),
        (
            "another key",
            Ask {
                key: Person::new("bob").key.record,
                ..good.clone()
            },
        ),
    ];
    for (case, spoiled) in spoils {
        let answer = put(&server, &bob, given.id, &spoiled).await;
        assert_eq!(
            answer.problem().map(|p| p.0),
            Some(ErrorCode::Refused),
            "{case}"
        );
    }
    let mut soft = Person::new("bob");
    soft.key.record.model = SOFT_KEY_MODEL;
    let asked = ask(&server, &soft, given.challenge);
    put(&server, &soft, given.id, &asked)
        .await
        .refused(ErrorCode::Refused);
    // Somebody else's signature, somebody else's answer.
    put(&server, &Person::new("eve"), given.id, &good)
        .await
        .refused(ErrorCode::Forbidden);
    put(&server, &bob, given.id, &good).await.done();
    let other = Ask {
        name: "bobby".parse().unwrap(),
        ..good
    };
    put(&server, &bob, given.id, &other)
        .await
        .refused(ErrorCode::Conflict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l17_one_address_asks_so_often_and_no_more() {
    let (server, _) = TestServer::start_with(Policy::default(), |config| {
        config.enrolments_per_ip_hour = 5;
        config.enrolments_pending_max = 2;
        config.logins_per_ip_minute = 3;
    })
    .await;
    let mut given = Vec::new();
    for _ in 0..5 {
        given.push(challenge(&server).await);
    }
    server
        .anybody("POST", api::ENROLMENTS)
        .await
        .refused(ErrorCode::TooMany);
    for (index, given) in given.into_iter().enumerate().take(3) {
        let person = Person::new("bob");
        let asked = ask(&server, &person, given.challenge);
        let request = Request::unsigned("PUT", &target(given.id), encode(&asked));
        let request = request.sign(&person.device, None, server.clock.now_ms());
        let expected = if index < 2 { 204 } else { 429 };
        assert_eq!(server.send(&request).await.status, expected);
    }
    server.clock.advance(60_000);
    for expected in [200, 200, 200, 429] {
        assert_eq!(server.anybody("POST", api::LOGIN).await.status, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l17_a_flood_of_asks_gives_way_to_somebody_else() {
    let (mut server, _) = TestServer::start_with(Policy::default(), |config| {
        config.enrolments_pending_max = 3;
        config.enrolments_pending_per_block_max = 3;
    })
    .await;
    let service = server.reopen().await.service;
    let enrolments = &service.enrolments;
    let mut given = Vec::new();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1"] {
        let given_one = enrolments.challenge(address.parse().unwrap()).await;
        given.push(given_one.unwrap());
    }
    let fourth = enrolments.challenge("192.0.2.4".parse().unwrap()).await;
    assert!(matches!(fourth, Err(EnrolmentError::TooMany)));
    for given in &given {
        let person = Person::new("bob");
        let asked = ask(&server, &person, given.challenge);
        let device = person.device.id();
        enrolments.ask(device, given.id, &asked).await.unwrap();
        server.clock.advance(1_000);
    }
    let waiting = enrolments.pending().await.unwrap().asks;
    let waiting: Vec<_> = waiting.iter().map(|ask| ask.id).collect();
    assert_eq!(waiting, [given[1].id, given[2].id, given[3].id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l10_an_attested_key_is_of_an_allowed_model_by_an_allowed_maker() {
    let (maker, forger) = (Maker::new(), Maker::new());
    let model = testing::HARD_KEY_MODEL;
    let policy = Policy {
        attestation: vec![AttestationAuthority {
            certificate: maker.authority.clone().try_into().unwrap(),
            models: vec![model],
        }],
        ..Policy::default()
    };
    let (server, _) = TestServer::start_with(policy, |_| {}).await;
    let party = format!("valise:{}", server.card.tag);
    let attested = |person: &Person, by: &Maker, challenge| Ask {
        statement: by.attest(
            &party,
            &person.key.record.statement,
            person.key.record.model,
            challenge,
        ),
        login: by.attest(
            "localhost",
            &person.key.record.login,
            person.key.record.model,
            challenge,
        ),
        ..ask(&server, person, challenge)
    };
    let bob = Person::new("bob");
    let given = challenge(&server).await;
    let good = attested(&bob, &maker, given.challenge);
    let mut other_model = Person::new("bob");
    other_model.key.record.model = [9; 16];
    for (case, refused) in [
        ("no attestation", ask(&server, &bob, given.challenge)),
        ("another maker", attested(&bob, &forger, given.challenge)),
        (
            "another model",
            Ask {
                device: bob.device.id(),
                ..attested(&other_model, &maker, given.challenge)
            },
        ),
        (
            "half attested",
            Ask {
                login: ask(&server, &bob, given.challenge).login,
                ..good.clone()
            },
        ),
    ] {
        let answer = put(&server, &bob, given.id, &refused).await;
        assert_eq!(
            answer.problem().map(|p| p.0),
            Some(ErrorCode::Refused),
            "{case}"
        );
    }
    put(&server, &bob, given.id, &good).await.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l10_a_second_key_shows_where_it_comes_from_before_it_is_added() {
    let maker = Maker::new();
    let policy = Policy {
        attestation: vec![AttestationAuthority {
            certificate: maker.authority.clone().try_into().unwrap(),
            models: vec![testing::HARD_KEY_MODEL],
        }],
        ..Policy::default()
    };
    let (server, alice) = TestServer::start_with(policy, |_| {}).await;
    let mut second = Person::new("alice");
    let entry = testing::key_add(&server.directory, &alice.name, &second.key, &[&alice.key]);
    let add = || server.signed(&alice, "POST", api::LOG, entry.clone());
    server.send(&add()).await.refused(ErrorCode::Refused);
    let party = format!("valise:{}", server.card.tag);
    let record = second.key.record.clone();
    for name in ["bob", "alice"] {
        // Shown for one account, it is added to no other.
        server.send(&add()).await.refused(ErrorCode::Refused);
        second.name = name.parse().unwrap();
        let given = challenge(&server).await;
        let attest = |party: &str, credential| {
            maker.attest(party, credential, record.model, given.challenge)
        };
        let shown = Ask {
            statement: attest(&party, &record.statement),
            login: attest("localhost", &record.login),
            ..ask(&server, &second, given.challenge)
        };
        put(&server, &second, given.id, &shown).await.done();
    }
    assert_eq!(server.send(&add()).await.status, 200);
    // Said again, it is answered as the first time.
    assert_eq!(server.send(&add()).await.status, 200);
}
