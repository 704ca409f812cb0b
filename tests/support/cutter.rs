//! A line that is cut again and again: each connection dies after a number of bytes, both ways together.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

pub struct Cutter {
    public: u16,
    stop: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Cutter {
    /// Listens on `public` and passes on to `server`. `moment` says after how many bytes the next
    /// connection dies.
    pub fn start(
        public: u16,
        server: u16,
        mut moment: impl FnMut() -> i64 + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", public)).expect("the public port");
        let (stop, cuts) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&cuts));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let client = client.expect("a connection");
                let server = TcpStream::connect(("127.0.0.1", server)).expect("the server");
                pass(client, server, moment(), &counted);
            }
        });
        Self {
            public,
            stop,
            cuts,
            thread: Some(thread),
        }
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.public)));
        if let Some(thread) = self.thread.take().filter(|_| !std::thread::panicking()) {
            thread.join().expect("the cutter ends well");
        }
    }
}

fn pass(client: TcpStream, server: TcpStream, moment: i64, cuts: &Arc<AtomicUsize>) {
    let left = Arc::new(AtomicI64::new(moment));
    let clone = |stream: &TcpStream| stream.try_clone().expect("a second hand");
    for (mut from, mut to) in [(clone(&client), clone(&server)), (server, client)] {
        let (left, cuts) = (Arc::clone(&left), Arc::clone(cuts));
        std::thread::spawn(move || {
            let mut bytes = [0; 8 << 10];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                let length = i64::try_from(read).expect("a small number");
                let before = left.fetch_sub(length, Ordering::SeqCst);
                let passed = usize::try_from(before.clamp(0, length)).expect("a small number");
                if to.write_all(&bytes[..passed]).is_err() {
                    break;
                }
                if passed < read {
                    cuts.fetch_add(usize::from(before >= 0), Ordering::SeqCst);
                    break;
                }
            }
            drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
        });
    }
}
