//! The provider as a whole: against published vectors, other implementations, and OpenMLS itself.

mod differential;
mod group;
mod interop;
mod member;
mod persistence;
mod rfc9420;
mod weak_keys;
