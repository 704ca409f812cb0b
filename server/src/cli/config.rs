//! `valised config show`

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
