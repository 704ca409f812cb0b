//! Becoming and being somebody: founding, joining, enrolling others, logging in.

mod credentials;
mod enrol;
mod found;
mod join;
mod login;
mod settle;
mod sign;
mod spare;

pub use enrol::{Request, enrolment_requests};
pub use found::{Founding, found};
pub use join::{Joined, default_device_label, join, resume};
