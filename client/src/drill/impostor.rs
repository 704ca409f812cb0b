//! A server that stands in the place of the real one, on this computer, with a TLS key of its own.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tokio_rustls::TlsAcceptor;
use valise_proto::card::Card;

use super::{Unmade, Verdict, certificate::self_signed};
use crate::{
    account::challenge,
    api::{Api, ApiError},
    session::Session,
};

const NO_PLACE: &str = "no server can be started on this computer";

impl Session {
    /// The card's own words, but for the port: this computer is led to the impostor, as by somebody who
    /// owns the network, and begins to log in.
    pub(super) async fn stand_in_for_server(&self) -> Result<Verdict, Unmade> {
        let unmade = |_| Unmade::Why(NO_PLACE.to_owned());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(unmade)?;
        let port = listener.local_addr().map_err(unmade)?.port();
        let url = format!("https://localhost:{port}");
        let card = Card {
            url: url.parse().map_err(|_| Unmade::Why(NO_PLACE.to_owned()))?,
            ..self.api()?.card().clone()
        };
        let acceptor = acceptor().ok_or_else(|| Unmade::Why(NO_PLACE.to_owned()))?;
        let heard = Arc::new(AtomicBool::new(false));
        let impostor = tokio::spawn(listen(listener, acceptor, Arc::clone(&heard)));
        let api = Api::new(card, Arc::clone(&self.clock))?;
        // The first step of every login. The next one would be the touch.
        let begun = challenge(&api).await;
        impostor.abort();
        match begun {
            Err(ApiError::WrongServer { .. }) if !heard.load(Ordering::SeqCst) => {
                Ok(Verdict::Stopped {
                    by: "this computer",
                    said: "the TLS key is not the one on the card: nothing was sent, and no touch was asked for"
                        .to_owned(),
                })
            }
            Err(ApiError::Unreachable(why)) => Err(Unmade::Why(why)),
            _ => Ok(Verdict::NotStopped(
                "this computer began to log in to him".to_owned(),
            )),
        }
    }
}

fn acceptor() -> Option<TlsAcceptor> {
    let (key, certificate) = self_signed()?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate)], key)
        .ok()?;
    Some(TlsAcceptor::from(Arc::new(config)))
}

/// Takes connections, and remembers whether anybody said something under the false key.
async fn listen(listener: TcpListener, acceptor: TlsAcceptor, heard: Arc<AtomicBool>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else {
            continue;
        };
        let mut byte = [0; 1];
        if matches!(stream.read(&mut byte).await, Ok(1)) {
            heard.store(true, Ordering::SeqCst);
        }
    }
}
