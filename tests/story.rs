//! Days in the life of an office.

mod crash;
mod letter;
