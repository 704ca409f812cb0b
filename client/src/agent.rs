//! The agent: holds the unlocked store key in memory for a while, as ssh-agent holds keys.
