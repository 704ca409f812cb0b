//! Letters over MLS (RFC 9420): the only place that knows OpenMLS.

pub mod provider;
