//! What new entries of the log say of the people in this device's conversations, and of its own person.

use valise_proto::{
    codec::decode,
    id::Name,
    log::{
        entry::{Entry, Fact},
        replay::Directory,
    },
};

use crate::{
    store::{StoreError, Work},
    trust::is_first,
};

/// Keeps an event for each of these verified entries that changes somebody who matters here.
pub(super) fn record<'e>(
    work: &Work<'_>,
    (directory, own): (&Directory, &Name),
    now_ms: u64,
    entries: impl Iterator<Item = &'e [u8]>,
) -> Result<(), StoreError> {
    for entry in entries {
        let damaged = |_| StoreError::Damaged("the log");
        let fact = decode::<Entry>(entry).map_err(damaged)?.statement.fact;
        let Some(name) = fact.subject() else {
            continue;
        };
        if name == own {
            record_own(work, now_ms, &fact)?;
        } else if work.read().contact(name)?.is_some()
            && let Some((kind, what)) = change(directory, &fact)
        {
            work.add_event(now_ms, kind, false, &format!("{name}: {what}"))?;
        }
    }
    Ok(())
}

/// What is new about somebody: the event's name, and the text.
fn change(directory: &Directory, fact: &Fact) -> Option<(&'static str, String)> {
    Some(match fact {
        Fact::KeyAdd(add) => ("key-added", format!("a new security key {}", add.key.id())),
        Fact::DeviceAdd(add) if is_first(directory, &add.account, add.device) => return None,
        Fact::DeviceAdd(add) => {
            let (label, device) = (add.label.as_str(), add.device);
            ("device-added", format!("a new computer '{label}' {device}"))
        }
        Fact::DeviceRevoke(revoke) => ("device-revoked", format!("{} is shut out", revoke.device)),
        Fact::KeyRevoke(revoke) => ("key-revoked", format!("the key {} is no more", revoke.key)),
        Fact::AccountSuspend(_) => ("suspended", "may neither send nor receive".to_owned()),
        Fact::AccountRestore(_) => ("restored", "may send and receive again".to_owned()),
        Fact::RecoveryBegin(begin) => {
            let key = begin.key.id();
            (
                "recovery-begun",
                format!("admins want to give a new key, {key}"),
            )
        }
        Fact::RecoveryFinish(_) => {
            let what = "admins gave a new key; older keys and devices are no more";
            ("recovered", what.to_owned())
        }
        _ => return None,
    })
}

/// A key or a device of this very account that was not added here.
fn record_own(work: &Work<'_>, now_ms: u64, fact: &Fact) -> Result<(), StoreError> {
    let (id, alarm, what) = match fact {
        Fact::KeyAdd(add) => {
            let id = add.key.id();
            (id.0, true, format!("security key of yours, {id},"))
        }
        Fact::RecoveryBegin(begin) => {
            let id = begin.key.id();
            (id.0, true, format!("security key, {id}, wanted by admins,"))
        }
        Fact::DeviceAdd(add) => {
            let id = add.device;
            (id.0, false, format!("computer of yours, {id},"))
        }
        _ => return Ok(()),
    };
    if !work.read().knows_own()? || work.read().is_own(&id)? {
        return Ok(());
    }
    let detail = format!("a {what} was not added here");
    work.add_event(now_ms, "own-record", alarm, &detail)
}
