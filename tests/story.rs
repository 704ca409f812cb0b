//! Days in the life of an office.

mod agent;
mod attachment;
mod backup;
mod canary;
mod crash;
mod drill;
mod first_day;
mod golden;
mod governance;
mod haste;
mod history;
mod host;
mod idle;
mod letter;
mod newcomer;
mod offline;
mod operate;
mod race;
pub mod recovery;
mod refusals;
mod reply_all;
mod second_key;
mod two_admins;
mod two_devices;
mod version;
mod witness;
mod words;
