//! Push: one WebSocket a device (a new one replaces the old), on which the server sends pages and the client acknowledges them.
//!
//! One page is in flight until its acknowledgement, so a slow client costs one page of memory. The
//! session is checked again with every tick, every page and every growth of the log: a revoked
//! device's stream closes at once (L14).

use std::{net::IpAddr, ops::ControlFlow, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    response::Response,
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use valise_proto::{
    api::{ErrorCode, delivery::Ack},
    codec::{Limited, decode, encode},
};

use super::{
    body::Nothing,
    caller::{Call, CertifiedCaller},
    error::Error,
};
use crate::{
    Chain,
    limit::Place,
    service::{Service, stopped},
    session::Sessions,
    store::SessionRow,
};

/// Read from a client at once: bytes.
const READ: usize = 1024;
/// How long a client may take to take one frame.
const SEND: Duration = Duration::from_secs(30);

pub(super) async fn open(
    State(service): State<Arc<Service>>,
    Extension(place): Extension<Arc<Place<IpAddr>>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    Call {
        caller: CertifiedCaller(session),
        ..
    }: Call<CertifiedCaller, Nothing>,
) -> Result<Response, Error> {
    let upgrade =
        upgrade.map_err(|_| Error::new(ErrorCode::Malformed, "this is for WebSockets"))?;
    let upgrade = upgrade
        .max_message_size(Ack::MAX)
        .max_frame_size(Ack::MAX)
        // A device says little, and there are thousands: the default is 128 KiB of each.
        .read_buffer_size(READ)
        .write_buffer_size(0);
    let task = service.tasks.clone();
    Ok(upgrade.on_upgrade(async move |socket| {
        let (out, from) = socket.split();
        let stream = Stream {
            service,
            session,
            out,
            unacked: false,
            told_size: None,
        };
        stream.run(from).await;
        drop((task, place));
    }))
}

struct Stream {
    service: Arc<Service>,
    session: SessionRow,
    out: SplitSink<WebSocket, Message>,
    /// A page is on its way.
    unacked: bool,
    /// The log's size that the client was last told.
    told_size: Option<u64>,
}

/// Why a stream ends: what the client is told. Else whether there may be a page to send.
type Ends = ControlFlow<u16, bool>;

impl Stream {
    async fn run(mut self, mut from: SplitStream<WebSocket>) {
        let bell = self.service.wake.bell(self.session.device);
        let mut log = self.service.log.watch();
        let mut stopping = self.service.stopping.clone();
        let mut drains = self.service.node.drains();
        // Who comes though it drains was sent here, and is asked to go with the next tick.
        let late = *drains.borrow();
        let period = Duration::from_millis(self.service.config.push_ping_ms.max(1));
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut replaced = self.service.wake.replace(self.session.device);
        let mut next = Ends::Continue(true);
        let code = loop {
            let due = match next {
                Ends::Continue(due) => due,
                Ends::Break(code) => break code,
            };
            if let Ends::Break(code) = self.send_page(due).await {
                break code;
            }
            next = tokio::select! {
                frame = from.next() => self.receive(frame).await,
                () = bell.notified(), if !self.unacked => Ends::Continue(true),
                _ = log.changed() => Ends::Continue(true),
                _ = ticks.tick() => self.tick().await,
                _ = &mut replaced => Ends::Break(close_code::RESTART),
                () = stopped(&mut drains), if !late => Ends::Break(close_code::AWAY),
                () = stopped(&mut stopping) => Ends::Break(close_code::AWAY),
            };
        };
        let close = Message::Close(Some(CloseFrame {
            code,
            reason: "".into(),
        }));
        // Who is gone already does not hear it.
        let _gone = timeout(SEND, self.out.send(close)).await;
    }

    /// Sends what there is, if it is `due` and nothing is on its way: at first always, later when
    /// there is something or the log has grown.
    async fn send_page(&mut self, due: bool) -> Ends {
        if !self.live() {
            return Ends::Break(close_code::POLICY);
        }
        if self.unacked || !due {
            return Ends::Continue(false);
        }
        let Ok(page) = self.service.delivery.page(self.session.device).await else {
            tracing::error!("a page could not be read");
            return Ends::Break(close_code::ERROR);
        };
        let something = !page.welcomes.is_empty() || !page.messages.is_empty();
        if !something && self.told_size == Some(page.log_size) {
            return Ends::Continue(false);
        }
        self.unacked = something;
        self.told_size = Some(page.log_size);
        let bytes = encode(&page);
        // Not to be kept twice for as long as the client takes.
        drop(page);
        self.send(Message::Binary(bytes.into())).await
    }

    async fn receive(&mut self, frame: Option<Result<Message, axum::Error>>) -> Ends {
        match frame {
            Some(Ok(Message::Binary(bytes))) => {
                let Ok(ack) = decode::<Ack>(&bytes) else {
                    return Ends::Break(close_code::INVALID);
                };
                if !self.live() {
                    return Ends::Break(close_code::POLICY);
                }
                self.service.sessions.touch(self.session.id);
                if let Err(error) = self.service.delivery.ack(self.session.device, ack).await {
                    tracing::warn!(%error, "an acknowledgement was not stored");
                    return Ends::Break(close_code::AGAIN);
                }
                self.unacked = false;
                Ends::Continue(true)
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ends::Continue(false),
            Some(Ok(Message::Text(_))) => Ends::Break(close_code::UNSUPPORTED),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Ends::Break(close_code::NORMAL),
        }
    }

    /// Pings. Where other servers may have stored something, and this one was not told, it is looked for.
    async fn tick(&mut self) -> Ends {
        let drains = *self.service.node.drains().borrow();
        if drains {
            return Ends::Break(close_code::AWAY);
        }
        let id = self.session.id;
        if let Err(error) = self.service.sessions.refresh(id).await {
            tracing::error!(error = %Chain(&error), "a session could not be looked up");
            return Ends::Break(close_code::ERROR);
        }
        match self.send(Message::Ping(Vec::new().into())).await {
            Ends::Continue(_) => Ends::Continue(self.service.store.is_shared()),
            ends @ Ends::Break(_) => ends,
        }
    }

    fn live(&self) -> bool {
        let snapshot = self.service.log.now();
        let (id, device) = (self.session.id, self.session.device);
        let found = self.service.sessions.find(id, device, &snapshot.directory);
        found.is_ok_and(|session| Sessions::certified(&session, &snapshot.directory).is_ok())
    }

    async fn send(&mut self, message: Message) -> Ends {
        match timeout(SEND, self.out.send(message)).await {
            Ok(Ok(())) => Ends::Continue(false),
            _ => Ends::Break(close_code::AGAIN),
        }
    }
}
