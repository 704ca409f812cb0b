//! Days in the life of an office.

mod agent;
mod attachment;
mod canary;
mod crash;
mod first_day;
mod governance;
mod idle;
mod letter;
mod newcomer;
mod offline;
mod race;
mod recovery;
mod refusals;
mod reply_all;
mod second_key;
mod two_admins;
mod two_devices;
mod version;
mod words;
