//! `valise sync` and `valise events`.

use std::time::Duration;

use super::{
    Sync,
    desk::Desk,
    error::{CommandError, Exit},
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
};
use crate::{
    api::Push,
    clock::pause,
    safe::Safe,
    session::{Error, Session},
    sync::Report,
};

/// How often a server is looked for that takes the place of one that ends.
const ATTEMPTS: u32 = 10;
/// And after how long again.
const MOMENT: Duration = Duration::from_millis(400);

/// What the letters alone do not show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unseen {
    /// Messages that did not open.
    unopened: u64,
    /// Places in the letters of a colleague where some are missing.
    gaps: u64,
    /// Letters that came after their answers.
    late: u64,
}

impl Unseen {
    /// All that this store knows of.
    pub(super) fn in_all(session: &Session) -> Result<Self, CommandError> {
        let count = |kind| {
            let counted = session.store().read().count_events(kind);
            counted.map_err(|error| refusal(&error.into()))
        };
        Ok(Self {
            unopened: count("unreadable")?,
            gaps: count("missing-letter")?,
            late: count("late-letter")?,
        })
    }

    /// How a command ends that fetched. Only the first that meets such a message ends so: else one spoiled
    /// message would make every later command fail.
    pub(super) const fn exit(self) -> Exit {
        match (self.unopened, self.gaps, self.late) {
            (0, 0, 0) => Exit::Done,
            _ => Exit::Incomplete,
        }
    }
}

impl Desk<'_> {
    pub(super) fn sync(&mut self, args: &Sync) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let wait = args.wait.map(|seconds| Duration::from_secs(seconds.into()));
        let before = Unseen::in_all(&session)?;
        let report = self.online(&mut session, async |session, _| {
            let mut report = session.sync().await?;
            if report.letters == 0
                && let Some(wait) = wait
            {
                watch(session, wait, &mut report).await?;
            }
            if session.is_admin() {
                let open = session.proposals().await?;
                let alarms = open.into_iter().filter_map(|open| open.alarm);
                report.alarms.extend(alarms);
            }
            Ok(report)
        });
        let unseen = self.say_unseen(&session, before)?;
        let report = report?;
        self.warn_of_age(&session);
        self.say_held(&session)?;
        self.remind(&session)?;
        self.report(&report, unseen)
    }

    /// Says what came since and is not as it was sent: `events` has the rest.
    pub(super) fn say_unseen(
        &mut self,
        session: &Session,
        before: Unseen,
    ) -> Result<Unseen, CommandError> {
        let now = Unseen::in_all(session)?;
        let unopened = now.unopened.saturating_sub(before.unopened);
        let gaps = now.gaps.saturating_sub(before.gaps);
        let late = now.late.saturating_sub(before.late);
        if unopened > 0 {
            let note = format!("messages that did not open: {unopened}. See: valise events");
            self.ui.note(Safe::line(&note));
        }
        if gaps > 0 {
            let note = format!("places where letters are missing: {gaps}. See: valise events");
            self.ui.note(Safe::line(&note));
        }
        if late > 0 {
            let note = format!("letters that came after their answers: {late}. See: valise events");
            self.ui.note(Safe::line(&note));
        }
        Ok(Unseen {
            unopened,
            gaps,
            late,
        })
    }

    fn report(&mut self, report: &Report, unseen: Unseen) -> Result<Exit, CommandError> {
        let alarms = report
            .alarms
            .iter()
            .map(|alarm| Safe::from(alarm.kind()))
            .collect();
        let record = Record::new()
            .with("letters", Cell::Number(report.letters))
            .with("sent", Cell::Number(report.sent))
            .with("log_entries", Cell::Number(report.entries))
            .with("unopened", Cell::Number(unseen.unopened))
            .with("gaps", Cell::Number(unseen.gaps))
            .with("late", Cell::Number(unseen.late))
            .with("alarms", Cell::List(alarms));
        self.ui.record(&record)?;
        alarmed(report)?;
        Ok(unseen.exit())
    }

    pub(super) fn events(&mut self) -> Result<Exit, CommandError> {
        let store = self.store()?;
        let events = store
            .read()
            .events()
            .map_err(|error| refusal(&error.into()))?;
        let columns = [Column::new("id"), Column::new("time"), Column::new("alarm")];
        let mut table = Table::new(
            columns
                .into_iter()
                .chain([Column::new("kind"), Column::flexible("detail")]),
        );
        for event in events {
            let row = Row::new([
                Cell::Number(event.id),
                Cell::Time(event.at_ms),
                Cell::Flag(event.alarm),
                Cell::Text(Safe::line(&event.kind)),
                Cell::Text(Safe::line(&event.detail)),
            ]);
            table.push(row.bold(event.alarm));
        }
        self.ui.table_or(&table, "nothing has happened yet")?;
        Ok(Exit::Done)
    }
}

/// The first thing that lied, and whether letters went out all the same: in conversations without it.
pub(super) fn alarmed(report: &Report) -> Result<(), CommandError> {
    let Some(alarm) = report.alarms.first() else {
        return Ok(());
    };
    let refused = refusal(&Error::Alarm(alarm.clone()));
    Err(if report.sent > 0 {
        refused.outcome("it was left out, and what waited was sent without it")
    } else {
        refused
    })
}

/// Another connection for one that a server closed before its end; `None` when there is none.
async fn again(session: &Session, closed: &Push) -> Option<Push> {
    if !closed.is_away() {
        return None;
    }
    for _ in 0..ATTEMPTS {
        if let Ok(push) = session.watch().await {
            return Some(push);
        }
        pause(MOMENT).await;
    }
    None
}

/// Stays connected until a letter comes or `wait` is over.
async fn watch(session: &mut Session, wait: Duration, report: &mut Report) -> Result<(), Error> {
    let mut push = session.watch().await?;
    let watching = async {
        while report.letters == 0 {
            let Some(page) = push.next().await? else {
                match again(session, &push).await {
                    Some(other) => push = other,
                    None => return Ok(()),
                }
                continue;
            };
            if let Some(ack) = session.receive(page, report).await? {
                push.acknowledge(&ack).await?;
            }
        }
        Ok(())
    };
    tokio::time::timeout(wait, watching).await.unwrap_or(Ok(()))
}
