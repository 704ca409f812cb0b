//! V01: every route against every caller that it is not for.

use valise_proto::{
    api::{self, ErrorCode},
    id::{Name, SessionId},
    testing,
};

use super::support::{Person, Request, TestServer};

/// Every route, and whether anybody may call it, or a device without session.
const ROUTES: [(&str, &str, Kind); 25] = [
    ("GET", "/healthz", Kind::Anybody),
    ("GET", api::GENESIS, Kind::Anybody),
    ("POST", api::ENROLMENTS, Kind::Anybody),
    ("GET", api::ENROLMENTS, Kind::Admin),
    ("PUT", ENROLMENT, Kind::Device),
    ("GET", ENROLMENT, Kind::Device),
    ("DELETE", ENROLMENT, Kind::Admin),
    ("POST", api::LOGIN, Kind::Anybody),
    ("POST", api::SESSION, Kind::Device),
    ("DELETE", api::SESSION, Kind::Session),
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
enum Kind {
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
