//! Attacks, by the ids of the catalogue. The test is the attacker.
