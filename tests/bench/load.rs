//! How many letters a second the server takes: real ciphertexts of real sessions, made beforehand,
//! sent as signed requests over TLS connections that stay open, one or several in a request.

use std::sync::Arc;

use reqwest::Method;
use tokio::task::JoinSet;
use valise_client::{
    api::{Api, Caller},
    clock::Clock,
    mail::Draft,
    provider::DeviceSigner,
    session::Session,
    store::Store,
};
use valise_proto::{
    api::{
        LETTERS,
        delivery::{self, AcceptedLetters},
    },
    card::Card,
    codec::{decode, encode},
    id::SessionId,
};

use crate::{
    support::{Office, Person, Time},
    watch::{ms, now},
};

/// Letters of one device in one conversation, in their order.
pub struct Stream {
    seed: Vec<u8>,
    session: SessionId,
    letters: Vec<Vec<u8>>,
}

impl Stream {
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// The first half, and the letters after it.
    pub fn halved(mut self) -> (Self, Self) {
        let letters = self.letters.split_off(self.letters.len() / 2);
        let later = Self {
            seed: self.seed.clone(),
            session: self.session,
            letters,
        };
        (self, later)
    }
}

/// Encrypts `each` letters from `person` to every one of `conversations`, by the product's own
/// path: with no server to be reached they stay, encrypted, in the outbox, and are taken from there.
pub async fn encrypt(
    person: &mut Person,
    conversations: &[Vec<String>],
    each: usize,
) -> Vec<Stream> {
    let home = person.home();
    let key = person
        .with_keyring(|keyring, _| Session::unlock(&home, keyring))
        .expect("unlocking");
    let mut store = Store::open(&home.store(), &key).expect("the store");
    let (seed, id) = person.signs_as();
    let session = person.session();
    let mut streams = Vec::new();
    for people in conversations {
        let mut letters = Vec::with_capacity(each);
        for _ in 0..each {
            let number = session.write(draft(people)).expect("writing");
            session.send(number).await.expect_err("there is no server");
            letters.push(take(&mut store, number));
        }
        streams.push(Stream {
            seed: seed.clone(),
            session: id,
            letters,
        });
    }
    streams
}

/// A letter of 1 KiB.
pub fn draft(to: &[String]) -> Draft {
    Draft {
        to: to.to_vec(),
        subject: "Point presse".to_owned(),
        body: "The bus leaves at 7. ".repeat(49),
        ..Draft::default()
    }
}

/// The bytes that would bring letter `number`, out of the outbox, as if it had been accepted.
fn take(store: &mut Store, number: u64) -> Vec<u8> {
    let work = store.begin().expect("the store");
    let row = work
        .read()
        .outbox_row(number)
        .expect("the store")
        .expect("a letter on its way");
    let encrypted = row.encrypted.expect("it is encrypted");
    work.count_sent(encrypted.group, encrypted.hash)
        .expect("counting");
    work.remove_from_outbox(number).expect("removing");
    work.commit().expect("committing");
    encode(&delivery::Letter {
        id: row.submission,
        group: encrypted.group,
        epoch: encrypted.epoch,
        message: encrypted.message.try_into().expect("a small letter"),
    })
}

/// Sends every stream over a connection of its own, `together` letters in a request; letters a second.
pub async fn send(office: &Office, streams: Vec<Stream>, together: usize) -> f64 {
    let total: usize = streams.iter().map(Stream::len).sum();
    let mut senders = JoinSet::new();
    let (go, _) = tokio::sync::watch::channel(false);
    for stream in streams {
        let (card, time, mut go) = (office.card.clone(), office.time.clone(), go.subscribe());
        let sender = Sender::connect(card, time, stream).await;
        senders.spawn(async move {
            go.wait_for(|go| *go).await.expect("the start");
            sender.run(together).await;
        });
    }
    let start = now();
    go.send_replace(true);
    senders.join_all().await;
    crate::figure::count(total) / ms(start.elapsed()) * 1000.0
}

struct Sender {
    api: Api,
    signer: DeviceSigner,
    stream: Stream,
}

impl Sender {
    /// With its connection open.
    async fn connect(card: Card, time: Time, stream: Stream) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(time);
        let api = Api::new(card, clock).expect("a client");
        let signer = DeviceSigner::from_seed(&stream.seed).expect("a seed");
        let genesis = valise_proto::api::GENESIS;
        api.raw(Caller::Anybody, Method::GET, genesis, Vec::new())
            .await
            .expect("the server");
        Self {
            api,
            signer,
            stream,
        }
    }

    async fn run(self, together: usize) {
        for letters in self.stream.letters.chunks(together) {
            let caller = Caller::Session(&self.signer, self.stream.session);
            let answer = self
                .api
                .raw(caller, Method::POST, LETTERS, letters.concat());
            let answer = answer.await.expect("an answer");
            let accepted: AcceptedLetters = decode(&answer).expect("an answer of this type");
            assert_eq!(accepted.into_vec().len(), letters.len());
        }
    }
}
