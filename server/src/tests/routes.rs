//! V01: every route against every caller that it is not for.

use valise_proto::{
    api::{
        self, ErrorCode,
        directory::Page,
        proposal::{Open, Propose},
    },
    codec::{decode, encode},
    fuzz::seed,
    id::{Name, ProposalId, SessionId},
    key::KeyRecord,
    log::{
        entry::{
            AccountAdd, AdminAdd, AdminRemove, Entry, Fact, KeyAdd, Policy, RecoveryBegin,
            ThresholdSet,
        },
        replay::Directory,
    },
    statement::StatementSignature,
    testing::{self, SoftStatementKey},
};

use super::support::{Person, Request, TestServer};

/// Every route, and whether anybody may call it, or a device without session.
pub(super) const ROUTES: [(&str, &str, Kind); 25] = [
    ("GET", api::GENESIS, Kind::Anybody),
    ("POST", api::ENROLMENTS, Kind::Anybody),
    ("GET", api::ENROLMENTS, Kind::Admin),
    ("PUT", ENROLMENT, Kind::Device),
    ("GET", ENROLMENT, Kind::Device),
    ("DELETE", ENROLMENT, Kind::Admin),
    ("POST", api::LOGIN, Kind::Anybody),
    ("POST", api::SESSION, Kind::Device),
    ("DELETE", api::SESSION, Kind::Session),
    ("GET", api::COPIED_KEYS, Kind::Admin),
    ("GET", "/v1/log?from=0&old=0", Kind::Session),
    ("POST", api::LOG, Kind::Session),
    ("GET", api::PROPOSALS, Kind::Admin),
    ("PUT", PROPOSAL, Kind::Admin),
    ("DELETE", PROPOSAL, Kind::Admin),
    ("POST", api::KEY_PACKAGES, Kind::Certified),
    ("POST", api::KEY_PACKAGE_CLAIMS, Kind::Certified),
    ("POST", api::COMMITS, Kind::Certified),
    ("POST", api::LETTERS, Kind::Certified),
    ("PUT", ATTACHMENT, Kind::Certified),
    (
        "POST",
        "/v1/attachments/aaaaaaaaaaaaaaaaaaaaaaaaaa?at=0",
        Kind::Certified,
    ),
    (
        "GET",
        "/v1/attachments/aaaaaaaaaaaaaaaaaaaaaaaaaa?at=0&length=1",
        Kind::Certified,
    ),
    ("GET", api::SYNC, Kind::Certified),
    ("POST", api::ACKS, Kind::Certified),
    ("GET", api::ACKS, Kind::Certified),
];
const ATTACHMENT: &str = "/v1/attachments/aaaaaaaaaaaaaaaaaaaaaaaaaa";
const ENROLMENT: &str = "/v1/enrolments/aaaaaaaaaaaaaaaaaaaaaaaaaa";
const PROPOSAL: &str = "/v1/proposals/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Anybody,
    Device,
    Session,
    Certified,
    Admin,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn v01_every_route_refuses_whom_it_is_not_for() {
    let (mut server, alice) = TestServer::start().await;
    let bob = server.hire(&alice, "bob").await;
    let mut uncertified = Person::new("carol");
    let entry = testing::account_add(
        &server.directory,
        &uncertified.name,
        &uncertified.key,
        &[&alice.key],
    );
    server.append(&alice, entry).await;
    server.log_in(&mut uncertified).await;
    let mut revoked = server.hire(&alice, "dave").await;
    let name: Name = revoked.name.clone();
    let entry =
        testing::device_revoke(&server.directory, &name, revoked.device.id(), &[&alice.key]);
    server.append(&alice, entry).await;
    for (method, target, kind) in ROUTES
        .into_iter()
        .chain([("GET", api::PUSH, Kind::Certified)])
    {
        let case = format!("{method} {target}");
        if kind == Kind::Anybody {
            assert_eq!(server.anybody(method, target).await.status, 200, "{case}");
            continue;
        }
        server
            .anybody(method, target)
            .await
            .refused(ErrorCode::Unauthenticated);
        // A session that never was, and somebody else's.
        let mut stolen = Person::new("mallory");
        for session in [Some(SessionId([9; 16])), alice.session] {
            stolen.session = session;
            let request = server.signed(&stolen, method, target, Vec::new());
            server
                .send(&request)
                .await
                .refused(ErrorCode::Unauthenticated);
        }
        let refused = async |person: &Person, code| {
            let request = server.signed(person, method, target, Vec::new());
            server.send(&request).await.refused(code);
        };
        refused(&revoked, ErrorCode::Revoked).await;
        if kind == Kind::Device {
            refused(&bob, ErrorCode::Unauthenticated).await;
            continue;
        }
        let request = Request::unsigned(method, target, Vec::new());
        let now_ms = crate::clock::Clock::now_ms(&*server.clock);
        let sessionless = request.sign(&bob.device, None, now_ms);
        server
            .send(&sessionless)
            .await
            .refused(ErrorCode::Unauthenticated);
        if matches!(kind, Kind::Certified | Kind::Admin) {
            refused(&uncertified, ErrorCode::Forbidden).await;
        }
        if kind == Kind::Admin {
            refused(&bob, ErrorCode::Forbidden).await;
        }
    }
    revoked.session = bob.session;
    server
        .get(&revoked, api::SYNC)
        .await
        .refused(ErrorCode::Unauthenticated);
    // Everybody's session ends without use, alice's too.
    server.clock.advance(15 * 60_000);
    server
        .get(&alice, api::SYNC)
        .await
        .refused(ErrorCode::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v01_this_table_has_every_route() {
    let source = include_str!("../http.rs");
    let handlers: usize = ["get(", "post(", "put(", "delete("]
        .iter()
        .map(|verb| source.matches(*verb).count())
        .sum();
    // The table, and push.
    assert_eq!(handlers, ROUTES.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l02_l03_no_other_way_in() {
    let (server, _) = TestServer::start().await;
    for target in [
        "/",
        "/v1",
        "/v1/password",
        "/v1/device-code",
        "/v1/approve",
        "/metrics",
    ] {
        server
            .anybody("GET", target)
            .await
            .refused(ErrorCode::NotFound);
    }
    server
        .anybody("DELETE", api::LOGIN)
        .await
        .refused(ErrorCode::NotFound);
}

/// Every kind of fact; and what would give `name` power over others.
fn facts(name: &Name, key: &KeyRecord) -> Vec<Fact> {
    let (account, alice) = (name.clone(), "alice".parse::<Name>().unwrap());
    let key = key.clone();
    let mut facts = seed::facts();
    facts.extend([
        Fact::AdminAdd(AdminAdd { account }),
        Fact::ThresholdSet(ThresholdSet { threshold: 1 }),
        Fact::AccountAdd(AccountAdd {
            account: "mallory".parse().unwrap(),
            key: key.clone(),
        }),
        Fact::KeyAdd(KeyAdd {
            account: alice.clone(),
            key: key.clone(),
        }),
        Fact::RecoveryBegin(RecoveryBegin {
            account: alice.clone(),
            key,
        }),
        Fact::AdminRemove(AdminRemove { account: alice }),
    ]);
    facts
}

/// Each of them three times: signed by nobody, by this key, and with a signature of an admin's that was made
/// for something else.
fn powers(
    directory: &Directory,
    name: &Name,
    key: &SoftStatementKey,
    stolen: &[StatementSignature],
) -> Vec<Entry> {
    let org = directory.org();
    let each = facts(name, &key.record).into_iter().flat_map(|fact| {
        let statement = testing::statement(directory, fact);
        let mut replayed = testing::entry(statement.clone(), org, &[]);
        replayed.signatures = stolen.to_vec();
        [
            testing::entry(statement.clone(), org, &[]),
            testing::entry(statement, org, &[key]),
            replayed,
        ]
    });
    each.collect()
}

/// Every route that takes something, by a thief with the card and a key and a computer of his own, by
/// somebody who works here, and by an admin's live session without his key: nothing comes into the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e04_e01_l20_no_route_gives_power_to_who_holds_no_admins_key() {
    let (mut server, alice) = TestServer::start_with(Policy::default(), |config| {
        config.sessionless_per_ip_minute = 1_000_000;
        config.entries_per_account_minute = 1_000_000;
    })
    .await;
    let bob = server.hire(&alice, "bob").await;
    let mut thief = Person::new("thief");
    let old = testing::device_add(&server.directory, &alice.name, &thief.device, &alice.key);
    let stolen = decode::<Entry>(&old).unwrap().signatures;
    // A session's id is no secret.
    thief.session = alice.session;
    let writes = ROUTES
        .iter()
        .filter(|(method, ..)| ["POST", "PUT"].contains(method));
    let mut tried = 0;
    for (caller, target) in [(&thief, &thief), (&bob, &thief), (&alice, &bob)] {
        let own = Person::new("own").key;
        for entry in powers(&server.directory, &target.name, &own, &stolen) {
            let proposal = format!("{}/{}", api::PROPOSALS, ProposalId::of(&entry.statement));
            let propose = encode(&Propose {
                entry: entry.clone(),
            });
            let entry = encode(&entry);
            let mut requests = vec![
                ("POST", api::LOG, &entry),
                ("PUT", proposal.as_str(), &propose),
            ];
            if tried == 0 {
                requests.extend(
                    writes
                        .clone()
                        .map(|(method, path, _)| (*method, *path, &entry)),
                );
            }
            for (method, path, body) in requests {
                let request = server.signed(caller, method, path, body.clone());
                let answer = server.send(&request).await;
                let begins = [api::ENROLMENTS, api::LOGIN].contains(&path);
                let refused = answer.status >= 400;
                assert!(begins || refused, "{method} {path} by {}", caller.name);
                tried += 1;
            }
        }
    }
    assert!(tried > 400, "{tried}");
    let page: Page = server.get(&bob, "/v1/log?from=0&old=0").await.read();
    let size = u64::try_from(page.entries.len()).unwrap();
    assert_eq!(size, server.directory.head().size);
    let open: Open = server.get(&alice, api::PROPOSALS).await.read();
    assert!(open.proposals.is_empty());
}
