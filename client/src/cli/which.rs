//! Which letter: how a person points at one.

use std::str::FromStr;

use valise_proto::id::LetterId;

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
