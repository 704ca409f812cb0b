//! What stands before several servers: passes each connection on to the next of them that is there.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

pub struct Front {
    public: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Listens on `public`, for servers at `ports`.
    pub fn start(public: u16, ports: Vec<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", public)).expect("the public port");
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for (turn, client) in listener.incoming().enumerate() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let client = client.expect("a connection");
                let mut ports = (0..ports.len()).map(|at| ports[(turn + at) % ports.len()]);
                // If none is there, the client is left alone.
                if let Some(server) =
                    ports.find_map(|port| TcpStream::connect(("127.0.0.1", port)).ok())
                {
                    pass(client, server);
                }
            }
        });
        Self {
            public,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.public)));
        if let Some(thread) = self.thread.take().filter(|_| !std::thread::panicking()) {
            thread.join().expect("the front ends well");
        }
    }
}

fn pass(client: TcpStream, server: TcpStream) {
    let clone = |stream: &TcpStream| stream.try_clone().expect("a second hand");
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("a connection");
    }
    for (mut from, mut to) in [(clone(&client), clone(&server)), (server, client)] {
        std::thread::spawn(move || {
            let mut bytes = [0; 8 << 10];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                if to.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
        });
    }
}
