//! The office in which stories happen: a real server and people with software keys.

pub mod office;
pub mod person;
pub mod program;
pub mod search;
pub mod site;
pub mod time;

pub use office::Office;
pub use person::Person;
pub use site::Site;
pub use time::Time;
