//! The whole server over real TLS, driven as strangers, staff and thieves drive it.

mod attachment;
mod bucket;
mod clock;
#[path = "../../tests/support/cluster.rs"]
pub(crate) mod cluster;
mod delivery;
mod directory;
mod enrolment;
mod hostile;
mod key_package;
mod life;
mod listen;
mod login;
mod node;
mod postgres;
mod proposal;
mod push;
mod request;
mod routes;
#[path = "../../tests/support/storage.rs"]
pub(crate) mod storage;
pub(crate) mod support;
mod tls;
mod witness;
