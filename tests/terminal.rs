//! What a person sees at a real terminal.

mod hostile;
mod join;
mod letters;
mod pin;
