//! Live push: a WebSocket (RFC 6455) whose upgrade request is signed like any other.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        protocol::{WebSocketConfig, frame::coding::CloseCode},
    },
};
use valise_proto::{
    api::{
        BODY_MAX, PUSH,
        delivery::{Ack, Page},
    },
    codec::{self, encode},
};

use super::{
    Api, ApiError, Caller,
    tls::{tls_cause, tls_failure},
};

/// An open push connection.
pub struct Push {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    away: bool,
}

impl Api {
    /// Opens the push connection. The first [`Page`] comes at once.
    pub async fn push(&self, caller: Caller<'_>) -> Result<Push, ApiError> {
        let unreachable = |error: &dyn std::fmt::Display| ApiError::Unreachable(error.to_string());
        let url = &self.card.url;
        let tcp = TcpStream::connect((url.host(), url.port()))
            .await
            .map_err(|error| unreachable(&error))?;
        tcp.set_nodelay(true).map_err(|error| unreachable(&error))?;
        let name = rustls_pki_types::ServerName::try_from(url.host().to_owned())
            .map_err(|error| unreachable(&error))?;
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await;
        let stream = stream.map_err(|error| {
            let refused = tls_cause(&error);
            refused.map_or_else(
                || unreachable(&error),
                |refused| tls_failure(refused, &self.card),
            )
        })?;
        let mut request = format!("wss://{}{PUSH}", url.authority())
            .into_client_request()
            .map_err(|error| unreachable(&error))?;
        request
            .headers_mut()
            .extend(self.sign(caller, "GET", PUSH, b"")?);
        let limits = WebSocketConfig::default()
            .max_message_size(Some(2 * BODY_MAX))
            .max_frame_size(Some(2 * BODY_MAX));
        match client_async_with_config(request, stream, Some(limits)).await {
            Ok((socket, _)) => Ok(Push {
                socket,
                away: false,
            }),
            Err(tungstenite::Error::Http(answer)) => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err(super::refusal(answer.status(), body))
            }
            Err(error) => Err(unreachable(&error)),
        }
    }
}

impl Push {
    /// Waits for the next page; `None` when the server closed the connection.
    pub async fn next(&mut self) -> Result<Option<Page>, ApiError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    return codec::decode(&bytes)
                        .map(Some)
                        .map_err(|_| ApiError::PeerMalformed);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    self.away = frame.is_some_and(|frame| frame.code == CloseCode::Away);
                    return Ok(None);
                }
                None => return Ok(None),
                Some(Ok(_)) => return Err(ApiError::PeerMalformed),
                Some(Err(error)) => return Err(ApiError::Unreachable(error.to_string())),
            }
        }
    }

    /// Whether the server closed it because it is about to be stopped: another connection leads to one that
    /// is not.
    pub fn is_away(&self) -> bool {
        self.away
    }

    /// Acknowledges what is durable here.
    pub async fn acknowledge(&mut self, ack: &Ack) -> Result<(), ApiError> {
        let frame = Message::Binary(encode(ack).into());
        self.socket
            .send(frame)
            .await
            .map_err(|error| ApiError::Unreachable(error.to_string()))
    }
}
