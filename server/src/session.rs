//! Sessions: each bound to a device key, checked at every request against the directory as it is now.
//!
//! Kept in memory and in the database: a new or ended session is written at once, the time of last
//! use every few seconds. After a crash a session so seems idle a little longer than it was: on the
//! safe side. Where several servers share the database, each looks a session up again every few seconds:
//! another may have begun, used or ended it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use valise_proto::{
    id::{DeviceId, KeyId, SessionId},
    log::replay::Directory,
    weaken::checked,
};

use crate::{
    clock::Clock,
    directory::SKEW_MS,
    store::{SessionRow, Store, StoreError},
};

/// A session is looked up again after this long, where another server may have ended it: milliseconds.
const LOOK_MS: u64 = 5_000;

/// Why a session does not carry a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SessionRefusal {
    /// There is none with this id for this device, or it ended.
    #[error("there is no such session: log in again")]
    Ended,
    /// The account is suspended or the device revoked.
    #[error("the device is revoked or its account suspended")]
    Revoked,
    /// The device has no certificate in the log.
    #[error("the device is not certified")]
    Uncertified,
}

/// Every session.
#[derive(Debug)]
pub struct Sessions {
    store: Store,
    clock: Arc<dyn Clock>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    sessions: HashMap<SessionId, SessionRow>,
    /// Used since the last time that this was written down.
    used: HashSet<SessionId>,
    /// When each was looked up, where several servers share the database.
    looked_at_ms: HashMap<SessionId, u64>,
}

impl Sessions {
    /// Reads the sessions that a former run left.
    pub async fn open(store: Store, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let sessions = store.sessions().await?;
        let sessions = sessions.into_iter().map(|row| (row.id, row)).collect();
        Ok(Self {
            store,
            clock,
            open: Mutex::new(Open {
                sessions,
                ..Open::default()
            }),
        })
    }

    /// Makes `session` known, in memory, once it is in the database.
    pub fn insert(&self, session: SessionRow) {
        self.lock().sessions.insert(session.id, session);
    }

    /// Learns what other servers on the same database did with a session, unless it was looked up a moment
    /// ago.
    pub async fn refresh(&self, id: SessionId) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let known = |open: &Open| {
            let at_ms = open.looked_at_ms.get(&id);
            at_ms.is_some_and(|at_ms| now_ms.saturating_sub(*at_ms) < LOOK_MS)
        };
        if !self.store.is_shared() || known(&self.lock()) {
            return Ok(());
        }
        let row = self.store.session(id).await?;
        let mut open = self.lock();
        let Some(mut row) = row else {
            open.forget(id);
            return Ok(());
        };
        if let Some(session) = open.sessions.get(&id) {
            row.used_at_ms = row.used_at_ms.max(session.used_at_ms);
        }
        open.sessions.insert(id, row);
        open.looked_at_ms.insert(id, now_ms);
        Ok(())
    }

    /// The live session with this id that is bound to `device`.
    pub fn find(
        &self,
        id: SessionId,
        device: DeviceId,
        directory: &Directory,
    ) -> Result<SessionRow, SessionRefusal> {
        let now_ms = self.clock.now_ms();
        let open = self.lock();
        let session = open.sessions.get(&id).ok_or(SessionRefusal::Ended)?;
        if session.device != device || ended(session, directory, now_ms) {
            return Err(SessionRefusal::Ended);
        }
        let suspended = directory
            .account(&session.account)
            .is_none_or(|account| account.suspended.is_some());
        let revoked = directory
            .device(device)
            .is_some_and(|device| device.revoked.is_some());
        if suspended || revoked {
            return Err(SessionRefusal::Revoked);
        }
        Ok(session.clone())
    }

    /// Requires that the session's device is certified, now, for the session's account.
    pub fn certified(session: &SessionRow, directory: &Directory) -> Result<(), SessionRefusal> {
        match directory.active_device(session.device) {
            Some(device) if device.account == session.account => Ok(()),
            _ => Err(SessionRefusal::Uncertified),
        }
    }

    /// Records that a session was used now.
    pub fn touch(&self, id: SessionId) {
        let now_ms = self.clock.now_ms();
        let mut open = self.lock();
        let Open { sessions, used, .. } = &mut *open;
        if let Some(session) = sessions.get_mut(&id) {
            session.used_at_ms = session.used_at_ms.max(now_ms);
            used.insert(id);
        }
    }

    /// Ends a session: in the database first, so that one that is gone does not come back with a
    /// restart. It must run to its end.
    pub async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        let mut write = self.store.begin().await?;
        write.delete_session(id).await?;
        write.commit().await?;
        self.lock().forget(id);
        Ok(())
    }

    /// Forgets every session that `key` has opened, when their rows are gone.
    pub fn forget_key(&self, key: KeyId) {
        let mut open = self.lock();
        let of_key = |session: &&SessionRow| session.key == key;
        let gone = open
            .sessions
            .values()
            .filter(of_key)
            .map(|session| session.id);
        for id in gone.collect::<Vec<_>>() {
            open.forget(id);
        }
    }

    /// Writes down who was used when, and forgets sessions that ended.
    pub async fn flush(&self, directory: &Directory) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let (used, gone) = {
            let mut open = self.lock();
            let ended = |session: &&SessionRow| ended(session, directory, now_ms);
            let gone = open.sessions.values().filter(ended);
            let gone: Vec<_> = gone.map(|session| session.id).collect();
            for id in &gone {
                open.forget(*id);
            }
            let Open { sessions, used, .. } = &mut *open;
            let used: Vec<_> = used
                .drain()
                .filter_map(|id| Some((id, sessions.get(&id)?.used_at_ms)))
                .collect();
            (used, gone)
        };
        let shared = self.store.is_shared();
        if used.is_empty() && gone.is_empty() && !shared {
            return Ok(());
        }
        let mut write = self.store.begin().await?;
        for (id, used_at_ms) in used {
            write.touch_session(id, used_at_ms).await?;
        }
        if shared {
            // One that seems idle here may be in use elsewhere: the rows know.
            let idle_ms = now_ms.saturating_sub(directory.policy().session_idle_ms);
            write.delete_idle_sessions(idle_ms, now_ms).await?;
        } else {
            for id in gone {
                write.delete_session(id).await?;
            }
        }
        write.commit().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn forget(&mut self, id: SessionId) {
        self.sessions.remove(&id);
        self.used.remove(&id);
        self.looked_at_ms.remove(&id);
    }
}

/// A session ends with its time, with the key that opened it, and when the clock is set back: else it would
/// last until the clock comes there again.
fn ended(session: &SessionRow, directory: &Directory, now_ms: u64) -> bool {
    let idle_ms = now_ms.saturating_sub(session.used_at_ms);
    let key = directory.key(session.key);
    let ahead_ms = session.used_at_ms.saturating_sub(now_ms);
    now_ms >= session.ends_at_ms
        || (ahead_ms > SKEW_MS && checked("V12"))
        || idle_ms >= directory.policy().session_idle_ms
        || key.is_none_or(|key| key.revoked.is_some())
}
