//! Single values: who this device is, its session, how far it has read.

use rusqlite::OptionalExtension;

use super::{Reader, StoreError, Work};

/// The name of a single value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Setting {
    /// This account's name, UTF-8.
    Account,
    /// Entries of the log whose new devices are in their people's conversations: u64.
    Admitted,
    /// A head that a colleague has seen and this device has not: `SignedHead`.
    Ahead,
    /// How many acts waited for this admin's signature at the last look: u64.
    Approvals,
    /// The request to be enrolled, until the server has it: `api::enrolment::Ask`.
    Ask,
    /// The organisation card, its text.
    Card,
    /// Seed of the device's Ed25519 key: 32 bytes.
    DeviceSeed,
    /// The enrolment that waits for an admin: id, 16 bytes.
    Enrolment,
    /// `proto::log::GenesisFile`, on the machine that founded the organisation.
    Genesis,
    /// The log's head as this device verified it: `proto::log::Head`.
    Head,
    /// This person's `KeyRecord`.
    KeyRecord,
    /// Number of the last Welcome that is done with: u64.
    Mailbox,
    /// When the server last got fresh key packages: milliseconds, u64.
    PackagesAt,
    /// The last checkpoint, as the server signed it.
    Checkpoint,
    /// The session: `api::login::Session`.
    Session,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Admitted => "admitted",
            Self::Ahead => "ahead",
            Self::Approvals => "approvals",
            Self::Ask => "ask",
            Self::Card => "card",
            Self::DeviceSeed => "device_seed",
            Self::Enrolment => "enrolment",
            Self::Genesis => "genesis",
            Self::Head => "head",
            Self::KeyRecord => "key_record",
            Self::Mailbox => "mailbox",
            Self::PackagesAt => "packages_at",
            Self::Checkpoint => "checkpoint",
            Self::Session => "session",
        }
    }
}

impl Reader<'_> {
    /// The value, if it is set.
    pub fn setting(&self, setting: Setting) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "select value from setting where name = ?1";
        Ok(self
            .connection
            .query_row(sql, [setting.name()], |row| row.get(0))
            .optional()?)
    }

    /// A value that is a number; 0 when it is not set.
    pub fn number(&self, setting: Setting) -> Result<u64, StoreError> {
        let bytes = self.setting(setting)?;
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        Ok(bytes.map_or(0, u64::from_be_bytes))
    }
}

impl Work<'_> {
    /// Sets the value.
    pub fn set(&self, setting: Setting, value: &[u8]) -> Result<(), StoreError> {
        let sql = "insert into setting (name, value) values (?1, ?2)
                   on conflict (name) do update set value = excluded.value";
        self.transaction
            .prepare_cached(sql)?
            .execute((setting.name(), value))?;
        Ok(())
    }

    /// Sets a value that is a number.
    pub fn set_number(&self, setting: Setting, number: u64) -> Result<(), StoreError> {
        self.set(setting, &number.to_be_bytes())
    }

    /// Forgets the value.
    pub fn unset(&self, setting: Setting) -> Result<(), StoreError> {
        self.transaction
            .execute("delete from setting where name = ?1", [setting.name()])?;
        Ok(())
    }
}
