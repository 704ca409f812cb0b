//! R10: several people write into one conversation by two servers on one PostgreSQL, one of which is killed
//! meanwhile. Whatever moment one asks at, everybody is told the same order, and nothing acknowledged is
//! missing in it: the history is linearizable (Herlihy and Wing 1990).

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use tokio::{task::JoinSet, time::timeout};
use valise_client::{
    api::{Api, Caller},
    clock::{Clock, System},
    provider::DeviceSigner,
};
use valise_proto::{
    api::{
        ACKS, LETTERS, SYNC,
        delivery::{Accepted, Ack, Cursor, Letter, Page},
    },
    codec::{decode, encode},
    id::{GroupId, SessionId, SubmissionId},
    testing::random,
};

use crate::support::{Dice, Office, Person, Server, front::Front, office::free_port, server};

/// Who writes at once.
const WRITERS: [&str; 3] = ["bob", "carol", "dora"];
/// Letters of each in one history.
const EACH: usize = 4;
/// How long a history may take before the test says that it hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// So many histories.
fn histories() -> u64 {
    if std::env::var_os("VALISE_TORTURE").is_some() {
        1_000
    } else {
        20
    }
}

/// A moment of this process: whatever happened before has a smaller one.
fn moment() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::SeqCst)
}

/// A letter: when it was begun and acknowledged, and its number.
#[derive(Clone, Debug)]
struct Write {
    id: SubmissionId,
    begun: u64,
    ended: u64,
    sequence: u64,
}

/// What somebody was given between two moments, in its order.
#[derive(Clone, Debug)]
struct Look {
    begun: u64,
    ended: u64,
    seen: Vec<(u64, SubmissionId)>,
}

/// Everything that was done at once, and what is there in the end.
#[derive(Clone, Debug)]
struct History {
    writes: Vec<Write>,
    looks: Vec<Look>,
    all: Vec<(u64, SubmissionId)>,
}

impl History {
    /// Whether one order explains it, in which each letter has its place between its begin and its end.
    fn check(&self) -> Result<(), String> {
        let numbers = self.all.windows(2);
        for pair in numbers {
            if pair[0].0 + 1 != pair[1].0 {
                return Err(format!("{} comes before {}", pair[0].0, pair[1].0));
            }
        }
        if self.all.len() != self.writes.len() {
            return Err(format!(
                "{} letters of {}",
                self.all.len(),
                self.writes.len()
            ));
        }
        for write in &self.writes {
            if !self.all.contains(&(write.sequence, write.id)) {
                return Err(format!("{write:?} is not where its writer was told"));
            }
            for later in &self.writes {
                if write.ended < later.begun && write.sequence > later.sequence {
                    return Err(format!("{later:?} is before {write:?}"));
                }
            }
        }
        for look in &self.looks {
            if !self.all.starts_with(&look.seen) {
                return Err(format!("{look:?} is no beginning of {:?}", self.all));
            }
            for write in &self.writes {
                let seen = look.seen.contains(&(write.sequence, write.id));
                if write.ended < look.begun && !seen {
                    return Err(format!("{write:?} is not in {look:?}"));
                }
                if look.ended < write.begun && seen {
                    return Err(format!("{write:?} is in {look:?} already"));
                }
            }
            for later in &self.looks {
                if look.ended < later.begun && look.seen.len() > later.seen.len() {
                    return Err(format!("{later:?} is older than {look:?}"));
                }
            }
        }
        Ok(())
    }
}

/// A person's hand at the network: signed requests, and a new connection after each failure.
#[derive(Clone)]
struct Hand {
    api: Arc<Api>,
    seed: Vec<u8>,
    session: SessionId,
}

impl Hand {
    fn of(person: &mut Person, office: &Office) -> Self {
        let (seed, session) = person.signs_as();
        let clock: Arc<dyn Clock> = Arc::new(office.time.clone());
        Self {
            api: Arc::new(Api::new(office.card.clone(), clock).expect("a client")),
            seed,
            session,
        }
    }

    /// The answer of whichever server is there.
    async fn ask(&self, method: &Method, path: &str, body: &[u8]) -> Vec<u8> {
        let signer = DeviceSigner::from_seed(&self.seed).expect("a seed");
        loop {
            let caller = Caller::Session(&signer, self.session);
            let asked = self.api.raw(caller, method.clone(), path, body.to_vec());
            if let Ok(answer) = asked.await {
                return answer;
            }
        }
    }

    async fn write(self, group: GroupId, epoch: u64) -> Vec<Write> {
        let mut writes = Vec::new();
        for _ in 0..EACH {
            let (id, begun) = (SubmissionId(random()), moment());
            let letter = encode(&Letter {
                id,
                group,
                epoch,
                message: random::<64>().to_vec().try_into().expect("a small letter"),
            });
            let answer = self.ask(&Method::POST, LETTERS, &letter).await;
            let Accepted { sequence } = decode(&answer).expect("an answer");
            writes.push(Write {
                id,
                begun,
                ended: moment(),
                sequence,
            });
        }
        writes
    }

    async fn look(&self, group: GroupId) -> Look {
        let begun = moment();
        let page: Page = decode(&self.ask(&Method::GET, SYNC, &[]).await).expect("a page");
        assert_eq!(page.more, 0);
        let messages = page.messages.iter().filter(|it| it.group == group);
        Look {
            begun,
            ended: moment(),
            seen: messages.map(|it| (it.sequence, it.id)).collect(),
        }
    }

    async fn acknowledge(&self, group: GroupId, sequence: u64) {
        let ack = Ack {
            groups: vec![Cursor { group, sequence }],
            ..Ack::default()
        };
        self.ask(&Method::POST, ACKS, &encode(&ack)).await;
    }
}

/// Two servers of one office, and what stands before them.
struct Pair {
    office: Office,
    ports: [u16; 2],
    servers: [Option<Server>; 2],
    _front: Front,
}

impl Pair {
    fn start(office: Office) -> Self {
        let ports = [free_port(), free_port()];
        let servers = ports.map(|port| Some(Server::start_at(&office.data(), port)));
        let front = Front::start(office.port(), ports.to_vec());
        Self {
            office,
            ports,
            servers,
            _front: front,
        }
    }

    /// One of them is killed, and comes back.
    fn kill(&mut self, which: usize) {
        drop(self.servers[which].take());
        self.servers[which] = Some(Server::start_at(&self.office.data(), self.ports[which]));
    }
}

/// Three people write, alice looks, and a server dies after so many milliseconds.
async fn history(
    pair: &mut Pair,
    hands: &[Hand; 4],
    (group, epoch): (GroupId, u64),
    (which, after_ms): (usize, u64),
) -> History {
    let (mut writing, [reader, writers @ ..]) = (JoinSet::new(), hands);
    for hand in writers {
        writing.spawn(hand.clone().write(group, epoch));
    }
    let killing = async {
        drop(timeout(Duration::from_millis(after_ms), pending::<()>()).await);
        tokio::task::block_in_place(|| pair.kill(which));
    };
    let working = async {
        let (mut written, mut looks) = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                biased;
                of_one = writing.join_next() => match of_one {
                    Some(of_one) => written.extend(of_one.expect("a writer")),
                    None => return (written, looks),
                },
                look = reader.look(group) => looks.push(look),
            }
        }
    };
    let ((), (written, looks)) = tokio::join!(killing, working);
    let all = reader.look(group).await.seen;
    reader
        .acknowledge(group, all.last().expect("letters").0)
        .await;
    History {
        writes: written,
        looks,
        all,
    }
}

/// What a server might do, of which nobody would have a history without this being found.
fn lies(history: &History) -> Vec<(&'static str, History)> {
    let lie = |what, change: &dyn Fn(&mut History)| {
        let mut lying = history.clone();
        change(&mut lying);
        (what, lying)
    };
    let first = |history: &History| {
        let mut writes: Vec<_> = history.writes.iter().enumerate().collect();
        writes.sort_by_key(|(_, write)| write.sequence);
        (writes[0].0, writes[writes.len() - 1].0)
    };
    vec![
        lie("a letter is lost", &|history| {
            let (first, _) = first(history);
            let lost = history.writes[first].id;
            history.all.retain(|(_, id)| *id != lost);
        }),
        lie("a letter comes twice", &|history| {
            let (sequence, id) = history.all[history.all.len() - 1];
            history.all.push((sequence + 1, id));
        }),
        lie("two letters change places", &|history| {
            let (first, last) = first(history);
            let (low, high) = (
                history.writes[first].sequence,
                history.writes[last].sequence,
            );
            history.writes[first].sequence = high;
            history.writes[last].sequence = low;
            let places: Vec<_> = history
                .writes
                .iter()
                .map(|it| (it.sequence, it.id))
                .collect();
            history.all = places;
            history.all.sort_by_key(|(sequence, _)| *sequence);
            history.looks.clear();
        }),
        lie("somebody is shown an old state", &|history| {
            let ended = history.writes.iter().map(|it| it.ended).max().expect("one");
            history.looks.push(Look {
                begun: ended + 1,
                ended: ended + 2,
                seen: history.all[..history.all.len() - 1].to_vec(),
            });
        }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_two_servers_tell_one_order_whichever_is_killed() {
    let (mut office, mut alice) = Office::open_on_postgres().await;
    let mut people = office.hire_all(&mut alice, WRITERS).await;
    alice.send(&WRITERS, "Point", "Begin").await;
    for person in &mut people {
        person.sync().await;
    }
    alice.sync().await;
    let epochs = alice.session().attack_epochs().expect("conversations");
    let [(group, epoch, _)] = &epochs[..] else {
        panic!("one conversation: {epochs:?}");
    };
    let place = (*group, *epoch);
    let [bob, carol, dora] = &mut people;
    let hands = [&mut alice, bob, carol, dora].map(|person| Hand::of(person, &office));
    office.stop();
    server::unlimited(&office.data());
    let mut pair = Pair::start(office);
    let mut dice = Dice(System.now_ms());
    println!("dice from {}", dice.0);
    let histories = histories();
    for number in 0..histories {
        let kill = (usize::from(dice.roll(2) == 1), dice.roll(40));
        let history = timeout(PATIENCE, history(&mut pair, &hands, place, kill)).await;
        let history = history.unwrap_or_else(|_| panic!("history {number} hangs"));
        history
            .check()
            .unwrap_or_else(|error| panic!("history {number}: {error}\n{history:#?}"));
        for (what, lying) in lies(&history) {
            assert!(lying.check().is_err(), "{what}, and nobody sees it");
        }
    }
    println!("{histories} histories, each of one order");
}
