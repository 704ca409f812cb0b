//! What this device says of the log in everything that it sends, and when it says and sends nothing.

use valise_proto::{
    codec::{decode, encode},
    log::{checkpoint::SignedHead, evidence::Evidence},
};

use crate::{
    session::{Error, Session},
    store::{EvidenceRow, Setting, StoreError},
    trust::{Alarm, Gossip, compare},
};

impl Session {
    /// What goes with everything that this device sends: its log, as the server signed it. There is
    /// none, and so nothing is sent, while the server is known to lie about the log.
    pub(crate) fn word(&self) -> Result<SignedHead, Error> {
        let ledger = self.ledger.as_ref().ok_or(Error::NotEnrolled)?;
        let read = self.store.read();
        if let Some(text) = read.open_evidence()? {
            let (org, key) = (ledger.card().org, ledger.card().log);
            let evidence = Evidence::open(&text, org, key)
                .map_err(|_| StoreError::Damaged("evidence against the server"))?;
            return Err(Alarm::LogFork(Box::new(evidence)).into());
        }
        if let Some(ahead) = self.ahead()? {
            let (seen, shown) = (ahead.head.size, ledger.head().size);
            return Err(Alarm::HiddenLog { seen, shown }.into());
        }
        Ok(ledger.word(self.clock.now_ms())?)
    }

    /// Refused while nothing may be sent.
    pub(super) fn ready_to_send(&mut self) -> Result<(), Error> {
        let word = self.word();
        self.noted(word).map(drop)
    }

    /// The largest log that a colleague has seen and this device has not.
    fn ahead(&self) -> Result<Option<SignedHead>, Error> {
        let head = self.store.read().setting(Setting::Ahead)?;
        let head = head.map(|bytes| decode(&bytes)).transpose();
        Ok(head.map_err(|_| StoreError::Damaged("a head of the log"))?)
    }

    /// The server signed `theirs` for a colleague, and shows this device less: nothing is sent until
    /// it shows all of it.
    pub(super) fn hidden(&mut self, theirs: SignedHead) -> Result<Alarm, Error> {
        let (seen, shown) = (theirs.head.size, self.directory()?.head().size);
        if self.ahead()?.is_none_or(|known| known.head.size < seen) {
            let work = self.store.begin()?;
            work.set(Setting::Ahead, &encode(&theirs))?;
            work.commit()?;
        }
        Ok(Alarm::HiddenLog { seen, shown })
    }

    /// After a look at the log: whether it holds by now what a colleague has seen.
    pub(super) fn settle_ahead(&mut self) -> Result<(), Error> {
        let (Some(ahead), Some(ledger)) = (self.ahead()?, &self.ledger) else {
            return Ok(());
        };
        match compare(ledger, ahead) {
            Ok(Gossip::Ahead) => return Ok(()),
            Ok(_) => {}
            Err(alarm) => self.record_alarm(&alarm)?,
        }
        let work = self.store.begin()?;
        work.unset(Setting::Ahead)?;
        Ok(work.commit()?)
    }

    /// All evidence against the server, oldest first.
    pub fn evidence(&self) -> Result<Vec<EvidenceRow>, Error> {
        Ok(self.store.read().evidence()?)
    }

    /// A person has decided that the evidence is dealt with: this device sends again. The evidence
    /// stays, and other evidence stops it again. Returns how much was open.
    pub fn dismiss_evidence(&mut self) -> Result<usize, Error> {
        let now_ms = self.clock.now_ms();
        let work = self.store.begin()?;
        let open = work.dismiss_evidence(now_ms)?;
        if open > 0 {
            let detail = "you said that the server's two logs are dealt with";
            work.add_event(now_ms, "evidence-dismissed", false, detail)?;
        }
        work.commit()?;
        Ok(open)
    }
}
