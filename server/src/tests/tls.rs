//! A certificate that is renewed under a running server.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;

use super::support::TestServer;
use crate::tls::TlsError;

/// What a client is shown now.
async fn shown(server: &TestServer) -> CertificateDer<'static> {
    let stream = server.tls().await;
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}

/// Another certificate of `key` where the server has its own.
fn renew(server: &TestServer, key: &KeyPair) {
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let pem = params.self_signed(key).unwrap().pem();
    fs::write(server.config.tls_certificate_path(), pem).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_under_way_and_only_with_its_key() {
    let (server, _) = TestServer::start().await;
    let identity = server.identity.clone().unwrap();
    let first = shown(&server).await;
    let key_path = server.config.tls_key_path();
    let kept = fs::read_to_string(&key_path).unwrap();
    let mut open = server.connect().await;

    renew(&server, &KeyPair::from_pem(&kept).unwrap());
    identity.reload().unwrap();
    let second = shown(&server).await;
    assert_ne!(first, second);
    // Who was connected before is not cut off.
    let request = super::support::Request::unsigned("GET", valise_proto::api::GENESIS, Vec::new());
    assert_eq!(open.send(&request).await.status, 200);

    // Certificate and key of somebody who did not know that the card pins the key.
    let trusted = fs::read(server.config.tls_certificate_path()).unwrap();
    let other = KeyPair::generate().unwrap();
    fs::write(&key_path, other.serialize_pem()).unwrap();
    renew(&server, &other);
    let refused = identity.reload().unwrap_err();
    assert!(matches!(refused, TlsError::MisuseKey(_)), "{refused}");
    fs::write(server.config.tls_certificate_path(), &trusted).unwrap();
    assert_eq!(shown(&server).await, second);

    // Caught between two writes: the certificate is there, its key is not.
    assert!(matches!(identity.reload(), Err(TlsError::Use(_))));
    assert_eq!(shown(&server).await, second);
    fs::write(&key_path, &kept).unwrap();
    identity.reload().unwrap();
}
