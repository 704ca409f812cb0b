//! The bodies of the fuzz targets of the server's own parsers, as `valise_proto::fuzz` has those of the wire.
//!
//! Compiled in only with the feature `weaken`, which no published binary has.
#![expect(
    clippy::missing_panics_doc,
    reason = "a fuzz target's panic is its finding"
)]

use std::path::Path;

use data_encoding::BASE64;

use crate::{
    backup::Manifest, config::Config, directory::exported, login::client_data::ClientData,
    node::word::Word,
};

/// Every target and its name.
#[expect(clippy::type_complexity, reason = "a plain table of two columns")]
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("backup_manifest", backup_manifest),
    ("client_data", client_data),
    ("exported_log", exported_log),
    ("node_word", node_word),
    ("server_config", server_config),
];

/// [`Manifest`]: whatever it names is inside its folder.
pub fn backup_manifest(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Some(manifest) = Manifest::parse(text)
    {
        let folder = Path::new("/backup");
        for file in &manifest.files {
            let path = folder.join(&file.path);
            assert!(path.starts_with(folder), "outside: {}", path.display());
        }
    }
}

/// What a browser or a key's program says that it signed.
pub fn client_data(bytes: &[u8]) {
    if let Some(read) = ClientData::parse(bytes) {
        // Nothing that comes before the members is read over.
        assert!(bytes.contains(&b'{'), "{read:?}");
    }
}

/// What `valised log take-back` reads.
pub fn exported_log(bytes: &[u8]) {
    if let Some((note, entries)) = exported::parse(bytes) {
        let lines = entries.iter().map(|entry| BASE64.encode(entry));
        let lines: Vec<_> = lines.collect();
        let text = format!("{note}\n{}", lines.join("\n"));
        assert!(exported::parse(text.as_bytes()).is_some(), "another form");
    }
}

/// What one server says to the others, by the database or by NATS.
pub fn node_word(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Some(word) = Word::parse(text, "own")
    {
        let again = Word::parse(&word.to_text("other"), "own");
        let few = !matches!(&word, Word::Rings(rings) if rings.len() > 150);
        assert!(!few || again == Some(word), "another form");
    }
}

/// `valised.toml`
pub fn server_config(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        drop(Config::parse(text));
    }
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
        assert!(Manifest::parse(&text("backup_manifest/backup")).is_some());
        assert!(ClientData::parse(&seed("client_data/get")).is_some());
        assert!(exported::parse(&seed("exported_log/two")).is_some());
        assert!(Word::parse(&text("node_word/log"), "own").is_some());
        assert!(Word::parse(&text("node_word/rings"), "own").is_some());
        assert!(Config::parse(&text("server_config/small")).is_ok());
    }
}
