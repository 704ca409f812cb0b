//! Floods, from outside and from within: the real `valised` cuts who floods, in bounded memory, and everybody
//! else's letters go on.

mod bomb;
mod member;
mod slow;

use crate::support::{Office, Person, Server, witness::configure};

/// Memory that no flood costs more of: MB.
const GROWTH_MAX: f64 = 64.0 * 1.048_576;

/// An office with bob and mallory, whose server is now the real program under these limits.
async fn besieged(limits: &str) -> (Office, Server, [Person; 3]) {
    let (mut office, mut alice) = Office::open_now().await;
    let [mut bob, mut mallory] = office.hire_all(&mut alice, ["bob", "mallory"]).await;
    alice.send(&["bob", "mallory"], "First", "first").await;
    alice.send(&["bob"], "First", "first").await;
    bob.sync().await;
    office.stop();
    configure(&office.data(), limits);
    let server = Server::start(&office.data());
    mallory.sync().await;
    alice.sync().await;
    (office, server, [alice, bob, mallory])
}

/// Alice writes so many letters to bob, and he has each before she writes the next.
async fn correspond(alice: &mut Person, bob: &mut Person, letters: usize) {
    for number in 0..letters {
        let body = format!("letter {number}");
        alice.send(&["bob"], "News", &body).await;
        bob.sync().await;
        assert_eq!(bob.bodies().last(), Some(&body));
    }
}
