//! What one types about people, their keys and their devices.

use clap::{Args, Subcommand};
use valise_proto::id::Name;

use super::name;
use crate::config::KeySource;

/// `valise key`.
#[derive(Clone, Debug, Subcommand)]
pub enum Key {
    /// List your security keys
    #[command(after_help = "Example:\n  valise key list")]
    List,
    /// Add a second security key, signed by one that you have
    Add(KeyAdd),
    /// Give a key a name that only you see
    Rename(KeyRename),
    /// Remove a lost key: it signs and opens nothing any more
    Remove(KeyRemove),
    /// See whether the plugged-in key logs in and opens letters
    #[command(after_help = "Example:\n  valise key test")]
    Test,
}

/// `valise key add`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Have both keys ready: it asks for the new one, then for one that you have.\n\n\
        Example:\n  valise key add"
)]
pub struct KeyAdd {
    /// Where the new key is, if not in the place of the other
    #[arg(long, value_name = "NAME")]
    pub new_key: Option<KeySource>,
}

/// `valise key rename`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise key rename 3f9a01bc 'in the safe'")]
pub struct KeyRename {
    /// Its id, or the beginning of it
    pub id: String,
    /// What to call it
    pub label: String,
}

/// `valise key remove`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise key remove 3f9a01bc")]
pub struct KeyRemove {
    /// Its id, or the beginning of it
    pub id: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise contact`.
#[derive(Clone, Debug, Subcommand)]
pub enum Contact {
    /// List people and how well you know their keys
    #[command(after_help = "Example:\n  valise contact list")]
    List,
    /// Show the lists that letters can go to, or who is on one
    #[command(after_help = "Examples:\n  valise contact lists\n  valise contact lists press")]
    Lists {
        /// Only this list
        #[arg(value_parser = name)]
        list: Option<Name>,
    },
    /// Show a person's keys, devices and words
    #[command(after_help = "Example:\n  valise contact show karim")]
    Show(Person),
    /// Compare a person's six words, by voice or face to face
    Verify(Verify),
    /// Agree to a person's changed keys after calling them
    #[command(after_help = "Example:\n  valise contact accept karim")]
    Accept(Person),
}

/// Somebody.
#[derive(Args, Clone, Debug)]
pub struct Person {
    /// Who
    #[arg(value_parser = name)]
    pub name: Name,
}

/// `valise contact verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise contact verify karim")]
pub struct Verify {
    /// Who
    #[arg(value_parser = name)]
    pub name: Name,
    /// The words are the same: do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise device`.
#[derive(Clone, Debug, Subcommand)]
pub enum Device {
    /// List your devices
    #[command(after_help = "Example:\n  valise device list")]
    List,
    /// Give a device a name that only you see
    Rename(DeviceRename),
    /// Revoke one of your devices
    Revoke(DeviceRevoke),
    /// Show this device
    #[command(after_help = "Example:\n  valise device this")]
    This,
}

/// `valise device rename`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise device rename k3x7q2mp 'at home'")]
pub struct DeviceRename {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    pub device: String,
    /// What to call it
    pub label: String,
}

/// `valise device revoke`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  valise device revoke k3x7q2mp")]
pub struct DeviceRevoke {
    /// Its id, or the beginning of it
    #[arg(value_name = "ID")]
    pub device: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}
