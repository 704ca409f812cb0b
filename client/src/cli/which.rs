//! Which letter, key or device: how a person points at one.

use std::str::FromStr;

use valise_proto::id::LetterId;

use super::error::{Code, CommandError};
use crate::safe::Safe;

/// A letter as typed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    /// The long id.
    Id(LetterId),
    /// `@last`: the newest.
    Last,
    /// The local number.
    Number(u64),
    /// `@unread`: the oldest unread one.
    Unread,
}

/// Fewest letters of an id that name a thing.
const PREFIX_MIN: usize = 4;

/// The one of `ids` that begins as typed. `what` they are, and which command lists them.
pub(super) fn beginning<T: ToString>(
    ids: impl IntoIterator<Item = T>,
    typed: &str,
    what: &'static str,
    list: &'static str,
) -> Result<T, CommandError> {
    let typed = typed.to_lowercase();
    let mut found = ids
        .into_iter()
        .filter(|id| typed.len() >= PREFIX_MIN && id.to_string().starts_with(&typed));
    let refused = |code, text: String| {
        CommandError::new(code, Safe::line(&text)).outcome("nothing was signed")
    };
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(refused(Code::NotFound, format!("there is no such {what}")).hint(list)),
        (Some(_), Some(_)) => Err(
            refused(Code::Usage, format!("more than one {what} begins so"))
                .hint("give more of the id"),
        ),
    }
}

/// What was typed points at no letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a letter is a number, an id, @last or @unread")]
pub struct NoLetter;

impl FromStr for Which {
    type Err = NoLetter;

    fn from_str(text: &str) -> Result<Self, NoLetter> {
        match text {
            "@last" => Ok(Self::Last),
            "@unread" => Ok(Self::Unread),
            _ => match text.parse() {
                Ok(0) => Err(NoLetter),
                Ok(number) => Ok(Self::Number(number)),
                Err(_) => text.parse().map(Self::Id).map_err(|_| NoLetter),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_ways_to_point() {
        let id = LetterId([7; 16]);
        assert_eq!("12".parse(), Ok(Which::Number(12)));
        assert_eq!("@last".parse(), Ok(Which::Last));
        assert_eq!("@unread".parse(), Ok(Which::Unread));
        assert_eq!(id.to_string().parse(), Ok(Which::Id(id)));
        for bad in ["", "0", "-1", "@first", "12a", "١٢", "99999999999999999999"] {
            assert_eq!(bad.parse::<Which>(), Err(NoLetter), "{bad}");
        }
    }
}
