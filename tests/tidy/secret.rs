//! There is no secret that somebody could be talked out of: no body has a place for one, and no text asks.

use super::{house, none, words};

/// Names of what a person could read out, type or forward.
const SECRETS: &[&str] = &[
    "password",
    "passphrase",
    "passcode",
    "pin",
    "otp",
    "secret",
    "seed",
    "token",
    "cookie",
    "bearer",
    "phrase",
    "mnemonic",
];

/// What else a text that asks for one would say.
const ASKS: &[&str] = &[
    "one-time",
    "recovery code",
    "recovery phrase",
    "recovery key",
    "backup code",
    "verification code",
    "qr code",
    "scan the",
    "paste the",
    "enter the code",
    "type the code",
];

/// Names of things that nobody is asked for.
const NAMES: &[&str] = &["fido2-token", "hmac-secret", "seed of a device key"];

#[test]
fn e09_no_body_has_a_place_for_a_secret() {
    let mut wrong = Vec::new();
    let mut fields = 0;
    for file in house() {
        let wire = file.path.starts_with("proto/src/") && file.is_rust();
        for (number, line) in file.code().filter(|_| wire) {
            let Some((name, _)) = line
                .trim()
                .strip_prefix("pub ")
                .and_then(|rest| rest.split_once(": "))
            else {
                continue;
            };
            fields += 1;
            if name.split('_').any(|word| SECRETS.contains(&word)) {
                wrong.push(format!("{}:{number}: {name}", file.path));
            }
        }
    }
    assert!(fields > 100, "{fields} fields only");
    none("nothing that is sent is a secret", &wrong);
}

/// The PIN is asked for by the one file that writes to the terminal, and goes into the key.
#[test]
fn e09_no_text_asks_for_a_secret() {
    let mut wrong = Vec::new();
    let mut texts = 0;
    for file in house() {
        let said = ["client/src/", "server/src/"]
            .iter()
            .any(|program| file.path.starts_with(program));
        for (number, line) in file
            .code()
            .filter(|_| said && file.is_rust() && !file.is_test())
        {
            // Every second part stands between quotes.
            for text in line.split('"').skip(1).step_by(2) {
                let mut text = text.to_lowercase();
                for name in NAMES {
                    text = text.replace(name, "");
                }
                // A text is a sentence: one word is a name that programs use.
                if !text.contains(' ') {
                    continue;
                }
                texts += 1;
                let secret = words(&text).find(|word| SECRETS.contains(word) && *word != "pin");
                let asks = ASKS.iter().copied().find(|asks| text.contains(asks));
                if let Some(found) = secret.or(asks) {
                    wrong.push(format!("{}:{number} says {found}: {text}", file.path));
                }
            }
            let reads = line.contains("rpassword::") && file.path != "client/src/cli/ui.rs";
            if reads {
                wrong.push(format!("{}:{number} reads what nobody sees", file.path));
            }
        }
    }
    assert!(texts > 300, "{texts} texts only");
    none("nobody is asked for a secret", &wrong);
}
