//! Becoming and being somebody: founding, joining, enrolling others, logging in.

mod act;
pub(crate) mod attestation;
mod credentials;
mod enrol;
mod found;
mod join;
mod login;
mod proposal;
mod rule;
mod settle;
mod sign;
mod spare;

pub use act::{act, effect};
pub use attestation::{Verdict, makers};
pub(crate) use credentials::client_data;
pub use enrol::{Request, copied_keys, enrolment_requests};
pub use found::{Founding, found};
pub use join::{Joined, default_device_label, join, resume};
pub(crate) use login::{answer_challenge, challenge};
pub use proposal::{Declared, Proposal};
pub use rule::{changes, rules, with_makers, with_rule, with_witnesses};
pub(crate) use sign::{sign_hash, statement};
