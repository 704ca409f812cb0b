//! The office of the model: its state, and everything that can happen next.

use stateright::{Model, Property};

use super::{
    device::{Device, Memory},
    property::properties,
    replay::{Logs, OFFERED},
    server::{Answer, Request, Server},
};

/// A rule that somebody does not keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Broken {
    DeviceBelievesAnyLog,
    DeviceKeepsLetterBeforePlace,
    DeviceLooksNotAtTheLog,
    DeviceLooksNotForGaps,
    DeviceMergesBeforeTheAnswer,
    DeviceSaysItHasWhatItHasNot,
    DeviceSendsBeforeItKeeps,
    ServerAnswersBeforeItStores,
    ServerComparesNoEpoch,
    ServerForgetsIds,
}

/// How much may still go wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Trouble {
    pub crashes: u8,
    pub losses: u8,
    pub repeats: u8,
    /// Pages in which the server withholds a message, or shows an older log.
    pub lies: u8,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Office {
    pub logs: Logs,
    pub broken: &'static [Broken],
    /// How many letters alice writes, and bob.
    pub letters: [u8; 2],
    pub trouble: Trouble,
}

/// Everything as it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct State {
    pub server: Server,
    pub devices: [Device; 2],
    /// Requests that come a second time, whenever they like.
    pub strays: Vec<(u8, Request)>,
    pub left: Trouble,
}

/// How a server lies in a page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lie {
    /// By the log as it was at the beginning.
    OldLog,
    /// By leaving out the message in this place.
    Without(u8),
}

/// What can happen. The number is a device's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Somebody offers the server an entry.
    Append(u8),
    /// A device asks; the request comes a second time if the word is true.
    Ask(u8, Request, bool),
    Crash(u8),
    /// The request or its answer is lost.
    Lose(u8),
    Propose(u8),
    /// A device reads one message of its page.
    Read(u8),
    Seal(u8),
    Serve(u8),
    /// The server answers with a page that lies.
    ServeLie(u8, Lie),
    ServeStray(usize),
    ServerCrash,
    ServerStore,
    Take(u8),
}

impl Office {
    pub fn new(broken: &'static [Broken], letters: [u8; 2], trouble: Trouble) -> Self {
        let logs = Logs::new();
        Self {
            logs,
            broken,
            letters,
            trouble,
        }
    }

    fn of_device(&self, state: &State, device: &Device, actions: &mut Vec<Action>) {
        let number = device.number;
        let Memory {
            request,
            answer,
            reading,
            half,
            ..
        } = &device.memory;
        if device.memory != Memory::default() && state.left.crashes > 0 {
            actions.push(Action::Crash(number));
        }
        if reading.is_some() || half.is_some() {
            actions.push(Action::Read(number));
        }
        if answer.is_some() {
            actions.push(Action::Take(number));
        } else if request.is_some() {
            actions.push(Action::Serve(number));
        }
        if request.is_some() && state.left.losses > 0 {
            actions.push(Action::Lose(number));
        }
        if *request == Some(Request::Page) && answer.is_none() && state.left.lies > 0 {
            let withheld = device.cursor + 1..=state.server.length();
            let shorter = (!state.server.log.is_empty()).then_some(Lie::OldLog);
            let lies = withheld.map(Lie::Without).chain(shorter);
            actions.extend(lies.map(|lie| Action::ServeLie(number, lie)));
        }
        if !device.idle() {
            return;
        }
        let server = &state.server;
        let acked = server.acked[usize::from(number)];
        let server = (&server.log, server.length(), acked);
        let requests = device.requests(&self.logs, server, self.broken);
        for request in requests {
            actions.push(Action::Ask(number, request, false));
            if state.left.repeats > 0 && request != Request::Page {
                actions.push(Action::Ask(number, request, true));
            }
        }
        if device.may_seal(&self.logs, self.broken) {
            actions.push(Action::Seal(number));
        }
        if device.may_propose(&self.logs) {
            actions.push(Action::Propose(number));
        }
    }

    /// The server answers a device, by a lie if there is one.
    fn serve(&self, state: &mut State, number: u8, lie: Option<Lie>) {
        let State {
            server, devices, ..
        } = state;
        let device = &mut devices[usize::from(number)];
        let Some(request) = device.memory.request else {
            return;
        };
        let mut answer = server.serve(&self.logs, number, request, self.broken);
        match (&mut answer, lie) {
            (Some(Answer::Page { without, .. }), Some(Lie::Without(place))) => {
                *without = Some(place);
            }
            (Some(Answer::Page { log, .. }), Some(Lie::OldLog)) => log.clear(),
            (None, _) => device.memory.request = None,
            _ => {}
        }
        device.memory.answer = answer;
        self.hurry(state, number);
    }

    /// What nobody else sees, and nothing can come between any more, is done at once.
    fn hurry(&self, state: &mut State, number: u8) {
        let State {
            server,
            devices,
            left,
            ..
        } = state;
        let device = &mut devices[usize::from(number)];
        if left.crashes + left.losses == 0
            && let Some(answer) = device.memory.answer.take()
        {
            device.take(answer, self.broken);
        }
        while left.crashes == 0 && device.memory.reading.is_some() {
            device.read(&server.messages, self.broken);
        }
    }
}

impl Model for Office {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            server: Server::new(),
            devices: [
                Device::new(0, self.letters[0]),
                Device::new(1, self.letters[1]),
            ],
            strays: Vec::new(),
            left: self.trouble,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let offered = OFFERED.into_iter();
        let taken = offered.filter(|entry| self.logs.append(&state.server.log, *entry).is_some());
        actions.extend(taken.map(Action::Append));
        for device in &state.devices {
            self.of_device(state, device, actions);
        }
        actions.extend((0..state.strays.len()).map(Action::ServeStray));
        if !state.server.all_is_stored() {
            actions.push(Action::ServerStore);
            if state.left.crashes > 0 {
                actions.push(Action::ServerCrash);
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        let State {
            server,
            devices,
            strays,
            left,
        } = &mut next;
        match action {
            Action::Append(entry) => server.log = self.logs.append(&server.log, entry)?,
            Action::Ask(number, request, twice) => {
                let device = &mut devices[usize::from(number)];
                device.memory.request = Some(request);
                if twice {
                    left.repeats -= 1;
                    strays.push((number, request));
                }
            }
            Action::Crash(number) => {
                left.crashes -= 1;
                devices[usize::from(number)].crash(self.broken);
            }
            Action::Lose(number) => {
                left.losses -= 1;
                let memory = &mut devices[usize::from(number)].memory;
                (memory.request, memory.answer) = (None, None);
            }
            Action::Propose(number) => {
                devices[usize::from(number)].propose(&self.logs, self.broken);
            }
            Action::Read(number) => {
                devices[usize::from(number)].read(&server.messages, self.broken);
            }
            Action::Seal(number) => devices[usize::from(number)].seal(&self.logs, self.broken),
            Action::Serve(number) => self.serve(&mut next, number, None),
            Action::ServeLie(number, lie) => {
                left.lies -= 1;
                self.serve(&mut next, number, Some(lie));
            }
            Action::ServeStray(index) => {
                let (number, request) = strays.remove(index);
                server.serve(&self.logs, number, request, self.broken);
            }
            Action::ServerCrash => {
                left.crashes -= 1;
                server.crash();
            }
            Action::ServerStore => server.store(),
            Action::Take(number) => {
                let device = &mut devices[usize::from(number)];
                let answer = device.memory.answer.take()?;
                device.take(answer, self.broken);
                self.hurry(&mut next, number);
            }
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}
