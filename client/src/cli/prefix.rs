//! Ids as people type them: the beginning is enough.

use super::error::{Code, CommandError};

/// Fewest letters of an id that name something.
const PREFIX_MIN: usize = 4;

/// The one of `ids` that begins as typed. `hint` is the command that lists them.
pub(super) fn one<T: ToString>(
    ids: impl IntoIterator<Item = T>,
    typed: &str,
    missing: &'static str,
    hint: &'static str,
) -> Result<T, CommandError> {
    let begin = typed.to_lowercase();
    let mut found = ids
        .into_iter()
        .filter(|id| typed.len() >= PREFIX_MIN && id.to_string().starts_with(&begin));
    let refused = |code, text| CommandError::new(code, text).outcome("nothing was signed");
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(refused(Code::NotFound, missing).hint(hint)),
        (Some(_), Some(_)) => {
            Err(refused(Code::Usage, "more than one begins so").hint("give more of the id"))
        }
    }
}
