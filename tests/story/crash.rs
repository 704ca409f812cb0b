//! Nothing that was acknowledged is ever lost, whoever is killed and when.

mod kill;
