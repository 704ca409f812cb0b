//! `valise drill`: what an attacker would try, tried, and what stopped it.

use clap::Args;

use super::{
    desk::{Desk, directory},
    error::{Code, CommandError, Exit},
    ui::{Cell, Column, Row, Table},
};
use crate::{
    config::Format,
    drill::{Scheme, Trial, Verdict},
    safe::Safe,
};

/// `valise drill`.
#[derive(Args, Clone, Copy, Debug)]
#[command(
    after_help = "Real requests to your own server, and lies to a copy of your log. It asks for one touch: a \
        login, which the attacker then catches. Nothing changes, and no letter is touched. Exit code 6: \
        something was not stopped.\n\n\
        Example:\n  valise drill"
)]
pub struct Drill {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// What the person agrees to.
const PLAN: &str = "\
    this drill attacks your own account, as people were attacked in 2026:\n\
    - it asks your server, as somebody without your key, for what only you may have\n\
    - it sends requests and a login of yours a second time, and from elsewhere\n\
    - it tells this computer lies about the log, and stands in for the server here\n\
    you will touch your key once, to log in. Nothing changes, and your admins see nothing of it";

impl Desk<'_> {
    pub(super) fn drill(&mut self) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let organisation = directory(&session)?.genesis().organisation.as_str();
        let organisation = Safe::line(organisation);
        self.ui.note(PLAN);
        self.ui
            .type_name("attack your own account?", organisation)?;
        let trials =
            self.with_key_online(async |keyring| Box::pin(session.drill(keyring)).await)?;
        if self.ui.format() == Format::Human {
            self.tell(&trials)?;
        } else {
            self.ui.table(&listed(&trials))?;
        }
        verdict(&trials)?;
        self.ui.note("everything that was tried was stopped");
        Ok(Exit::Done)
    }

    fn tell(&mut self, trials: &[Trial]) -> Result<(), CommandError> {
        let mut scheme: Option<Scheme> = None;
        for (number, trial) in (1..).zip(trials) {
            let attempt = trial.attempt;
            if scheme != Some(attempt.scheme()) {
                if scheme.is_some() {
                    self.ui.print("")?;
                }
                self.ui.print(attempt.scheme().title())?;
                scheme = Some(attempt.scheme());
            }
            let came = match &trial.verdict {
                Verdict::Stopped { by, said } => format!("stopped by {by}: {said}"),
                Verdict::NotStopped(what) => format!("NOT STOPPED: {what}"),
                Verdict::NotTried(why) => format!("not tried: {why}"),
                Verdict::LeftOut(why) => format!("left out: {why}"),
            };
            let lines = [
                format!("{number:>3}  he had {}", attempt.had()),
                format!("     he tried to {}", attempt.tried()),
                format!("     {}", Safe::line(&came)),
            ];
            self.ui.print(Safe::block(&lines.join("\n")))?;
        }
        Ok(())
    }
}

/// The trials, for programs.
fn listed(trials: &[Trial]) -> Table {
    let names = [
        "number", "scheme", "attempt", "verdict", "by", "said", "tried", "had",
    ];
    let mut table = Table::new(names.map(Column::new));
    for (number, trial) in (1..).zip(trials) {
        let attempt = trial.attempt;
        let (by, said) = match &trial.verdict {
            Verdict::Stopped { by, said } => (Cell::from(*by), said),
            Verdict::NotStopped(said) | Verdict::NotTried(said) | Verdict::LeftOut(said) => {
                (Cell::Empty, said)
            }
        };
        table.push(Row::new([
            Cell::Number(number),
            attempt.scheme().name().into(),
            attempt.name().into(),
            trial.verdict.name().into(),
            by,
            Cell::Text(Safe::line(said)),
            attempt.tried().into(),
            attempt.had().into(),
        ]));
    }
    table
}

/// The refusal that says what was not stopped, or what could not be tried.
fn verdict(trials: &[Trial]) -> Result<(), CommandError> {
    let of = |name| {
        let trials = (1_u64..).zip(trials);
        trials.filter(move |(_, trial)| trial.verdict.name() == name)
    };
    let facts = |refusal: CommandError, name| {
        of(name).fold(refusal, |refusal, (number, trial)| {
            refusal.fact(Safe::from(number), trial.attempt.tried())
        })
    };
    let count = of("not-stopped").count();
    if count > 0 {
        let text = format!("{count} of {} attacks WERE NOT STOPPED", trials.len());
        let refusal = CommandError::new(Code::NotStopped, Safe::line(&text));
        let refusal =
            refusal.hint("write nothing, and call whoever runs your server, by another way");
        return Err(facts(refusal, "not-stopped"));
    }
    let count = of("not-tried").count();
    if count > 0 {
        let text = format!("{count} of {} attacks could not be tried", trials.len());
        let refusal = CommandError::new(Code::Unreachable, Safe::line(&text));
        let refusal = refusal
            .outcome("the others were stopped")
            .hint("valise doctor");
        return Err(facts(refusal, "not-tried"));
    }
    Ok(())
}
