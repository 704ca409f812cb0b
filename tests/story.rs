//! Days in the life of an office.

mod agent;
mod canary;
mod crash;
mod letter;
mod version;
