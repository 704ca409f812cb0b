//! What a person sees at a real terminal.

mod changed_key;
mod hostile;
mod join;
mod letters;
mod pin;
