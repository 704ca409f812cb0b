//! Text that others wrote says what it says, and never commands the terminal.

use reqwest::{Method, StatusCode};
use valise_client::safe::Safe;
use valise_proto::{
    api::{ErrorCode, LETTERS, Problem},
    codec::encode,
};
use vte::{Params, Parser, Perform};

use crate::support::Office;

/// Clears the screen, sets the title, writes the clipboard, asks for the cursor, turns the text round.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{1b}]52;c;eA==\u{7}\u{9b}6n\u{202e}ok\r\u{8}";

/// What a terminal would do besides printing.
#[derive(Default)]
struct Terminal {
    actions: usize,
}

impl Perform for Terminal {
    fn execute(&mut self, byte: u8) {
        self.actions += usize::from(byte != b'\n' && byte != b'\t');
    }

    fn csi_dispatch(&mut self, _: &Params, _: &[u8], _: bool, _: char) {
        self.actions += 1;
    }

    fn osc_dispatch(&mut self, _: &[&[u8]], _: bool) {
        self.actions += 1;
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, _: u8) {
        self.actions += 1;
    }

    fn hook(&mut self, _: &Params, _: &[u8], _: bool, _: char) {
        self.actions += 1;
    }
}

fn actions(text: &str) -> usize {
    let mut terminal = Terminal::default();
    Parser::new().advance(&mut terminal, text.as_bytes());
    terminal.actions
}

/// As it came the text is dangerous (the twin); through [`Safe`] it is not, and is still told apart.
fn only_printed(untrusted: &str) {
    assert!(actions(untrusted) > 0, "harmless: {untrusted:?}");
    for safe in [Safe::line(untrusted), Safe::block(untrusted)] {
        assert_eq!(actions(safe.as_str()), 0, "{safe:?}");
        assert!(!safe.as_str().contains('\u{202e}'));
        assert!(safe.as_str().contains("ok"));
    }
}

#[tokio::test]
async fn c07_a_letters_text_commands_nothing() {
    let (office, mut alice) = Office::open().await;
    let mut bob = office.hire(&mut alice, "bob").await;
    alice
        .send(&["bob"], "Plan", &format!("{HOSTILE}\nsecond line"))
        .await;
    bob.sync().await;
    only_printed(&bob.bodies()[0]);
}

#[tokio::test]
async fn c07_a_devices_label_commands_nothing() {
    let (office, mut alice) = Office::open().await;
    let bob = office.hire(&mut alice, "bob").await;
    let label = "\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}ok";
    let joined = bob
        .other_computer()
        .try_join_with(&office.card, label)
        .await;
    assert!(joined.is_ok());
    let number = alice.send(&["bob"], "Plan", "At nine.").await;
    let readers = alice.session().readers(number).unwrap();
    let reader = readers
        .iter()
        .find(|reader| reader.label.contains("ok"))
        .expect("the device");
    only_printed(&reader.label);
}

#[tokio::test]
async fn c07_a_servers_refusal_commands_nothing() {
    let (office, mut alice, mallory) = Office::open_under_mallory().await;
    let _bob = office.hire(&mut alice, "bob").await;
    mallory.on_request(|exchange| {
        if exchange.is(&Method::POST, LETTERS) {
            exchange.status = StatusCode::PAYLOAD_TOO_LARGE;
            let detail = HOSTILE.to_owned().try_into().unwrap();
            exchange.answer = encode(&Problem {
                code: ErrorCode::TooLarge,
                detail,
            });
        }
    });
    let error = alice
        .try_send(&["bob"], "Plan", "At nine.")
        .await
        .expect_err("refused");
    only_printed(&error.to_string());
}
