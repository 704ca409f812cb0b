//! What a fact does, in plain words: for the touch, and for whoever signs after a colleague.

use valise_proto::log::entry::{Fact, ListSet};

/// What is asked for: "make carol an admin".
pub fn act(fact: &Fact) -> String {
    match fact {
        Fact::Genesis(_) => "found the organisation".to_owned(),
        Fact::AccountAdd(fact) => format!("enrol {}", fact.account),
        Fact::KeyAdd(fact) => format!("add a security key to {}", fact.account),
        Fact::DeviceAdd(_) => "certify this computer".to_owned(),
        Fact::DeviceRevoke(fact) => format!("revoke a device of {}", fact.account),
        Fact::AccountSuspend(fact) => format!("suspend {}", fact.account),
        Fact::AdminAdd(fact) => format!("make {} an admin", fact.account),
        Fact::KeyRevoke(fact) => format!("revoke a security key of {}", fact.account),
        Fact::AccountRestore(fact) => format!("restore {}", fact.account),
        Fact::AdminRemove(fact) => format!("take the admin role from {}", fact.account),
        Fact::ThresholdSet(fact) => format!("set the threshold to {}", fact.threshold),
        Fact::RecoveryBegin(fact) => format!("begin a recovery of {}", fact.account),
        Fact::RecoveryVeto(fact) => format!("veto the recovery of {}", fact.account),
        Fact::RecoveryFinish(fact) => format!("finish the recovery of {}", fact.account),
        Fact::ListSet(fact) if fact.members.is_empty() => format!("close the list {}", fact.list),
        Fact::ListSet(fact) => format!("set the list {}", fact.list),
        Fact::PolicySet(_) => "change the organisation's rules".to_owned(),
        Fact::Batch(fact) => format!("enrol {} people", fact.accounts.len()),
    }
}

/// What is so once enough have signed.
pub fn effect(fact: &Fact) -> String {
    match fact {
        Fact::Genesis(_) => "there is a new organisation".to_owned(),
        Fact::AccountAdd(fact) => format!("{} belongs to the organisation", fact.account),
        Fact::KeyAdd(fact) => {
            let key = fact.key.id();
            format!("whoever holds key {key} is {}", fact.account)
        }
        Fact::DeviceAdd(fact) => format!("device {} is {}'s", fact.device, fact.account),
        Fact::DeviceRevoke(fact) => {
            let (device, name) = (fact.device, &fact.account);
            format!("device {device} of {name} will be shut out for ever")
        }
        Fact::AccountSuspend(fact) => format!("{} will neither send nor receive", fact.account),
        Fact::AdminAdd(fact) => {
            format!("{} will be able to enrol and suspend people", fact.account)
        }
        Fact::KeyRevoke(fact) => {
            let (key, name) = (fact.key, &fact.account);
            format!("key {key} of {name} will open and sign nothing, for ever")
        }
        Fact::AccountRestore(fact) => {
            let name = &fact.account;
            format!("{name} will send and receive again, with the keys and devices of before")
        }
        Fact::AdminRemove(fact) => format!("{} will decide nothing for others", fact.account),
        Fact::ThresholdSet(fact) => match fact.threshold {
            1 => "every admin will decide alone".to_owned(),
            threshold => format!("grave acts will need {threshold} admins"),
        },
        Fact::RecoveryBegin(fact) => {
            let (key, name) = (fact.key.id(), &fact.account);
            format!("unless somebody objects in time, whoever holds key {key} will be {name}")
        }
        Fact::RecoveryVeto(fact) => {
            format!("{} keeps the keys and devices of now", fact.account)
        }
        Fact::RecoveryFinish(fact) => {
            let name = &fact.account;
            format!("{name} will have the new key only: older keys and all devices are shut out")
        }
        Fact::ListSet(fact) => listed(fact),
        Fact::PolicySet(_) => "the organisation's rules will be these".to_owned(),
        Fact::Batch(fact) => {
            format!("{} people belong to the organisation", fact.accounts.len())
        }
    }
}

fn listed(fact: &ListSet) -> String {
    let (list, members) = (&fact.list, fact.members.len());
    match members {
        0 => format!("nobody gets letters to {list}, and the name stays taken"),
        1 => format!("letters to {list} will go to 1 person"),
        _ => format!("letters to {list} will go to {members} people"),
    }
}
