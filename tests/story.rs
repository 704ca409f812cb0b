//! Days in the life of an office.

mod letter;
