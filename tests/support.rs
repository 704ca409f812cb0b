//! The office in which stories happen: a real server and people with software keys.

pub mod cluster;
pub mod collector;
pub mod crowd;
pub mod cutter;
pub mod dice;
pub mod drive;
pub mod front;
pub mod mallory;
pub mod office;
pub mod person;
pub mod program;
pub mod proxy;
pub mod search;
pub mod server;
pub mod site;
pub mod storage;
pub mod terminal;
pub mod time;
pub mod trace;
pub mod witness;

pub use crowd::Crowd;
pub use dice::Dice;
pub use mallory::Mallory;
pub use office::Office;
pub use person::Person;
pub use program::{Cli, Said};
pub use server::Server;
pub use site::Site;
pub use terminal::Terminal;
pub use time::Time;
