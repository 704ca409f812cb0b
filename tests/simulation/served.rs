//! The real server, on a thread of its own, and nobody there but who hands it requests.
//!
//! Its database has threads of its own too. Whoever asks waits until the answer is there, so that in
//! simulated time it takes none, and one seed always goes the same way.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use tokio::runtime::{Builder, Runtime};
use valise_client::{
    api::{ApiError, Carried, Carrier, Parcel, Reply},
    weaken::dangerously_weaken,
};
use valise_server::{Inside, Server, config::Config};

use crate::support::Time;

/// The server's thread. It ends when this is dropped.
pub struct Served {
    orders: mpsc::Sender<Order>,
}

enum Order {
    Open(PathBuf, Time, Option<&'static str>, mpsc::Sender<()>),
    Answer(IpAddr, Box<Parcel>, mpsc::Sender<Option<Reply>>),
    Tidy(mpsc::Sender<()>),
    Crash(mpsc::Sender<()>),
}

impl Served {
    pub fn new() -> Arc<Self> {
        let (orders, waiting) = mpsc::channel();
        std::thread::spawn(move || obey(&waiting));
        Arc::new(Self { orders })
    }

    /// Opens the data folder, with the check `off` switched off in the server.
    pub fn open(&self, data: &Path, time: &Time, off: Option<&'static str>) {
        let (data, time) = (data.to_owned(), time.clone());
        self.ask(|done| Order::Open(data, time, off, done));
    }

    /// Lets it die: what it has not stored is gone.
    pub fn crash(&self) {
        self.ask(Order::Crash);
    }

    /// What the server does by itself every few seconds.
    pub fn tidy(&self) {
        self.ask(Order::Tidy);
    }

    /// Its answer; none when it is dead.
    pub fn answer(&self, address: IpAddr, parcel: Parcel) -> Option<Reply> {
        self.ask(|reply| Order::Answer(address, Box::new(parcel), reply))
    }

    fn ask<T>(&self, order: impl FnOnce(mpsc::Sender<T>) -> Order) -> T {
        let (answer, answered) = mpsc::channel();
        self.orders
            .send(order(answer))
            .expect("the server's thread");
        answered.recv().expect("the server's thread")
    }
}

impl Carrier for Served {
    /// By the shortest way.
    fn carry(&self, parcel: Parcel) -> Carried<'_> {
        let reply = self.answer(Ipv4Addr::LOCALHOST.into(), parcel);
        let dead = || ApiError::Unreachable("it is dead".to_owned());
        Box::pin(std::future::ready(reply.ok_or_else(dead)))
    }
}

fn obey(orders: &mpsc::Receiver<Order>) {
    let mut living: Option<(Inside, Runtime)> = None;
    for order in orders {
        match order {
            Order::Open(data, time, off, done) => {
                dangerously_weaken(off);
                let runtime = Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("a runtime");
                let inside = runtime.block_on(async {
                    let config = Config::load(&data).expect("configuration");
                    let server = Server::open(config, Arc::new(time)).await;
                    server.expect("the server").dangerously_inside()
                });
                living = Some((inside, runtime));
                done.send(()).expect("somebody waits");
            }
            Order::Answer(address, parcel, reply) => {
                let answer = living.as_ref().map(|(inside, runtime)| {
                    let head = (parcel.method, parcel.path.as_str(), parcel.headers);
                    let answer = inside.answer(address, head, parcel.body);
                    let (status, body) = runtime.block_on(answer).expect("an answer");
                    Reply { status, body }
                });
                reply.send(answer).expect("somebody waits");
            }
            Order::Tidy(done) => {
                if let Some((inside, runtime)) = &living {
                    runtime.block_on(inside.tidy()).expect("tidying");
                }
                done.send(()).expect("somebody waits");
            }
            Order::Crash(done) => {
                living = None;
                done.send(()).expect("somebody waits");
            }
        }
    }
}
