//! `valise admin`: its verbs, flags and help texts. What a verb does is in `admin/<noun>.rs`.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use valise_proto::{id::Name, log::entry::Witness};

use crate::cli::tree::name;

/// `valise admin`.
#[derive(Clone, Debug, Subcommand)]
pub enum Admin {
    /// List who asks to be enrolled
    #[command(after_help = "Example:\n  valise admin requests")]
    Requests,
    /// Enrol a person after comparing six words
    Enrol(Enrol),
    /// See, suspend and restore people
    #[command(subcommand)]
    User(User),
    /// See and revoke security keys
    #[command(subcommand)]
    Key(Key),
    /// See and revoke devices
    #[command(subcommand)]
    Device(Device),
    /// Manage who is an admin
    #[command(subcommand)]
    Role(Role),
    /// How many admins a grave act needs
    #[command(subcommand)]
    Threshold(Threshold),
    /// The organisation's rules
    #[command(subcommand)]
    Policy(Policy),
    /// Give a new key to somebody who lost every key
    #[command(subcommand)]
    Recovery(Recovery),
    /// Manage lists such as press
    #[command(subcommand)]
    List(List),
    /// Read, check and keep the directory log
    #[command(subcommand)]
    Log(Log),
    /// What an auditor asks for
    #[command(subcommand)]
    Report(Report),
    /// Sign or reject what a colleague proposed
    #[command(subcommand)]
    Approve(Approve),
}

/// Somebody, and a yes.
#[derive(Args, Clone, Debug)]
pub struct Upon {
    /// Who
    #[arg(value_parser = name)]
    pub name: Name,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Somebody, or everybody.
#[derive(Args, Clone, Debug)]
pub struct Whose {
    /// Whose; without it, everybody's
    #[arg(value_parser = name)]
    pub name: Option<Name>,
}

/// `valise admin user`.
#[derive(Clone, Debug, Subcommand)]
pub enum User {
    /// List everybody
    #[command(after_help = "Example:\n  valise admin user list")]
    List,
    /// Show a person with keys, devices and lists
    #[command(after_help = "Example:\n  valise admin user show karim")]
    Show {
        /// Who
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Suspend a person: no letters in or out
    #[command(after_help = "Example:\n  valise admin user suspend karim")]
    Suspend(Upon),
    /// End a suspension
    #[command(after_help = "Example:\n  valise admin user restore karim")]
    Restore(Upon),
    /// See a person out: role, access, and what remains
    #[command(after_help = "Example:\n  valise admin user offboard karim")]
    Offboard(Upon),
}

/// `valise admin key`.
#[derive(Clone, Debug, Subcommand)]
pub enum Key {
    /// List security keys that are in use
    #[command(after_help = "Example:\n  valise admin key list karim")]
    List(Whose),
    /// Revoke a lost or stolen security key
    #[command(after_help = "Example:\n  valise admin key revoke karim k3x7q2mp")]
    Revoke(RevokeOne),
}

/// `valise admin device`.
#[derive(Clone, Debug, Subcommand)]
pub enum Device {
    /// List devices
    #[command(after_help = "Example:\n  valise admin device list karim")]
    List(Whose),
    /// Revoke a lost or stolen device
    #[command(after_help = "Example:\n  valise admin device revoke karim k3x7q2mp")]
    Revoke(RevokeOne),
}

/// `valise admin key revoke` and `device revoke`.
#[derive(Args, Clone, Debug)]
pub struct RevokeOne {
    /// Whose
    #[arg(value_parser = name)]
    pub name: Name,
    /// Its id, or the beginning of it
    pub id: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise admin role`.
#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// Make a person an admin
    #[command(after_help = "Example:\n  valise admin role grant karim")]
    Grant(Upon),
    /// Take the admin role from a person
    #[command(after_help = "Example:\n  valise admin role revoke karim")]
    Revoke(Upon),
}

/// `valise admin threshold`.
#[derive(Clone, Debug, Subcommand)]
pub enum Threshold {
    /// Show how many admins there are and must agree
    #[command(after_help = "Example:\n  valise admin threshold show")]
    Show,
    /// Set how many admins must agree
    #[command(after_help = "Example:\n  valise admin threshold set 2")]
    Set {
        /// How many
        #[arg(value_name = "N")]
        threshold: u8,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// `valise admin policy`.
#[derive(Clone, Debug, Subcommand)]
pub enum Policy {
    /// Show the rules
    #[command(after_help = "Example:\n  valise admin policy show")]
    Show,
    /// Change one rule, or who watches the log
    Set(PolicySet),
    /// Show every change of the rules
    #[command(after_help = "Example:\n  valise admin policy history")]
    History,
}

/// `valise admin policy set`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Name all witnesses at once. From then on letters go only under a log that as many as the quorum \
        signed within a day: have them run first, and their addresses in the server's valised.toml. Name all \
        makers of keys at once too: a PEM file of attestation roots each, and models (AAGUIDs).\n\n\
        Examples:\n  valise admin policy set recovery 48h\n  \
        valise admin policy set client_retention never\n  \
        valise admin policy set --no-witnesses\n  \
        valise admin policy set --keys maker.pem:2fc0579f811347eab116bb5a8db9202a"
)]
pub struct PolicySet {
    /// Which rule: see valise admin policy show
    #[arg(requires = "value", required_unless_present_any = ["witnesses", "no_witnesses", "keys", "any_keys"])]
    pub field: Option<String>,
    /// Such as 15m, 12h, 30d, never, or a number
    pub value: Option<String>,
    /// A witness' key, as valise witness show says it; once for each
    #[arg(long = "witness", value_name = "KEY", conflicts_with = "field")]
    pub witnesses: Vec<Witness>,
    /// How many of them must have signed; without it, just more than half
    #[arg(long, value_name = "N", requires = "witnesses")]
    pub quorum: Option<u8>,
    /// Have no witnesses any more
    #[arg(long, conflicts_with_all = ["field", "witnesses"])]
    pub no_witnesses: bool,
    /// Keys that may come in, by their maker; once for each
    #[arg(long, value_name = "FILE:MODEL", conflicts_with_all = ["field", "witnesses", "no_witnesses"])]
    pub keys: Vec<KeyMaker>,
    /// Let any hardware key come in
    #[arg(long, conflicts_with_all = ["field", "witnesses", "no_witnesses", "keys"])]
    pub any_keys: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// A maker's roots, and its models.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyMaker {
    /// PEM.
    pub file: PathBuf,
    /// AAGUIDs.
    pub models: Vec<[u8; 16]>,
}

impl FromStr for KeyMaker {
    type Err = &'static str;

    /// Reads `maker.pem:2fc0579f-8113-47ea-b116-bb5a8db9202a,…`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (file, models) = text
            .rsplit_once(':')
            .filter(|(file, _)| !file.is_empty())
            .ok_or("say FILE:MODEL, or FILE:MODEL,MODEL")?;
        let model = |model: &str| {
            let digits = model.replace('-', "").to_ascii_lowercase();
            let bytes = HEXLOWER.decode(digits.as_bytes()).ok()?;
            bytes.try_into().ok()
        };
        let models = models.split(',').map(model).collect::<Option<_>>();
        Ok(Self {
            file: file.into(),
            models: models.ok_or("a model is an AAGUID: 32 hexadecimal digits")?,
        })
    }
}

/// `valise admin recovery`.
#[derive(Clone, Debug, Subcommand)]
pub enum Recovery {
    /// List recoveries that wait for objections
    #[command(after_help = "Example:\n  valise admin recovery list")]
    List,
    /// Begin one after comparing six words
    #[command(
        after_help = "On a new computer with the new key, the person runs valise join CARD --as NAME and reads you \
        six words, face to face or by voice. --yes says that they are the same.\n\n\
        Example:\n  valise admin recovery begin karim"
    )]
    Begin(Upon),
    /// Object: for the person, or any admin
    #[command(after_help = "Example:\n  valise admin recovery veto karim")]
    Veto(Upon),
    /// Finish one when nobody objected in time
    #[command(after_help = "Example:\n  valise admin recovery finish karim")]
    Finish(Upon),
}

/// `valise admin list`.
#[derive(Clone, Debug, Subcommand)]
pub enum List {
    /// Set who gets the letters to a list
    #[command(after_help = "Example:\n  valise admin list set press lea karim")]
    Set {
        /// The list
        #[arg(value_parser = name)]
        list: Name,
        /// Everybody who shall be on it
        #[arg(required = true, value_parser = name)]
        members: Vec<Name>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Show the lists, or who is on one
    #[command(after_help = "Example:\n  valise admin list show press")]
    Show(Whose),
    /// Close a list: its name stays taken
    #[command(after_help = "Example:\n  valise admin list close press")]
    Close(Upon),
}

/// `valise admin log`.
#[derive(Clone, Debug, Subcommand)]
pub enum Log {
    /// Show entries
    #[command(after_help = "Example:\n  valise admin log show --from 20 --limit 10")]
    Show {
        /// From this entry on; without it, the last ones
        #[arg(long, value_name = "N")]
        from: Option<u64>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u64,
    },
    /// Check every signature from the first entry on
    #[command(after_help = "Example:\n  valise admin log verify")]
    Verify,
    /// Write all entries and the signed head to a file
    #[command(
        after_help = "The file is text: the signed head as the server gave it, an empty line, then each entry in \
        base64 on a line.\n\nExample:\n  valise admin log export directory.log"
    )]
    Export {
        /// The new file
        file: PathBuf,
    },
}

/// `valise admin report`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Subcommand)]
pub enum Report {
    /// Everybody, with keys, devices and dates
    #[command(after_help = "Example:\n  valise admin report users -o json")]
    Users,
    /// Every security key in use, with its date
    #[command(after_help = "Example:\n  valise admin report keys -o json")]
    Keys,
    /// What may go wrong: single keys, few admins, old devices
    #[command(after_help = "Example:\n  valise admin report risk")]
    Risk,
}

/// `valise admin approve`.
#[derive(Clone, Debug, Subcommand)]
pub enum Approve {
    /// List acts that wait for one more admin
    #[command(after_help = "Example:\n  valise admin approve list")]
    List,
    /// Show what an act is, who signed it, what it changes
    #[command(after_help = "Example:\n  valise admin approve show k3x7q2mp")]
    Show(ApproveShow),
    /// Sign an act with your admin key
    #[command(after_help = "Example:\n  valise admin approve sign k3x7q2mp")]
    Sign(ApproveAct),
    /// Reject an act: it waits no longer
    #[command(after_help = "Example:\n  valise admin approve reject k3x7q2mp")]
    Reject(ApproveAct),
}

/// `valise admin approve show`.
#[derive(Args, Clone, Debug)]
pub struct ApproveShow {
    /// Its id, or the beginning of it
    pub id: String,
}

/// `valise admin approve sign` and `reject`.
#[derive(Args, Clone, Debug)]
pub struct ApproveAct {
    /// Its id, or the beginning of it
    pub id: String,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `valise admin enrol`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Compare them by voice or face to face, never in a message. --yes says that you did.\n\n\
        Examples:\n  valise admin enrol karim\n  valise admin enrol karim --yes"
)]
pub struct Enrol {
    /// Who
    #[arg(value_parser = name)]
    pub name: Name,
    /// The words are the same: do not ask
    #[arg(short, long)]
    pub yes: bool,
}

impl Admin {
    /// Whether its questions are answered with yes.
    pub(in crate::cli) fn says_yes(&self) -> bool {
        match self {
            Self::Enrol(Enrol { yes, .. })
            | Self::User(
                User::Suspend(Upon { yes, .. })
                | User::Restore(Upon { yes, .. })
                | User::Offboard(Upon { yes, .. }),
            )
            | Self::Key(Key::Revoke(RevokeOne { yes, .. }))
            | Self::Device(Device::Revoke(RevokeOne { yes, .. }))
            | Self::Role(Role::Grant(Upon { yes, .. }) | Role::Revoke(Upon { yes, .. }))
            | Self::Threshold(Threshold::Set { yes, .. })
            | Self::Policy(Policy::Set(PolicySet { yes, .. }))
            | Self::Recovery(
                Recovery::Begin(Upon { yes, .. })
                | Recovery::Veto(Upon { yes, .. })
                | Recovery::Finish(Upon { yes, .. }),
            )
            | Self::List(List::Set { yes, .. } | List::Close(Upon { yes, .. }))
            | Self::Approve(
                Approve::Sign(ApproveAct { yes, .. }) | Approve::Reject(ApproveAct { yes, .. }),
            ) => *yes,
            _ => false,
        }
    }
}
