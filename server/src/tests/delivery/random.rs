//! Whatever devices do, in any order: the delivery service beside a small model of its contract.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{prelude::*, strategy::BoxedStrategy, test_runner::Config};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::{runtime::Runtime, task::JoinHandle};
use valise_proto::{
    api::delivery::{Accepted, Ack, Commit, Cursor, Letter},
    codec::Run,
    id::{DeviceId, SubmissionId},
};

use super::{GROUP, Person, TestServer};
use crate::{
    Server,
    delivery::DeliveryError::{self, Conflict, Malformed, NotFound, Stale},
    service::Service,
};

const DEVICES: usize = 3;

type Device = usize;
type Answer = Result<Vec<u64>, DeliveryError>;
/// Of one write.
type Outcome = Result<u64, DeliveryError>;

/// What a device sends, in small numbers: so that ids meet again, and epochs are often the right one.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Ack {
        device: Device,
        welcomes: u64,
        sequence: u64,
    },
    Commit {
        device: Device,
        write: Write,
        added: BTreeSet<Device>,
        removed: BTreeSet<Device>,
    },
    Letters {
        device: Device,
        writes: Vec<Write>,
    },
    /// The server stops, and is opened again.
    Reopen,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Write {
    id: u8,
    /// The current epoch, or one that is not.
    behind: u64,
    text: u8,
}

/// From where to where a device gets messages.
#[derive(Clone, Copy, Debug)]
struct Member {
    acked: u64,
    left: u64,
}

/// The contract, as plainly as it can be said.
#[derive(Clone, Debug, Default)]
struct Contract {
    /// There is a group.
    begun: bool,
    epoch: u64,
    sequence: u64,
    members: BTreeMap<Device, Member>,
    /// Number, sender and text of what somebody has not acknowledged.
    messages: BTreeMap<u64, (Device, Vec<u8>)>,
    /// What was accepted under each id, and as which number.
    accepted: BTreeMap<u8, (Sent, u64)>,
    /// Number of each Welcome and of its commit, by device; and the last number given.
    mailboxes: [(Vec<(u64, u64)>, u64); DEVICES],
    /// The answer to the last step.
    answer: Option<Answer>,
}

/// What makes a write the same write.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Sent {
    device: Device,
    epoch: u64,
    text: u8,
    changes: Option<(BTreeSet<Device>, BTreeSet<Device>)>,
}

impl Contract {
    fn epoch_of(&self, write: &Write) -> u64 {
        self.epoch.wrapping_sub(write.behind)
    }

    fn is_member(&self, device: Device) -> bool {
        let member = self.members.get(&device);
        member.is_some_and(|member| member.left == u64::MAX)
    }

    /// The answer to a write whose id was there before.
    fn again(&self, id: u8, sent: &Sent) -> Option<Outcome> {
        let (earlier, sequence) = self.accepted.get(&id)?;
        Some(if earlier == sent {
            Ok(*sequence)
        } else {
            Err(Conflict)
        })
    }

    fn store(&mut self, id: u8, sent: Sent) -> u64 {
        self.sequence += 1;
        let body = text(sent.text);
        self.messages.insert(self.sequence, (sent.device, body));
        self.accepted.insert(id, (sent, self.sequence));
        self.sequence
    }

    /// Up to the first that is refused.
    fn letters(&mut self, device: Device, writes: &[Write]) -> Answer {
        let mut accepted = Vec::new();
        for write in writes {
            match self.letter(device, write) {
                Ok(sequence) => accepted.push(sequence),
                Err(refusal) if accepted.is_empty() => return Err(refusal),
                Err(_) => break,
            }
        }
        Ok(accepted)
    }

    fn letter(&mut self, device: Device, write: &Write) -> Outcome {
        if !self.begun {
            return Err(NotFound);
        }
        let (epoch, text) = (self.epoch_of(write), write.text);
        let sent = Sent {
            device,
            epoch,
            text,
            changes: None,
        };
        match self.again(write.id, &sent) {
            Some(answer) => answer,
            None if !self.is_member(device) => Err(NotFound),
            None if epoch != self.epoch => Err(Stale),
            None => Ok(self.store(write.id, sent)),
        }
    }

    fn commit(
        &mut self,
        device: Device,
        write: &Write,
        (added, removed): (&BTreeSet<Device>, &BTreeSet<Device>),
    ) -> Outcome {
        let (epoch, text) = (self.epoch_of(write), write.text);
        let changes = Some((added.clone(), removed.clone()));
        let sent = Sent {
            device,
            epoch,
            text,
            changes,
        };
        if self.begun {
            match self.again(write.id, &sent) {
                Some(answer) => return answer,
                None if !self.is_member(device) => return Err(NotFound),
                None if epoch != self.epoch => return Err(Stale),
                None => {}
            }
        } else if epoch != 0 {
            return Err(NotFound);
        }
        let doubled = added.iter().any(|added| {
            let creator = !self.begun && *added == device;
            creator || (self.is_member(*added) && !removed.contains(added))
        });
        if removed.contains(&device) || !added.is_disjoint(removed) || doubled {
            return Err(Malformed);
        }
        let sequence = self.sequence + 1;
        if !self.begun {
            self.members.insert(
                device,
                Member {
                    acked: 0,
                    left: u64::MAX,
                },
            );
        }
        for removed in removed {
            let member = self.members.get_mut(removed);
            if let Some(member) = member.filter(|member| member.left == u64::MAX) {
                member.left = sequence;
            }
        }
        for added in added {
            let member = Member {
                acked: sequence,
                left: u64::MAX,
            };
            self.members.insert(*added, member);
            let (waiting, last) = &mut self.mailboxes[*added];
            *last += 1;
            waiting.push((*last, sequence));
        }
        (self.begun, self.epoch) = (true, epoch + 1);
        Ok(self.store(write.id, sent))
    }

    fn ack(&mut self, device: Device, welcomes: u64, sequence: u64) {
        let last = self.sequence;
        self.mailboxes[device]
            .0
            .retain(|(number, _)| *number > welcomes);
        let member = self.members.get_mut(&device);
        let moves = member.filter(|member| member.acked < sequence && sequence <= last);
        let Some(member) = moves else {
            return;
        };
        member.acked = sequence;
        self.members.retain(|_, member| member.left > member.acked);
        if let Some(least) = self.members.values().map(|member| member.acked).min() {
            self.messages.retain(|number, _| *number > least);
        }
    }

    /// What a device gets: number and text, its own without text.
    fn page(&self, device: Device) -> Vec<(u64, Vec<u8>)> {
        let Some(Member { acked, left }) = self.members.get(&device).copied() else {
            return Vec::new();
        };
        let due = self.messages.iter();
        let due = due.filter(|(number, _)| **number > acked && **number <= left);
        let own = |sender: Device, text: &Vec<u8>| {
            if sender == device {
                Vec::new()
            } else {
                text.clone()
            }
        };
        due.map(|(number, (sender, text))| (*number, own(*sender, text)))
            .collect()
    }
}

fn text(number: u8) -> Vec<u8> {
    vec![b't', number]
}

impl ReferenceStateMachine for Contract {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let device = || 0..DEVICES;
        let few = || proptest::collection::btree_set(0..DEVICES, 0..DEVICES);
        let behind = prop_oneof![6 => Just(0_u64), 1 => Just(1), 1 => Just(u64::MAX)];
        let write = (0..24_u8, behind, 0..2_u8);
        let write = write.prop_map(|(id, behind, text)| Write { id, behind, text });
        let sequence = 0..=state.sequence + 1;
        prop_oneof![
            6 => (device(), proptest::collection::vec(write.clone(), 1..4))
                .prop_map(|(device, writes)| Step::Letters { device, writes }),
            4 => (device(), write, few(), few()).prop_map(|(device, write, added, removed)| {
                Step::Commit { device, write, added, removed }
            }),
            5 => (device(), 0..4_u64, sequence).prop_map(|(device, welcomes, sequence)| {
                Step::Ack { device, welcomes, sequence }
            }),
            1 => Just(Step::Reopen),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.answer = match step {
            Step::Ack {
                device,
                welcomes,
                sequence,
            } => {
                state.ack(*device, *welcomes, *sequence);
                Some(Ok(vec![0]))
            }
            Step::Commit {
                device,
                write,
                added,
                removed,
            } => {
                let committed = state.commit(*device, write, (added, removed));
                Some(committed.map(|sequence| vec![sequence]))
            }
            Step::Letters { device, writes } => Some(state.letters(*device, writes)),
            Step::Reopen => None,
        };
        state
    }
}

/// The real service, over a real store.
struct Real {
    runtime: Runtime,
    server: TestServer,
    devices: Vec<DeviceId>,
    open: Option<(Arc<Service>, JoinHandle<()>)>,
    /// The epoch before the last step, by which the step's own is meant.
    epoch: u64,
}

impl Real {
    fn open(&mut self) {
        let Self {
            runtime, server, ..
        } = self;
        let open = async {
            let clock = Arc::clone(&server.clock);
            let opened = Server::open(server.config.clone(), clock).await.unwrap();
            let Server {
                service, writer, ..
            } = opened;
            (service, tokio::spawn(writer.run()))
        };
        self.open = Some(runtime.block_on(open));
    }

    fn close(&mut self) {
        let (service, writer) = self.open.take().unwrap();
        self.runtime.block_on(async {
            let store = service.store.clone();
            drop(service);
            writer.await.unwrap();
            store.close().await;
        });
    }

    fn ids(&self, devices: &BTreeSet<Device>) -> Vec<DeviceId> {
        devices.iter().map(|device| self.devices[*device]).collect()
    }

    fn answer(&self, step: &Step) -> Option<Answer> {
        let (service, _) = self.open.as_ref().unwrap();
        let delivery = &service.delivery;
        let epoch = |write: &Write| self.epoch.wrapping_sub(write.behind);
        let body = |write: &Write| text(write.text).try_into().unwrap();
        let answer = match step {
            Step::Reopen => return None,
            Step::Ack {
                device,
                welcomes,
                sequence,
            } => {
                let cursor = Cursor {
                    group: GROUP,
                    sequence: *sequence,
                };
                let ack = Ack {
                    welcomes: *welcomes,
                    groups: vec![cursor],
                };
                let acked = self
                    .runtime
                    .block_on(delivery.ack(self.devices[*device], ack));
                acked.map(|()| vec![0])
            }
            Step::Commit {
                device,
                write,
                added,
                removed,
            } => {
                let welcome: &[u8] = if added.is_empty() { b"" } else { b"welcome" };
                let commit = Commit {
                    id: SubmissionId([write.id; 16]),
                    group: GROUP,
                    epoch: epoch(write),
                    message: body(write),
                    added: self.ids(added),
                    removed: self.ids(removed),
                    welcome: welcome.to_vec().try_into().unwrap(),
                };
                let committed = delivery.commit(self.devices[*device], commit);
                let committed = self.runtime.block_on(committed);
                committed.map(|accepted| vec![accepted.sequence])
            }
            Step::Letters { device, writes } => {
                let letter = |write: &Write| Letter {
                    id: SubmissionId([write.id; 16]),
                    group: GROUP,
                    epoch: epoch(write),
                    message: body(write),
                };
                let letters: Vec<_> = writes.iter().map(letter).collect();
                let sent = delivery.letters(self.devices[*device], letters.try_into().unwrap());
                let accepted = self.runtime.block_on(sent).map(Run::into_vec);
                let sequence = |accepted: &Accepted| accepted.sequence;
                accepted.map(|accepted| accepted.iter().map(sequence).collect())
            }
        };
        Some(answer)
    }
}

impl StateMachineTest for Contract {
    type SystemUnderTest = Real;
    type Reference = Self;

    fn init_test(_: &Self) -> Real {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (server, devices) = runtime.block_on(async {
            let (mut server, alice) = TestServer::start().await;
            let mut devices = vec![alice.device.id()];
            for name in ["bob", "carol"] {
                let person: Person = server.hire(&alice, name).await;
                devices.push(person.device.id());
            }
            server.stop().await;
            (server, devices)
        });
        let mut real = Real {
            runtime,
            server,
            devices,
            open: None,
            epoch: 0,
        };
        real.open();
        real
    }

    fn apply(mut real: Real, contract: &Self, step: Step) -> Real {
        if step == Step::Reopen {
            real.close();
            real.open();
        }
        assert_eq!(real.answer(&step), contract.answer, "{step:?}");
        real.epoch = contract.epoch;
        real
    }

    fn check_invariants(real: &Real, contract: &Self) {
        let (service, _) = real.open.as_ref().unwrap();
        for (number, device) in real.devices.iter().enumerate() {
            let page = real
                .runtime
                .block_on(service.delivery.page(*device))
                .unwrap();
            let messages = page.messages.iter();
            let messages = messages.map(|it| (it.sequence, it.message.as_slice().to_vec()));
            assert_eq!(messages.collect::<Vec<_>>(), contract.page(number));
            let welcomes = page.welcomes.iter().map(|it| (it.number, it.sequence));
            assert_eq!(welcomes.collect::<Vec<_>>(), contract.mailboxes[number].0);
        }
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 24, max_shrink_iters: 2_000, ..Config::default() })]

    #[test]
    fn g07_g31_whatever_devices_do_the_contract_holds(sequential 1..60 => Contract);
}
