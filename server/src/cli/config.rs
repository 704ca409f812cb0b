//! `valised config show|example`

use std::path::Path;

use super::{CommandError, say};
use crate::config::Config;

pub(super) fn show(data: &Path, origin: bool) -> Result<(), CommandError> {
    for (key, value, from) in Config::origins(data)? {
        if origin {
            say(&format!("{key} = {value}  # {from}"))?;
        } else {
            say(&format!("{key} = {value}"))?;
        }
    }
    Ok(())
}

/// Each key as it stands in the source: its comment, and its default, commented out.
pub(super) fn example() -> Result<(), CommandError> {
    let defaults = toml::Table::try_from(Config::default()).unwrap_or_default();
    say(
        "# Everything that can be chosen, with its default. In valised.toml, or as VALISED_… in the environment.",
    )?;
    let source = include_str!("../config.rs");
    let (_, fields) = source.split_once("pub struct Config {").unwrap_or_default();
    let (fields, _) = fields.split_once("\n}").unwrap_or_default();
    let mut comment = Vec::new();
    for line in fields.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            comment.push(text.replace('`', ""));
        } else if let Some((key, _)) = line.strip_prefix("pub ").and_then(|it| it.split_once(':')) {
            if key != "data" {
                say("")?;
                for text in &comment {
                    say(&format!("# {text}"))?;
                }
                match defaults.get(key) {
                    Some(toml::Value::Table(_)) => say(&format!("#[{key}]"))?,
                    Some(value) => say(&format!("#{key} = {value}"))?,
                    None => say(&format!("#{key} = "))?,
                }
            }
            comment.clear();
        }
    }
    Ok(())
}
