//! A person who thinks for longer than the server keeps an idle connection.

use std::{fs, thread::park_timeout, time::Duration};

use crate::support::Office;

#[tokio::test]
async fn who_thinks_for_long_is_not_cut_off() {
    let (mut office, mut alice) = Office::open().await;
    office.stop();
    let settings = office.data().join("valised.toml");
    let kept = fs::read_to_string(&settings).unwrap_or_default();
    fs::write(&settings, format!("{kept}\nheader_timeout_ms = 100\n")).unwrap();
    office.start().await;
    for _ in 0..5 {
        alice.sync().await;
        // Nothing of the program runs while it waits for an answer at the terminal.
        park_timeout(Duration::from_millis(300));
    }
}
