//! The command line: what one types is in `cli/tree.rs`, what a verb does in `cli/<verb>.rs`.

pub use admin::tree::Admin;
pub use attach::Attach;
pub use drill::Drill;
pub use history::{History, HistoryFile};
pub use run::main;
pub use tree::*;
pub use which::{NoLetter, Which};

pub mod admin;
pub mod attach;
mod contact;
mod desk;
mod device;
mod doctor;
mod drill;
pub mod error;
mod evidence;
mod found;
pub mod help;
mod history;
mod join;
mod key;
mod letters;
mod lists;
mod refusal;
mod run;
mod send;
mod settings;
mod status;
mod sync;
mod tree;
pub mod ui;
mod unlock;
mod which;
mod witness;

#[cfg(test)]
mod tests;
