//! What must hold in every state, and what should come true in some.

use std::collections::BTreeSet;

use stateright::Property;

use super::{
    device::{CAROL, Device},
    office::{Office, State},
    server::{Content, Message},
};

pub fn properties() -> Vec<Property<Office>> {
    let always = Property::always;
    let sometimes = Property::sometimes;
    vec![
        always("I1 gone is in every queue or shown", durable),
        always("I2 shown at most once", |_, state| all(state, once)),
        always("I3 in their writers' order", |_, state| {
            all(state, in_order)
        }),
        always("I4 a gap is visible", |_, state| {
            all(state, |device| marked(state, device))
        }),
        always("I5 one epoch, one authenticator", one_authenticator),
        always("I7 a key seals once", |_, state| all(state, sealed_once)),
        always("I8 the log only grows", |_, state| {
            all(state, |device| {
                !device.shrunk && state.server.log.starts_with(&device.log)
            })
        }),
        always("one place for each id", one_place),
        always("sealed for nobody whom the log shuts out", |_, state| {
            all(state, |device| !device.careless)
        }),
        sometimes("everybody has every letter", |_, state: &State| {
            let [alice, bob] = &state.devices;
            let shown = |device: &Device| u8::try_from(device.shown.len());
            all(state, |device| device.gone == device.letters)
                && shown(alice) == Ok(bob.letters)
                && shown(bob) == Ok(alice.letters)
        }),
        sometimes("letters go on without carol", |_, state| {
            let last = state.server.messages.last();
            last.is_some_and(|last| last.readers & CAROL == 0) && state.server.epoch == 1
        }),
        sometimes("all that can go wrong went wrong", |office, state| {
            let sum = |trouble: super::office::Trouble| {
                trouble.crashes + trouble.losses + trouble.repeats + trouble.lies
            };
            sum(office.trouble) > 0 && sum(state.left) == 0
        }),
    ]
}

fn all(state: &State, holds: impl Fn(&Device) -> bool) -> bool {
    state.devices.iter().all(holds)
}

/// Letters in their places: place, writer, number and the message.
fn letters(state: &State) -> impl Iterator<Item = (u8, u8, u8, &Message)> {
    let placed = (1..).zip(&state.server.messages);
    placed.filter_map(|(place, message)| match message.content {
        Content::Letter { number, .. } => Some((place, message.id.0, number, message)),
        Content::Commit { .. } => None,
    })
}

fn readers<'s>(state: &'s State, message: &Message) -> impl Iterator<Item = &'s Device> {
    let (readers, writer) = (message.readers, message.id.0);
    let inside = move |device: &&Device| readers & 1 << device.number != 0;
    state
        .devices
        .iter()
        .filter(inside)
        .filter(move |device| device.number != writer)
}

fn durable(office: &Office, state: &State) -> bool {
    state.devices.iter().all(|writer| {
        (1..=writer.gone).all(|number| {
            let mut letters = letters(state);
            let kept = letters.find(|letter| (letter.1, letter.2) == (writer.number, number));
            let Some((place, _, _, message)) = kept else {
                return false;
            };
            readers(state, message).all(|reader| {
                let waits = state.server.acked[usize::from(reader.number)] < place;
                // What a server withholds, it has not promised anything about.
                let told = office.trouble.lies > 0 && reader.marked;
                let shut_out = office.logs.active(&state.server.log) & 1 << reader.number == 0;
                waits || told || shut_out || reader.shown.contains(&(writer.number, number))
            })
        })
    })
}

fn once(device: &Device) -> bool {
    let different: BTreeSet<_> = device.shown.iter().collect();
    different.len() == device.shown.len()
}

fn in_order(device: &Device) -> bool {
    (0..2).all(|writer| {
        let numbers = device.shown.iter().filter(|shown| shown.0 == writer);
        numbers.is_sorted_by_key(|shown| shown.1)
    })
}

fn marked(state: &State, device: &Device) -> bool {
    let mut passed = letters(state).filter(|(place, ..)| *place <= device.cursor);
    passed.all(|(_, writer, number, message)| {
        let due = readers(state, message).any(|reader| reader.number == device.number);
        !due || device.marked || device.shown.contains(&(writer, number))
    })
}

fn one_authenticator(_: &Office, state: &State) -> bool {
    let all = state.devices.iter();
    let epochs: BTreeSet<_> = all.clone().map(|device| device.epoch).collect();
    let both: BTreeSet<_> = all
        .map(|device| (device.epoch, device.authenticator))
        .collect();
    epochs.len() == both.len()
}

fn sealed_once(device: &Device) -> bool {
    let keys = device
        .keys
        .iter()
        .map(|(begun, sealed)| (begun, sealed.content));
    let keys = keys.map(|(begun, content)| match content {
        Content::Letter {
            epoch, generation, ..
        } => (begun, epoch, generation),
        Content::Commit { epoch, .. } => (begun, epoch, u8::MAX),
    });
    let different: BTreeSet<_> = keys.collect();
    different.len() == device.keys.len()
}

fn one_place(_: &Office, state: &State) -> bool {
    let ids: BTreeSet<_> = state
        .server
        .messages
        .iter()
        .map(|message| message.id)
        .collect();
    ids.len() == state.server.messages.len()
}
