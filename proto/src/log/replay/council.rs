//! How many admins there are, and how many of them must agree.

/// The admins' numbers, kept up to date entry by entry: nobody counts all accounts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Council {
    /// Appointments ever, of admins removed or suspended since, too. A founding key is one.
    appointed: usize,
    /// Admins who can sign now. A founding key without a name is one: it is free to take a name.
    able: usize,
    /// What the last `threshold.set` says.
    set: Option<u8>,
}

impl Council {
    pub(super) fn found(founders: usize) -> Self {
        Self {
            appointed: founders,
            able: founders,
            set: None,
        }
    }

    /// What was set; else one while there was only ever one admin, two as soon as there were more.
    /// It never falls by itself.
    pub(super) fn threshold(&self) -> usize {
        match self.set {
            Some(set) => set.into(),
            None => self.appointed.clamp(1, 2),
        }
    }

    pub(super) fn able(&self) -> usize {
        self.able
    }

    /// An admin is appointed; [`Council::recount`] says whether he can sign.
    pub(super) fn appoint(&mut self) {
        self.appointed = self.appointed.saturating_add(1);
    }

    /// An account could sign as an admin `before`, and can `after`.
    pub(super) fn recount(&mut self, before: bool, after: bool) {
        if before {
            self.able = self.able.saturating_sub(1);
        }
        if after {
            self.able = self.able.saturating_add(1);
        }
    }

    pub(super) fn set(&mut self, threshold: u8) {
        self.set = Some(threshold);
    }

    /// What comes of this council when one admin is lost: who is left, and how many must agree.
    pub(super) fn without_one(&self) -> (usize, usize) {
        (self.able.saturating_sub(1), self.threshold())
    }

    /// What comes of it when one more is appointed, who is `able` to sign or is not.
    pub(super) fn with_one(&self, able: bool) -> (usize, usize) {
        let mut grown = self.clone();
        grown.appoint();
        grown.recount(false, able);
        (grown.able, grown.threshold())
    }
}
