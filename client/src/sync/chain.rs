//! Where a letter stands in its writer's chain: every letter has a number and the hash of the one
//! before it, so that nothing is lost, repeated or moved without a word (G07).

use valise_proto::letter::Letter;

use crate::{store::Sender, weaken::checked};

/// Where a letter stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Right behind the last one.
    Next,
    /// Behind letters that never came.
    AfterGap,
    /// Not behind the last one: it was here before, or comes too late.
    Past,
}

/// Where `letter` stands after `last`. Who `came_later` has not missed what was said before.
pub(super) fn place(last: Option<Sender>, letter: &Letter, came_later: bool) -> Place {
    let (sequence, previous) = (letter.sequence, letter.previous);
    match last {
        Some(last) if sequence <= last.sequence => Place::Past,
        Some(last) if sequence == last.sequence + 1 && previous == last.hash => Place::Next,
        None if sequence == 1 && previous.0 == [0; 32] => Place::Next,
        None if came_later => Place::Next,
        _ if !checked("G07") => Place::Next,
        _ => Place::AfterGap,
    }
}

#[cfg(test)]
mod tests {
    use valise_proto::{
        id::{DeviceId, Hash, ThreadId},
        letter::Format,
        statement::sha256,
    };

    use super::*;

    const LETTERS: usize = 12;

    /// What one writer wrote, in order.
    fn written() -> Vec<Letter> {
        let mut written: Vec<Letter> = Vec::new();
        for sequence in (1..).take(LETTERS) {
            let nonce = [u8::try_from(sequence).unwrap(); 16];
            written.push(Letter {
                id: Letter::id_of(DeviceId([1; 32]), nonce),
                nonce,
                sequence,
                previous: written.last().map_or(Hash([0; 32]), Letter::hash),
                thread: ThreadId([2; 16]),
                in_reply_to: None,
                date: 1_800_000_000_000,
                subject: String::new().try_into().unwrap(),
                to: vec!["bob".parse().unwrap()],
                cc: Vec::new(),
                format: Format::Plain,
                body: sequence.to_string().try_into().unwrap(),
                attachments: Vec::new(),
            });
        }
        written
    }

    /// What a server makes of it: letters dropped, repeated, held up and swapped, by their index.
    fn schedule(round: u32) -> Vec<usize> {
        let dice: Vec<u8> = (0..4_u8)
            .flat_map(|part| sha256(&[&round.to_be_bytes(), &[part]]))
            .collect();
        let mut order: Vec<usize> = Vec::new();
        for (index, die) in dice.iter().take(LETTERS).enumerate() {
            order.extend(std::iter::repeat_n(
                index,
                [0, 1, 1, 1, 2][usize::from(die % 5)],
            ));
        }
        for pair in dice[LETTERS..].chunks(2).take(usize::from(dice[127] % 5)) {
            if !order.is_empty() {
                let length = order.len();
                order.swap(usize::from(pair[0]) % length, usize::from(pair[1]) % length);
            }
        }
        order
    }

    /// Shown letters, and whether each came with a word about missing ones.
    fn shown(written: &[Letter], order: &[usize]) -> Vec<(u64, bool)> {
        let (mut last, mut shown) = (None, Vec::new());
        for letter in order.iter().map(|index| &written[*index]) {
            let place = place(last, letter, false);
            if place != Place::Past {
                let (sequence, hash) = (letter.sequence, letter.hash());
                last = Some(Sender { sequence, hash });
                shown.push((sequence, place == Place::AfterGap));
            }
        }
        shown
    }

    #[test]
    fn g07_no_schedule_repeats_reorders_or_loses_in_silence() {
        let written = written();
        let mut gaps = 0;
        for round in 0..10_000 {
            let order = schedule(round);
            let mut before = 0;
            for (sequence, gap) in shown(&written, &order) {
                assert!(sequence > before, "{order:?}");
                assert_eq!(gap, sequence != before + 1, "{order:?}");
                gaps += u32::from(gap);
                before = sequence;
            }
            let newest = order.iter().max();
            let newest = newest.map_or(0, |index| written[*index].sequence);
            assert_eq!(before, newest, "{order:?}");
        }
        assert!(gaps > 10_000, "{gaps}");
    }

    #[cfg(feature = "weaken")]
    #[test]
    fn g07_twin_letters_are_lost_in_silence() {
        let written = written();
        crate::weaken::dangerously_weaken(Some("G07"));
        let lost = shown(&written, &[0, 1, 3]);
        crate::weaken::dangerously_weaken(None);
        assert_eq!(lost, [(1, false), (2, false), (4, false)]);
    }

    /// The number is right, and the letter before it was another one.
    #[test]
    fn g07_a_letter_put_in_anothers_place_shows() {
        let mut written = written();
        written[1].body = "Another.".to_owned().try_into().unwrap();
        assert_eq!(
            shown(&written, &[0, 1, 2]),
            [(1, false), (2, false), (3, true)]
        );
    }
}
