//! The bodies of the fuzz targets of the client's own parsers, as `valise_proto::fuzz` has those of the wire.
//!
//! Compiled in only with the feature `weaken`, which no published binary has.
#![expect(
    clippy::missing_panics_doc,
    reason = "a fuzz target's panic is its finding"
)]

use valise_proto::{
    card::Card,
    id::{Hash, OrgId, OrgTag},
};

use crate::{
    account::attestation, agent::protocol, config, provider::DeviceSigner, vault::Vault,
    witness::Contradiction,
};

/// Every target and its name.
#[expect(clippy::type_complexity, reason = "a plain table of two columns")]
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("agent", agent),
    ("attestation", attestation),
    ("client_config", client_config),
    ("contradiction", contradiction),
    ("vault", vault),
];

/// What passes the agent's socket.
pub fn agent(bytes: &[u8]) {
    protocol::read_anything(bytes);
}

/// What a newcomer's key says of itself, and makers' certificates.
pub fn attestation(bytes: &[u8]) {
    attestation::read_anything(bytes);
}

/// `config.toml`
pub fn client_config(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        config::read_anything(text);
    }
}

/// What a witness kept, for the card of [`card`].
pub fn contradiction(bytes: &[u8]) {
    if let Some(card) = card()
        && let Ok(text) = String::from_utf8(bytes.to_vec())
        && let Some(found) = Contradiction::open(&card, text)
    {
        assert!(
            !found.proven || found.known != found.shown,
            "no contradiction"
        );
    }
}

/// The vault's file.
pub fn vault(bytes: &[u8]) {
    if let Ok(vault) = Vault::from_bytes(bytes) {
        assert!(vault.to_bytes() == bytes, "another form");
    }
}

/// The card of the organisation and the server of the seeds of `valise_proto::fuzz`.
fn card() -> Option<Card> {
    let server = DeviceSigner::from_seed(&[4; 32]).ok()?;
    let log = <[u8; 32]>::try_from(server.public_key()).ok()?;
    Some(Card {
        url: "https://mail.campagne.example:8443".parse().ok()?,
        org: OrgId([1; 32]),
        tag: OrgTag([2; 16]),
        tls: Hash([3; 32]),
        log: log.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use valise_proto::fuzz::spoiled;

    use super::*;

    /// `TARGET/NAME`, or the folder of a target's seeds.
    fn corpus(name: &str) -> String {
        format!("{}/../tests/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn seed(name: &str) -> Vec<u8> {
        fs::read(corpus(name)).unwrap()
    }

    fn text(name: &str) -> String {
        String::from_utf8(seed(name)).unwrap()
    }

    #[test]
    fn corpus_replays() {
        for (name, target) in TARGETS {
            let mut replayed = 0;
            for file in fs::read_dir(corpus(name)).unwrap() {
                for bytes in spoiled(&fs::read(file.unwrap().path()).unwrap()) {
                    target(&bytes);
                }
                replayed += 1;
            }
            assert!(replayed > 0, "{name}");
        }
    }

    /// An input must reach past the parser, else it is no seed.
    #[test]
    fn seeds_are_read() {
        for name in ["agent/key", "agent/answer", "agent/status", "agent/setup"] {
            assert!(protocol::read_anything(&seed(name)), "{name}");
        }
        assert!(attestation::read_anything(&seed("attestation/packed")));
        assert!(crate::account::makers(&seed("attestation/makers"), &[[1; 16]]).is_some());
        assert!(config::read_anything(&text("client_config/small")));
        let card = card().unwrap();
        let proof = Contradiction::open(&card, text("contradiction/proof")).unwrap();
        let heads = Contradiction::open(&card, text("contradiction/heads")).unwrap();
        assert!(proof.proven && !heads.proven);
        assert!(Vault::from_bytes(&seed("vault/golden")).is_ok());
    }
}
