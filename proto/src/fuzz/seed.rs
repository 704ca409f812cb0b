//! Fixed values of every type, as the fuzzers' first inputs. No key is real, no signature verifies.
#![expect(
    clippy::unwrap_used,
    reason = "tests' own values: a failure here is the test's failure"
)]

use crate::{
    api::{self, delivery, directory, enrolment, key_package, login, proposal},
    attachment::{FileKey, Sealer},
    card::Card,
    codec::{Bytes, Text, encode},
    conversation::{AuthenticatedData, Conversation, LeafIdentity},
    history::{self, KeptLetter, Manifest, SealedKey, SignedManifest, Standing},
    id::{
        DeviceId, EnrolmentId, GroupId, Hash, KeyId, LetterId, Name, OrgId, OrgTag, SessionId,
        SubmissionId, ThreadId,
    },
    key::{Credential, Ed25519Key, KeyRecord, VAULT_PUBLIC_LEN},
    letter::{Attachment, Format, Letter},
    log::{
        Head,
        checkpoint::{self, SignedHead},
        entry::{
            AccountAdd, AccountRestore, AccountSuspend, AdminAdd, AdminRemove,
            AttestationAuthority, Batch, DeviceCertificate, DeviceRevoke, Entry, Fact, Genesis,
            KeyAdd, KeyRevoke, ListSet, Policy, PolicySet, RecoveryBegin, RecoveryFinish,
            RecoveryVeto, Statement, ThresholdSet, Witness,
        },
        evidence::Evidence,
        merkle::{Tree, leaf_hash},
        witness::{AddCheckpoint, format_size},
    },
    request::{self, Parameters},
    statement::{AUTHENTICATOR_DATA_LEN, StatementSignature},
    testing::{HARD_KEY_MODEL, SoftDevice, TIME_MS},
};

/// The organisation of the seeds.
pub const ORG: OrgId = OrgId([1; 32]);
/// Secret of the seeds' server.
pub const SERVER_SEED: [u8; 32] = [4; 32];

const HEAD: Head = Head {
    size: 42,
    root: Hash([5; 32]),
};

/// One input.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Which target it is for.
    pub target: &'static str,
    /// Its file's name.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// Every seed.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, name: &str, bytes| {
        seeds.push(Seed {
            target,
            name: name.to_owned(),
            bytes,
        });
    };
    for fact in facts() {
        add("entry", fact.kind(), encode(&entry(fact.clone())));
    }
    for (which, name, body) in bodies() {
        add("api", name, [vec![which], body].concat());
    }
    add("add_checkpoint", "grown", add_checkpoint(3).into_bytes());
    add("add_checkpoint", "first", add_checkpoint(0).into_bytes());
    add("add_checkpoint", "size", format_size(42).into_bytes());
    add("attachment", "small", sealed_file());
    add("authenticated_data", "gossip", encode(&gossip()));
    add("card", "card", card().to_string().into_bytes());
    add("checkpoint", "signed", note().into_bytes());
    let witness = "\u{2014} witness.example/w1 AAAAAAAA\n";
    add(
        "checkpoint",
        "witnessed",
        format!("{}{witness}", note()).into_bytes(),
    );
    let cosigned = format!("{}{}", note(), cosignature(&note(), TIME_MS / 1000));
    add("checkpoint", "cosigned", cosigned.into_bytes());
    add("conversation", "two", encode(&conversation()));
    add("evidence", "fork", evidence().into_bytes());
    add("history", "manifest", encode(&manifest()));
    add("kept_letter", "letter", encode(&kept_letter()));
    add("key_record", "key", encode(&key(1)));
    add("leaf_identity", "leaf", encode(&leaf()));
    add("letter", "padded", letter().to_padded());
    add(
        "request",
        "parameters",
        parameters().to_header().into_bytes(),
    );
    add(
        "request",
        "signature",
        request::signature(&[7; 64]).into_bytes(),
    );
    let session = request::session(Some(SessionId([1; 16])));
    add("request", "session", session.into_bytes());
    add(
        "server_url",
        "port",
        b"https://mail.campagne.example:8443".to_vec(),
    );
    add(
        "server_url",
        "default",
        b"https://mail.campagne.example".to_vec(),
    );
    for (number, witness) in policy().witnesses.iter().enumerate() {
        let name = format!("witness{number}");
        add("witness_key", &name, witness.to_string().into_bytes());
    }
    seeds
}

/// A log of five entries that asks a witness to sign, from `old` entries on.
fn add_checkpoint(old: u64) -> String {
    let mut tree = Tree::default();
    for index in 0..5 {
        tree.append(leaf_hash(&[index]));
    }
    let server = SoftDevice::from_seed(SERVER_SEED);
    let key = Ed25519Key::try_from(server.id().0).unwrap();
    let request = AddCheckpoint {
        old,
        proof: tree.consistency(old, tree.size()).unwrap(),
        checkpoint: checkpoint::format_signed(ORG, tree.head(), key, |text| server.sign(text)),
    };
    request.to_text()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    text.to_owned().try_into().unwrap()
}

fn bytes<const MAX: usize>(byte: u8, length: usize) -> Bytes<MAX> {
    vec![byte; length].try_into().unwrap()
}

/// A key record of bytes that follow from `number`.
pub fn key(number: u8) -> KeyRecord {
    let credential = |byte| Credential {
        id: bytes(byte, 32),
        public_key: [byte; 65],
    };
    KeyRecord {
        model: HARD_KEY_MODEL,
        statement: credential(number),
        login: credential(number + 1),
        vault: [number + 2; VAULT_PUBLIC_LEN],
    }
}

/// One fact of each kind, in the order of their codes.
pub fn facts() -> Vec<Fact> {
    let account = name("alice");
    let device = DeviceId([8; 32]);
    let mut facts = vec![
        Fact::Genesis(Genesis {
            tag: OrgTag([2; 16]),
            organisation: text("Campagne"),
            url: text("https://mail.campagne.example"),
            founders: vec![key(1), key(4)],
            policy: policy(),
        }),
        Fact::AccountAdd(AccountAdd {
            account: account.clone(),
            key: key(1),
        }),
        Fact::KeyAdd(KeyAdd {
            account: account.clone(),
            key: key(7),
        }),
        Fact::DeviceAdd(DeviceCertificate {
            account: account.clone(),
            device,
            label: text("laptop"),
            consent: [9; 64],
        }),
        Fact::DeviceRevoke(DeviceRevoke {
            account: account.clone(),
            device,
        }),
        Fact::AccountSuspend(AccountSuspend {
            account: account.clone(),
        }),
        Fact::AdminAdd(AdminAdd { account }),
    ];
    facts.extend(facts_of_governance());
    facts
}

/// The facts from code 7 on.
fn facts_of_governance() -> Vec<Fact> {
    let account = name("alice");
    let enrolment = |account, number| AccountAdd {
        account: name(account),
        key: key(number),
    };
    vec![
        Fact::KeyRevoke(KeyRevoke {
            account: account.clone(),
            key: KeyId([3; 32]),
        }),
        Fact::AccountRestore(AccountRestore {
            account: account.clone(),
        }),
        Fact::AdminRemove(AdminRemove {
            account: account.clone(),
        }),
        Fact::ThresholdSet(ThresholdSet { threshold: 3 }),
        Fact::RecoveryBegin(RecoveryBegin {
            account: account.clone(),
            key: key(7),
        }),
        Fact::RecoveryVeto(RecoveryVeto {
            account: account.clone(),
            begun: 41,
        }),
        Fact::RecoveryFinish(RecoveryFinish { account, begun: 41 }),
        Fact::ListSet(ListSet {
            list: name("press"),
            members: vec![name("alice"), name("bob")],
        }),
        Fact::PolicySet(PolicySet { policy: policy() }),
        Fact::Batch(Batch {
            accounts: vec![enrolment("carol", 11), enrolment("dave", 14)],
        }),
    ]
}

fn policy() -> Policy {
    let witness = |label, seed| Witness {
        name: text(label),
        key: SoftDevice::from_seed([seed; 32]).id().0,
    };
    Policy {
        attestation: vec![AttestationAuthority {
            certificate: bytes(0x30, 20),
            models: vec![HARD_KEY_MODEL],
        }],
        witnesses: vec![witness("witness.example/w1", 5), witness("two.example", 6)],
        witness_quorum: 2,
        ..Policy::default()
    }
}

/// An entry of `fact`, with two signatures that do not verify.
pub fn entry(fact: Fact) -> Entry {
    let first = matches!(fact, Fact::Genesis(_));
    let nothing = Head {
        size: 0,
        root: Hash([0; 32]),
    };
    let signature = |byte| StatementSignature {
        key: KeyId([byte; 32]),
        authenticator_data: [byte; AUTHENTICATOR_DATA_LEN],
        signature: bytes(byte, 70),
    };
    Entry {
        statement: Statement {
            version: 1,
            seen: if first { nothing } else { HEAD },
            sequence: u64::from(!first),
            time: TIME_MS,
            fact,
        },
        signatures: vec![signature(1), signature(2)],
    }
}

fn server_key() -> Ed25519Key {
    Ed25519Key::try_from(SoftDevice::from_seed(SERVER_SEED).id().0).unwrap()
}

fn note() -> String {
    let server = SoftDevice::from_seed(SERVER_SEED);
    checkpoint::format_signed(ORG, HEAD, server_key(), |text| server.sign(text))
}

fn card() -> Card {
    Card {
        url: "https://mail.campagne.example:8443".parse().unwrap(),
        org: ORG,
        tag: OrgTag([2; 16]),
        tls: Hash([3; 32]),
        log: server_key(),
    }
}

fn gossip() -> AuthenticatedData {
    AuthenticatedData {
        version: AuthenticatedData::VERSION,
        log: signed(HEAD),
        state: AuthenticatedData::state_of(&[10; 48]),
    }
}

/// The line by which the seeds' server says when `note` was its newest checkpoint.
pub fn cosignature(note: &str, time: u64) -> String {
    let server = SoftDevice::from_seed(SERVER_SEED);
    let sign = |text: &[u8]| server.sign(text);
    checkpoint::format_cosignature(note, &checkpoint::origin(ORG), server_key(), time, sign)
        .unwrap()
}

fn signed(head: Head) -> SignedHead {
    let server = SoftDevice::from_seed(SERVER_SEED);
    let signature = server.sign(checkpoint::note_text(ORG, head).as_bytes());
    SignedHead { head, signature }
}

/// Two logs of which one has three entries, and another third one.
fn evidence() -> String {
    let log = |entries: &[u8]| {
        let mut tree = Tree::default();
        for entry in entries {
            tree.append(leaf_hash(&[*entry]));
        }
        tree
    };
    let (older, newer) = (log(&[1, 2, 9]), log(&[1, 2, 3, 4, 5]));
    let evidence = Evidence {
        older: signed(older.head()),
        newer: signed(newer.head()),
        root: newer.root_at(3).unwrap(),
        proof: newer.consistency(3, 5).unwrap(),
    };
    evidence.to_text(ORG, server_key())
}

fn conversation() -> Conversation {
    Conversation {
        nonce: [9; 16],
        creator: name("alice"),
        accounts: vec![name("alice"), name("bob")],
    }
}

fn leaf() -> LeafIdentity {
    LeafIdentity {
        account: name("alice"),
        device: DeviceId([8; 32]),
        index: 3,
        certificate: Hash([6; 32]),
    }
}

fn parameters() -> Parameters {
    Parameters {
        created: 1_800_000_000,
        nonce: [9; 16],
        device: DeviceId([3; 32]),
    }
}

fn letter() -> Letter {
    Letter {
        id: Letter::id_of(DeviceId([8; 32]), [1; 16]),
        nonce: [1; 16],
        sequence: 2,
        previous: Hash([3; 32]),
        thread: ThreadId([4; 16]),
        in_reply_to: Some(LetterId([5; 16])),
        date: TIME_MS,
        subject: text("Débat"),
        to: vec![name("alice"), name("bob")],
        cc: vec![name("carol")],
        format: Format::Markdown,
        body: text("See you at *nine*."),
        attachments: vec![Attachment {
            name: text("plan.pdf"),
            size: 12,
            content: Hash([6; 32]),
            blob: bytes(7, 48),
        }],
    }
}

fn manifest() -> SignedManifest {
    SignedManifest {
        manifest: Manifest {
            version: history::VERSION,
            org: ORG,
            account: name("alice"),
            device: DeviceId([8; 32]),
            made_ms: TIME_MS,
            letters: 3,
            content: Hash([6; 32]),
            seals: vec![SealedKey {
                key: KeyId([3; 32]),
                encapsulated: bytes(2, 1120),
                sealed: bytes(7, 48),
            }],
        },
        signature: StatementSignature {
            key: KeyId([3; 32]),
            authenticator_data: [1; AUTHENTICATOR_DATA_LEN],
            signature: bytes(2, 70),
        },
    }
}

fn kept_letter() -> KeptLetter {
    KeptLetter {
        letter: letter(),
        group: Some(GroupId([9; 32])),
        sender: name("bob"),
        device: DeviceId([8; 32]),
        here_ms: TIME_MS,
        standing: Standing::Unread,
        remark: text("answers a letter that had not come here"),
    }
}

fn ask() -> enrolment::Ask {
    let registration = || enrolment::Registration {
        attestation_object: bytes(0xa3, 200),
        client_data: text_bytes("{\"type\":\"webauthn.create\"}"),
    };
    enrolment::Ask {
        name: name("alice"),
        device: DeviceId([8; 32]),
        key: key(1),
        statement: registration(),
        login: registration(),
    }
}

fn text_bytes<const MAX: usize>(text: &str) -> Bytes<MAX> {
    text.as_bytes().to_vec().try_into().unwrap()
}

/// Every body of the API, in the order of [`super::api()`].
fn bodies() -> Vec<(u8, &'static str, Vec<u8>)> {
    let bodies = [
        ("problem", encode(&problem())),
        ("enrolment_challenge", encode(&enrolment_challenge())),
        ("ask", encode(&ask())),
        ("status", encode(&enrolment::Status::Enrolled)),
        ("pending", encode(&pending())),
        (
            "login_challenge",
            encode(&login::Challenge { nonce: [1; 32] }),
        ),
        ("finish", encode(&finish())),
        ("session", encode(&session())),
    ];
    let (which, rest) = (0.., log_and_delivery_bodies());
    which
        .zip(bodies.into_iter().chain(rest))
        .map(|(which, (name, body))| (which, name, body))
        .collect()
}

fn log_and_delivery_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let device = DeviceId([8; 32]);
    let package = || bytes(5, 100);
    let publish = key_package::Publish {
        once: vec![package(), package()],
        last_resort: Some(package()),
    };
    let claimed = key_package::Claimed {
        packages: vec![key_package::ClaimedPackage {
            device,
            package: package(),
            last_resort: 1,
        }],
    };
    let claim = key_package::Claim {
        devices: vec![device],
    };
    let page = directory::Page {
        checkpoint: text(&note()),
        consistency: vec![Hash([1; 32])],
        entries: vec![bytes(2, 90)],
    };
    let appended = directory::Appended {
        index: 41,
        checkpoint: text(&note()),
        inclusion: vec![Hash([1; 32]), Hash([2; 32])],
    };
    vec![
        ("log_page", encode(&page)),
        ("appended", encode(&appended)),
        ("publish", encode(&publish)),
        ("claim", encode(&claim)),
        ("claimed", encode(&claimed)),
        ("commit", commit()),
        ("letter", delivered()),
        ("accepted", encode(&delivery::Accepted { sequence: 7 })),
        ("delivery_page", delivery_page()),
        ("ack", ack()),
        ("propose", encode(&propose())),
        ("open_proposals", encode(&open_proposals())),
        ("begin", encode(&api::attachment::Begin { size: 4_144 })),
        ("stored", encode(&api::attachment::Stored { bytes: 4_096 })),
        ("copied", encode(&copied())),
        (
            "accepted_letters",
            [7_u64, 8].map(u64::to_be_bytes).concat(),
        ),
    ]
}

/// The key of the seeds' file.
pub fn file_key() -> FileKey {
    FileKey::new([6; 32])
}

/// A file of that key.
pub fn file(size: u64) -> Attachment {
    let name = text("plan.pdf");
    file_key().manifest(name, size, Hash([0; 32])).unwrap()
}

/// The size and the ciphertext of a small file.
fn sealed_file() -> Vec<u8> {
    let mut chunk = b"The bus leaves at 7.".to_vec();
    let size = u64::try_from(chunk.len()).unwrap();
    let (mut sealer, header) = Sealer::new(&file_key(), size).unwrap();
    sealer.seal(&mut chunk).unwrap();
    [&size.to_be_bytes()[..], &header, &chunk].concat()
}

fn propose() -> proposal::Propose {
    let mut entry = entry(facts().swap_remove(6));
    entry.signatures.truncate(1);
    proposal::Propose { entry }
}

fn open_proposals() -> proposal::Open {
    proposal::Open {
        proposals: vec![proposal::Proposal {
            proposed_at_ms: TIME_MS,
            entry: propose().entry,
        }],
    }
}

fn problem() -> api::Problem {
    api::Problem {
        code: api::ErrorCode::Refused,
        detail: text("bob may not sign this account.suspend"),
    }
}

fn enrolment_challenge() -> enrolment::Challenge {
    enrolment::Challenge {
        id: EnrolmentId([1; 16]),
        challenge: [2; 32],
    }
}

fn pending() -> enrolment::Pending {
    enrolment::Pending {
        asks: vec![enrolment::PendingAsk {
            id: EnrolmentId([1; 16]),
            asked_at_ms: TIME_MS,
            ask: ask(),
        }],
    }
}

fn finish() -> login::Finish {
    login::Finish {
        nonce: [1; 32],
        account: name("alice"),
        credential_id: bytes(2, 32),
        authenticator_data: bytes(3, 37),
        client_data: text_bytes("{\"type\":\"webauthn.get\"}"),
        signature: bytes(4, 70),
    }
}

fn copied() -> login::Copied {
    login::Copied {
        keys: vec![login::CopiedKey {
            key: KeyId([9; 32]),
            since_ms: TIME_MS,
        }],
    }
}

fn session() -> login::Session {
    login::Session {
        id: SessionId([1; 16]),
        ends_at_ms: TIME_MS,
        idle_ms: 900_000,
    }
}

fn commit() -> Vec<u8> {
    encode(&delivery::Commit {
        id: SubmissionId([1; 16]),
        group: GroupId([2; 32]),
        epoch: 3,
        message: bytes(4, 80),
        added: vec![DeviceId([8; 32])],
        removed: vec![DeviceId([9; 32])],
        welcome: bytes(5, 90),
    })
}

fn delivered() -> Vec<u8> {
    encode(&delivery::Letter {
        id: SubmissionId([1; 16]),
        group: GroupId([2; 32]),
        epoch: 3,
        message: bytes(4, 80),
    })
}

fn delivery_page() -> Vec<u8> {
    encode(&delivery::Page {
        log_size: 42,
        welcomes: vec![delivery::Welcome {
            number: 1,
            group: GroupId([2; 32]),
            sequence: 3,
            message: bytes(4, 80),
        }],
        messages: vec![delivery::Message {
            group: GroupId([2; 32]),
            sequence: 4,
            id: SubmissionId([1; 16]),
            message: bytes(0, 0),
        }],
        more: 1,
        key_packages: 99,
    })
}

fn ack() -> Vec<u8> {
    encode(&delivery::Ack {
        welcomes: 1,
        groups: vec![delivery::Cursor {
            group: GroupId([2; 32]),
            sequence: 4,
        }],
    })
}
