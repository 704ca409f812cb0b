//! What a seed makes of a day: who writes to whom when, and what goes wrong.

use std::fmt;

use super::organisation::{ADMIN, COMPUTERS, SECOND};
use crate::support::Dice;

/// How long the day lasts, before everything is repaired: milliseconds.
pub const DAY_MS: u64 = 18_000;
/// How far clocks jump: 48 hours, in milliseconds.
const JUMP_MS: i64 = 48 * 3_600_000;

/// What somebody does at a computer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Shuts the second computer out, by the admin's key.
    Revoke,
    /// Reads what there is, and sends what waits.
    Sync,
    /// Writes a letter to these people, and sends it.
    Write(Vec<&'static str>),
}

/// What goes wrong. A number is a computer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blow {
    /// The clock of a computer, or with none the server's, jumps to so many milliseconds off.
    Clock(Option<usize>, i64),
    /// All clocks together.
    Clocks(i64),
    /// A program dies between two steps, and is started again later.
    Crash(usize),
    /// A computer's line is cut in both directions.
    Cut(usize),
    /// The same in one direction: to the server when true.
    CutOneWay(usize, bool),
    /// What a computer sends and gets is held up.
    Hold(usize),
    /// The line is whole again.
    Mend(usize),
    /// Everything that was held up arrives at once.
    Release(usize),
    /// A program that died is started again.
    Restart(usize),
    /// The server dies.
    ServerCrash,
    /// The server is started again.
    ServerRestart,
}

/// A day, as its seed wants it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Which of [`COMPUTERS`] take part: the first so many, and the second computer if it is one.
    pub computers: Vec<usize>,
    /// What each of them does, in order: milliseconds and the deed.
    pub deeds: Vec<Vec<(u64, Deed)>>,
    /// What goes wrong, in order.
    pub blows: Vec<(u64, Blow)>,
    /// Latency of one message on the line: milliseconds, from and to.
    pub latency_ms: (u64, u64),
    /// How many requests of a hundred come twice.
    pub twice: u64,
    /// How many answers of a hundred are lost on the way.
    pub lost: u64,
    /// How many messages of a thousand break their line for a while.
    pub broken: u32,
}

impl Plan {
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let people = 3 + usize::try_from(dice.roll(3)).expect("small");
        let mut computers: Vec<_> = (0..people).collect();
        if dice.roll(2) == 0 {
            computers.push(SECOND);
        }
        let circles = circles(&mut dice, people);
        let mut deeds: Vec<_> = computers
            .iter()
            .map(|computer| deeds(&mut dice, *computer, &circles))
            .collect();
        if computers.contains(&SECOND) && dice.roll(2) == 0 {
            deeds[ADMIN].push((2_000 + dice.roll(DAY_MS - 4_000), Deed::Revoke));
            deeds[ADMIN].sort_by_key(|(at_ms, _)| *at_ms);
        }
        let slow = dice.roll(3);
        Self {
            seed,
            blows: blows(&mut dice, &computers),
            computers,
            deeds,
            latency_ms: (5, [20, 100, 400][usize::try_from(slow).expect("small")]),
            twice: dice.roll(3) * 5,
            lost: dice.roll(3) * 5,
            broken: u32::try_from(dice.roll(3) * 4).expect("small"),
        }
    }
}

/// The two or three circles of people who write to each other: so they meet in the same conversations.
fn circles(dice: &mut Dice, people: usize) -> Vec<Vec<usize>> {
    let mut circles = vec![(0..people).collect::<Vec<_>>()];
    for _ in 0..=dice.roll(2) {
        let mut circle: Vec<_> = (0..people).filter(|_| dice.roll(2) == 0).collect();
        if circle.len() < 2 {
            circle = vec![0, 1];
        }
        circles.push(circle);
    }
    circles
}

fn deeds(dice: &mut Dice, computer: usize, circles: &[Vec<usize>]) -> Vec<(u64, Deed)> {
    let (name, _) = COMPUTERS[computer];
    let mut deeds = Vec::new();
    for _ in 0..2 + dice.roll(4) {
        let at_ms = dice.roll(DAY_MS);
        let circle = dice.roll(u64::try_from(circles.len()).expect("small"));
        let circle = &circles[usize::try_from(circle).expect("small")];
        let names = circle.iter().map(|member| COMPUTERS[*member].0);
        let others: Vec<_> = names.clone().filter(|other| *other != name).collect();
        let among = names.clone().any(|member| member == name);
        deeds.push((
            at_ms,
            if among && dice.roll(3) > 0 {
                Deed::Write(others)
            } else {
                Deed::Sync
            },
        ));
    }
    deeds.sort_by_key(|(at_ms, _)| *at_ms);
    deeds
}

fn blows(dice: &mut Dice, computers: &[usize]) -> Vec<(u64, Blow)> {
    let mut blows = Vec::new();
    let count = u64::try_from(computers.len()).expect("small");
    for _ in 0..3 + dice.roll(5) {
        let computer = computers[usize::try_from(dice.roll(count)).expect("small")];
        let from_ms = dice.roll(DAY_MS - 1_000);
        let to_ms = from_ms + 200 + dice.roll(5_000);
        let jump_ms = [-JUMP_MS, JUMP_MS, -90_000, 90_000];
        let jump_ms = jump_ms[usize::try_from(dice.roll(4)).expect("small")];
        let (blow, repair) = match dice.roll(9) {
            0 | 1 => (Blow::Crash(computer), Blow::Restart(computer)),
            2 | 3 => (Blow::ServerCrash, Blow::ServerRestart),
            4 => (Blow::Cut(computer), Blow::Mend(computer)),
            5 => {
                let up = dice.roll(2) == 0;
                (Blow::CutOneWay(computer, up), Blow::Mend(computer))
            }
            6 => (Blow::Hold(computer), Blow::Release(computer)),
            7 => {
                let whose = (dice.roll(3) > 0).then_some(computer);
                (Blow::Clock(whose, jump_ms), Blow::Clock(whose, 0))
            }
            _ => (Blow::Clocks(jump_ms), Blow::Clocks(0)),
        };
        blows.extend([(from_ms, blow), (to_ms, repair)]);
    }
    blows.sort_by_key(|(at_ms, _)| *at_ms);
    blows
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: latency {:?} ms, {} % of requests twice, {} % of answers lost, {} ‰ break the line",
            self.seed, self.latency_ms, self.twice, self.lost, self.broken
        )?;
        let mut lines: Vec<_> = self
            .blows
            .iter()
            .map(|(at_ms, blow)| (*at_ms, format!("{blow:?}")))
            .collect();
        for (computer, deeds) in self.computers.iter().zip(&self.deeds) {
            let (name, label) = COMPUTERS[*computer];
            for (at_ms, deed) in deeds {
                lines.push((
                    *at_ms,
                    format!("{name} at the {label} ({computer}): {deed:?}"),
                ));
            }
        }
        lines.sort();
        for (at_ms, line) in lines {
            writeln!(f, "{at_ms:>7} ms  {line}")?;
        }
        Ok(())
    }
}
