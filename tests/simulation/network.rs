//! Requests over a network that loses, repeats and holds up what it carries.
//!
//! A request is one connection: lengths and bytes there, status and bytes back.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use turmoil::net::{TcpListener, TcpStream};
use valise_client::{
    api::{ApiError, Carried, Carrier, Parcel, Reply},
    clock::pause,
};

use super::{plan::Plan, served::Served};
use crate::support::Dice;

/// The server's name on the network.
pub const SERVER: &str = "server";
const PORT: u16 = 8443;
/// After this long an answer comes no more.
const PATIENCE: Duration = Duration::from_secs(3);

/// Carries everybody's requests.
pub struct Wire {
    dice: Mutex<Dice>,
    twice: u64,
    lost: u64,
}

impl Wire {
    pub fn new(plan: &Plan) -> Self {
        Self {
            dice: Mutex::new(Dice(plan.seed ^ 0x57a9_e55e)),
            twice: plan.twice,
            lost: plan.lost,
        }
    }

    fn roll(&self, sides: u64) -> u64 {
        let dice = self.dice.lock();
        dice.unwrap_or_else(PoisonError::into_inner).roll(sides)
    }
}

impl Carrier for Wire {
    fn carry(&self, parcel: Parcel) -> Carried<'_> {
        let bytes = pack(&parcel);
        let (twice, lost) = (self.roll(100) < self.twice, self.roll(100) < self.lost);
        let later = Duration::from_millis(self.roll(6_000));
        Box::pin(async move {
            if twice {
                let again = bytes.clone();
                // Whoever is on the way may send what he saw once more, whenever he likes.
                tokio::spawn(async move {
                    pause(later).await;
                    exchange(&again).await.map(drop)
                });
            }
            let answer = exchange(&bytes).await;
            if lost {
                return Err(ApiError::Broken);
            }
            answer.map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => ApiError::Broken,
                _ => ApiError::Unreachable(error.to_string()),
            })
        })
    }
}

async fn exchange(request: &[u8]) -> io::Result<Reply> {
    let answered = async {
        let mut stream = TcpStream::connect((SERVER, PORT)).await?;
        stream.write_all(request).await?;
        let status = stream.read_u16().await?;
        let body = read(&mut stream).await?;
        let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
        Ok(Reply { status, body })
    };
    tokio::time::timeout(PATIENCE, answered).await?
}

/// What the server's machine does: it hands every request to the server.
///
/// All of it is one task. A runtime that dies ends its tasks in an order that depends on how many tasks
/// the process had before, so another day's lines would break in another order.
pub async fn listen(served: Arc<Served>) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                let (stream, from) = accepted?;
                open.push(converse(&served, stream, from.ip()));
            }
            Some(_) = open.next() => {}
        }
    }
}

/// One connection: one request and its answer.
async fn converse(served: &Served, mut stream: TcpStream, from: IpAddr) -> io::Result<()> {
    let parcel = unpack(&mut stream).await?;
    if let Some(reply) = served.answer(from, parcel) {
        stream.write_u16(reply.status.as_u16()).await?;
        write(&mut stream, &reply.body).await?;
    }
    Ok(())
}

fn pack(parcel: &Parcel) -> Vec<u8> {
    let mut head = format!("{}\n{}\n", parcel.method, parcel.path);
    for (name, value) in &parcel.headers {
        head.extend([name.as_str(), "\n", value.to_str().expect("text"), "\n"]);
    }
    let mut bytes = Vec::new();
    for part in [head.as_bytes(), &parcel.body] {
        bytes.extend(u32::try_from(part.len()).expect("small").to_be_bytes());
        bytes.extend(part);
    }
    bytes
}

async fn unpack(stream: &mut TcpStream) -> io::Result<Parcel> {
    let head = String::from_utf8(read(stream).await?).map_err(io::Error::other)?;
    let body = read(stream).await?;
    let mut lines = head.lines();
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (method, path) = (line(), line());
    let mut headers = HeaderMap::new();
    loop {
        let (name, value) = (line(), line());
        if name.is_empty() {
            break;
        }
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        headers.insert(
            name,
            HeaderValue::try_from(value).map_err(io::Error::other)?,
        );
    }
    Ok(Parcel {
        method: Method::from_bytes(method.as_bytes()).map_err(io::Error::other)?,
        path,
        headers,
        body,
    })
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let mut bytes = vec![0; usize::try_from(length).expect("an address is larger")];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream
        .write_u32(u32::try_from(bytes.len()).expect("small"))
        .await?;
    stream.write_all(bytes).await
}
