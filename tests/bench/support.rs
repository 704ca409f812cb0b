//! What a measurement needs of the office in which stories happen: no terminal, no attacker.

#[path = "../support/office.rs"]
pub mod office;
#[path = "../support/person.rs"]
pub mod person;
#[path = "../support/program.rs"]
pub mod program;
#[path = "../support/time.rs"]
pub mod time;

pub use office::Office;
pub use person::Person;
pub use program::Cli;
pub use time::Time;
