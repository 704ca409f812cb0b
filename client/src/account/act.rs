//! What a fact does, in plain words: for the touch, and for whoever signs after a colleague.

use valise_proto::log::entry::Fact;

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
            format!(
                "device {} of {} is shut out for ever",
                fact.device, fact.account
            )
        }
        Fact::AccountSuspend(fact) => format!("{} will neither send nor receive", fact.account),
        Fact::AdminAdd(fact) => {
            format!("{} will be able to enrol and suspend people", fact.account)
        }
    }
}
