//! Keeping up with the server: the log first, then invitations, then messages in their order.
//!
//! What a page brings becomes durable here before it is acknowledged there. A message that lies or
//! does not open changes nothing but the cursor, and leaves an event.

mod admit;
mod chain;
mod conversation;
mod gossip;
mod haste;
mod incoming;
mod news;
mod opening;
mod outgoing;
mod renew;
mod sealing;
mod transfer;

use reqwest::Method;
use valise_proto::{
    api::{
        ACKS, GENESIS, KEY_PACKAGES, LOG, SYNC, delivery, directory,
        key_package::{Claimed, Publish},
    },
    codec::encode,
    log::Head,
};

use crate::{
    api::{Api, ApiError, Caller, Push},
    failpoint::reached,
    mls::{Me, forget_old_packages, make_packages},
    session::{Error, Session},
    store::{Setting, Store, Work},
    trust::{Alarm, Ledger},
    weaken::checked,
};

/// Fresh key packages that the server should have of this device.
const PACKAGES: usize = 20;
/// After this long the server gets fresh ones, however many it has left: so people who look in once
/// in three weeks can always be reached. Milliseconds.
const REFRESH_MS: u64 = 7 * 86_400_000;

/// What a sync brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// New letters.
    pub letters: u64,
    /// New entries of the directory log.
    pub entries: u64,
    /// Letters that left the outbox.
    pub sent: u64,
    /// Trust failures on the way; each is an event too.
    pub alarms: Vec<Alarm>,
}

/// One page of the log after what `ledger` has.
pub(crate) async fn log_page(
    api: &Api,
    caller: Caller<'_>,
    ledger: &Ledger,
) -> Result<directory::Page, ApiError> {
    api.call(caller, Method::GET, &rest(ledger), Vec::new())
        .await
}

/// Where the log goes on after what `ledger` has.
fn rest(ledger: &Ledger) -> String {
    let size = ledger.head().size;
    format!("{LOG}?from={size}&old={size}")
}

impl Session {
    /// Reads everything, then sends what waits in the outbox.
    pub async fn sync(&mut self) -> Result<Report, Error> {
        let mut report = Report::default();
        let before = self.ledger.as_ref().map_or(0, |ledger| ledger.head().size);
        self.pull(&mut report).await?;
        self.ready_to_send()?;
        self.succeed(&mut report).await?;
        self.deliver(&mut report).await?;
        self.admit(&mut report).await?;
        self.renew(&mut report).await?;
        report.entries = self.directory()?.head().size.saturating_sub(before);
        self.clear_spool()?;
        self.store.truncate_log()?;
        Ok(report)
    }

    /// Reads everything, unless that was done a moment ago: what one is told about people is then so.
    /// What lies is left behind, and is the answer: whoever is about to write hears of it before.
    pub async fn catch_up(&mut self) -> Result<(), Error> {
        let mut report = Report::default();
        self.refresh(&mut report).await?;
        let first = report.alarms.into_iter().next();
        first.map_or(Ok(()), |alarm| Err(alarm.into()))
    }

    /// Reads the newest log, and everything that colleagues say about it: who is on a list is then so.
    pub async fn look_up(&mut self) -> Result<(), Error> {
        self.read_log().await?;
        self.catch_up().await
    }

    /// Reads everything.
    pub(crate) async fn pull(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.word().is_ok() {
            self.settle_proposed().await?;
        }
        let mut last = None;
        loop {
            let page: delivery::Page = self.request(Method::GET, SYNC, Vec::new()).await?;
            let mut more = page.more != 0;
            let packages = usize::from(page.key_packages);
            if !checked("R05") {
                self.dangerously_acknowledge(&page).await?;
            }
            let ack = self.take(page, report).await?;
            // A page that brings nothing, or the same again, is the end whatever the server says.
            more &= ack.is_some() && ack != last;
            last.clone_from(&ack);
            if let Some(ack) = ack {
                reached("after-page-stored");
                self.request_raw(Method::POST, ACKS, encode(&ack)).await?;
                reached("after-ack");
            }
            if !more {
                self.compare(report).await?;
                self.replenish(packages).await?;
                self.pulled_at_ms = self.clock.now_ms();
                return Ok(());
            }
        }
    }

    /// What a client does that does not keep first: says that it has what it was only shown.
    async fn dangerously_acknowledge(&self, page: &delivery::Page) -> Result<(), Error> {
        let cursor = |message: &delivery::Message| delivery::Cursor {
            group: message.group,
            sequence: message.sequence,
        };
        let ack = delivery::Ack {
            welcomes: page.welcomes.last().map_or(0, |welcome| welcome.number),
            groups: page.messages.iter().map(cursor).collect(),
        };
        self.request_raw(Method::POST, ACKS, encode(&ack)).await?;
        Ok(())
    }

    /// Opens the live connection. Each page from it goes to [`Session::receive`].
    pub async fn watch(&self) -> Result<Push, Error> {
        Ok(self.api()?.push(self.caller()?).await?)
    }

    /// Takes a page that was pushed, and says what to acknowledge.
    pub async fn receive(
        &mut self,
        page: delivery::Page,
        report: &mut Report,
    ) -> Result<Option<delivery::Ack>, Error> {
        let ack = self.take(page, report).await?;
        self.pulled_at_ms = self.clock.now_ms();
        Ok(ack)
    }

    /// Reads the log to its end.
    pub async fn read_log(&mut self) -> Result<(), Error> {
        let result = self.advance_log().await;
        self.noted(result)?;
        self.settle_ahead()
    }

    /// The result, with its alarm recorded if it is one.
    fn noted<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Alarm(alarm)) = &result {
            self.record_alarm(alarm)?;
        }
        result
    }

    async fn advance_log(&mut self) -> Result<(), Error> {
        if self.ledger.is_none() {
            let api = self.api()?;
            let genesis = api
                .raw(Caller::Anybody, Method::GET, GENESIS, Vec::new())
                .await?;
            let ledger = Ledger::begin(api.card().clone(), &genesis)?;
            let work = self.store.begin()?;
            work.add_to_log(0, &[genesis], ledger.head())?;
            work.commit()?;
            self.ledger = Some(ledger);
        }
        let certified = self.directory()?.device(self.me.device).is_some();
        if certified && !self.store.read().knows_own()? {
            // A store of an earlier version.
            self.remember_own()?;
        }
        loop {
            let ledger = self.ledger.as_ref().ok_or(Error::NotEnrolled)?;
            let page: directory::Page =
                self.request(Method::GET, &rest(ledger), Vec::new()).await?;
            let now_ms = self.clock.now_ms();
            let ledger = self.ledger.as_mut().ok_or(Error::NotEnrolled)?;
            let complete_ms = ledger.complete_ms();
            let progress = match ledger.advance(&page, now_ms) {
                Err(alarm) if has_no_memory(&alarm) => {
                    *ledger = dangerously_forget(&mut self.store, ledger)?;
                    continue;
                }
                other => other?,
            };
            if !progress.entries.is_empty() || progress.checkpoint.is_some() {
                let work = self.store.begin()?;
                let known = work.add_to_log(progress.first, &progress.entries, ledger.head())?;
                let new = (progress.first..).zip(&progress.entries);
                let new = new.filter(|(index, _)| *index >= known);
                let new: Vec<_> = new.map(|(at, entry)| (at, entry.as_slice())).collect();
                let people = (ledger.directory(), &self.me.account);
                news::record(&work, people, now_ms, new.iter().map(|(_, entry)| *entry))?;
                let hasty = haste::record(&work, people.0, complete_ms, now_ms, &new)?;
                if let Some(note) = &progress.checkpoint {
                    work.set(Setting::Checkpoint, note.as_bytes())?;
                }
                work.commit()?;
                self.warnings.extend(hasty);
                reached("after-log-stored");
            }
            if !progress.more {
                return Ok(());
            }
        }
    }

    /// Publishes key packages when the server has few left, or old ones.
    pub(crate) async fn replenish(&mut self, left: usize) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let published = self.store.read().number(Setting::PackagesAt)?;
        let old = now_ms.saturating_sub(published) > REFRESH_MS;
        let count = if old {
            PACKAGES
        } else if left < PACKAGES / 2 {
            PACKAGES - left
        } else {
            return Ok(());
        };
        // Packages that never reached the server leave private halves here that nobody asks for.
        let me = self.me.member(self.ledger.as_ref())?;
        let work = self.store.begin()?;
        let publish = packages(&work, &me, count)?;
        forget_old_packages(&work.mls(), now_ms)?;
        work.commit()?;
        reached("after-packages-made");
        self.request_raw(Method::POST, KEY_PACKAGES, encode(&publish))
            .await?;
        let work = self.store.begin()?;
        work.set_number(Setting::PackagesAt, now_ms)?;
        Ok(work.commit()?)
    }

    /// Claims a key package for each of `devices`.
    pub(crate) async fn claim(
        &self,
        devices: Vec<valise_proto::id::DeviceId>,
    ) -> Result<Claimed, Error> {
        if devices.is_empty() {
            return Ok(Claimed {
                packages: Vec::new(),
            });
        }
        let claim = valise_proto::api::key_package::Claim { devices };
        let path = valise_proto::api::KEY_PACKAGE_CLAIMS;
        self.request(Method::POST, path, encode(&claim)).await
    }
}

fn packages(work: &Work<'_>, me: &Me<'_>, count: usize) -> Result<Publish, Error> {
    let fits = |package: Vec<u8>| {
        package
            .try_into()
            .map_err(|_| Error::Wrong("a key package is too large"))
    };
    let once = make_packages(&work.mls(), me, count, false)?;
    let last_resort = make_packages(&work.mls(), me, 1, true)?
        .pop()
        .map(fits)
        .transpose()?;
    let once = once.into_iter().map(fits).collect::<Result<_, _>>()?;
    Ok(Publish { once, last_resort })
}

/// Whether that check is switched off which holds a log against what this device has seen before.
fn has_no_memory(alarm: &Alarm) -> bool {
    match alarm {
        Alarm::LogRollback { .. } => !checked("D07"),
        Alarm::LogFork(_) => !checked("D10"),
        _ => false,
    }
}

/// What a client without that check does: begins again, and believes whatever log it is shown.
fn dangerously_forget(store: &mut Store, ledger: &Ledger) -> Result<Ledger, Error> {
    let mut log = store.read().log()?.ok_or(Error::NotEnrolled)?;
    log.entries.truncate(1);
    let root = ledger.directory().tree().root_at(1);
    log.head = Head {
        size: 1,
        root: root.ok_or(Error::NotEnrolled)?,
    };
    let work = store.begin()?;
    work.dangerously_cut_log(log.head)?;
    work.commit()?;
    Ok(Ledger::restore(ledger.card().clone(), &log, None)?)
}
