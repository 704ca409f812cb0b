//! The organisation's rules as people read and type them: `recovery 24h`.

use std::collections::BTreeMap;

use valise_proto::{
    log::entry::{AttestationAuthority, Policy, Witness},
    statement::sha256,
};

use super::attestation::maker;

const SECOND_MS: u64 = 1_000;
/// Units of time, the largest first.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400 * SECOND_MS),
    ("h", 3_600 * SECOND_MS),
    ("m", 60 * SECOND_MS),
    ("s", SECOND_MS),
    ("ms", 1),
];

/// Rules that are lists: what changes in them is said of each member.
const SAID_APART: [&str; 2] = ["witnesses", "attestation"];

/// One rule that can be set.
struct Rule {
    name: &'static str,
    kind: Kind,
    read: fn(&Policy) -> u64,
    /// `None`: the number is out of every range.
    write: fn(&mut Policy, u64) -> Option<()>,
}

/// What its number counts.
enum Kind {
    Time,
    Number,
}

const RULES: [Rule; 7] = [
    Rule {
        name: "letter_bytes_max",
        kind: Kind::Number,
        read: |policy| policy.letter_bytes_max.into(),
        write: |policy, value| {
            policy.letter_bytes_max = value.try_into().ok()?;
            Some(())
        },
    },
    time(
        "session",
        |it| it.session_ms,
        |it, ms| {
            it.session_ms = ms;
            Some(())
        },
    ),
    time(
        "session_idle",
        |it| it.session_idle_ms,
        |it, ms| {
            it.session_idle_ms = ms;
            Some(())
        },
    ),
    time(
        "retention",
        |it| it.retention_ms,
        |it, ms| {
            it.retention_ms = ms;
            Some(())
        },
    ),
    time(
        "client_retention",
        |it| it.client_retention_ms,
        |it, ms| {
            it.client_retention_ms = ms;
            Some(())
        },
    ),
    time(
        "recovery",
        |it| it.recovery_ms,
        |it, ms| {
            it.recovery_ms = ms;
            Some(())
        },
    ),
    Rule {
        name: "witness_quorum",
        kind: Kind::Number,
        read: |policy| policy.witness_quorum.into(),
        write: |policy, value| {
            policy.witness_quorum = value.try_into().ok()?;
            Some(())
        },
    },
];

const fn time(
    name: &'static str,
    read: fn(&Policy) -> u64,
    write: fn(&mut Policy, u64) -> Option<()>,
) -> Rule {
    Rule {
        name,
        kind: Kind::Time,
        read,
        write,
    }
}

/// Every rule and its value.
pub fn rules(policy: &Policy) -> Vec<(&'static str, String)> {
    let mut rules = vec![("suite", format!("{:#06x}", policy.suite))];
    rules.extend(RULES.iter().map(|rule| (rule.name, rule.show(policy))));
    let witnesses: Vec<_> = policy.witnesses.iter().map(Witness::to_string).collect();
    let keys: Vec<_> = policy.attestation.iter().map(allowed).collect();
    let keys = if keys.is_empty() {
        "any hardware key".to_owned()
    } else {
        keys.join("; ")
    };
    rules.push(("witnesses", some(&witnesses.join(", "))));
    rules.push(("attestation", keys));
    rules
}

/// One maker, by its certificate and that one's hash, and its models that may be enrolled.
fn allowed(authority: &AttestationAuthority) -> String {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let hash = hex(&sha256(&[authority.certificate.as_slice()]));
    let models: Vec<_> = authority.models.iter().map(|model| hex(model)).collect();
    let (maker, models) = (maker(authority), models.join(", "));
    format!("{maker} ({hash}), models {models}")
}

/// What another policy changes: "recovery: 24h becomes 48h".
pub fn changes(before: &Policy, after: &Policy) -> Vec<String> {
    let pairs = rules(before).into_iter().zip(rules(after));
    let mut changes: Vec<_> = pairs
        .filter(|((name, old), (_, new))| !SAID_APART.contains(name) && old != new)
        .map(|((name, old), (_, new))| format!("{name}: {old} becomes {new}"))
        .collect();
    changes.extend(witness_changes(before, after));
    changes.extend(maker_changes(before, after));
    changes
}

/// Which makers come and go, each with its models.
fn maker_changes(before: &Policy, after: &Policy) -> Vec<String> {
    let (old, new) = (&before.attestation, &after.attestation);
    let coming = new.iter().filter(|it| !old.contains(it));
    let mut changes: Vec<_> = coming
        .map(|it| format!("keys may come from {}", allowed(it)))
        .collect();
    let going = old.iter().filter(|it| !new.contains(it));
    changes.extend(going.map(|it| format!("no more keys from {}", allowed(it))));
    if new.is_empty() && !old.is_empty() {
        changes.push("any hardware key may be enrolled, and no maker vouches for it".to_owned());
    }
    if !new.is_empty() && old != new {
        changes.push("keys that are enrolled already stay".to_owned());
    }
    changes
}

/// Who comes, who goes, and what the new ones' word will mean.
fn witness_changes(before: &Policy, after: &Policy) -> Vec<String> {
    if (&before.witnesses, before.witness_quorum) == (&after.witnesses, after.witness_quorum) {
        return Vec::new();
    }
    let keys = |policy: &Policy| -> BTreeMap<_, _> {
        let witnesses = policy.witnesses.iter();
        witnesses
            .map(|it| (it.name.as_str().to_owned(), it.to_string()))
            .collect()
    };
    let (old, new) = (keys(before), keys(after));
    let mut changes = Vec::new();
    for (name, key) in &new {
        match old.get(name) {
            None => changes.push(format!("witness {name} comes, with the key {key}")),
            Some(known) if known != key => {
                changes.push(format!("witness {name} gets another key: {key}"));
            }
            Some(_) => {}
        }
    }
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    changes.extend(gone.map(|name| format!("witness {name} goes")));
    changes.push(match (after.witness_quorum, after.witnesses.len()) {
        (0, _) => "no witness watches the log: its server alone says which one is new".to_owned(),
        (quorum, count) => format!(
            "letters go only under a log that {quorum} of {count} witnesses signed within a day"
        ),
    });
    changes
}

/// `policy` with these witnesses, of whom `quorum` must have signed: without it, just more than half.
pub fn with_witnesses(policy: &Policy, witnesses: Vec<Witness>, quorum: Option<u8>) -> Policy {
    let majority = match witnesses.len() {
        0 => 0,
        count => count / 2 + 1,
    };
    Policy {
        witness_quorum: quorum.unwrap_or(u8::try_from(majority).unwrap_or(u8::MAX)),
        witnesses,
        ..policy.clone()
    }
}

/// `policy` with these makers of keys and no others; with none, any hardware key may be enrolled.
pub fn with_makers(policy: &Policy, attestation: Vec<AttestationAuthority>) -> Policy {
    Policy {
        attestation,
        ..policy.clone()
    }
}

/// `policy` with one rule changed; `None` when there is no such rule, or it takes no such value.
pub fn with_rule(policy: &Policy, name: &str, value: &str) -> Option<Policy> {
    let rule = RULES.iter().find(|rule| rule.name == name)?;
    let mut policy = policy.clone();
    (rule.write)(&mut policy, rule.parse(value)?)?;
    Some(policy)
}

impl Rule {
    fn show(&self, policy: &Policy) -> String {
        let value = (self.read)(policy);
        match self.kind {
            Kind::Number => value.to_string(),
            Kind::Time if value == 0 => "never".to_owned(),
            Kind::Time => {
                let unit = UNITS.iter().find(|(_, ms)| value.is_multiple_of(*ms));
                unit.map_or_else(String::new, |(unit, ms)| format!("{}{unit}", value / ms))
            }
        }
    }

    fn parse(&self, text: &str) -> Option<u64> {
        match self.kind {
            Kind::Number => text.parse().ok(),
            Kind::Time if text == "never" => Some(0),
            Kind::Time => {
                let digits = text.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
                let (_, ms) = UNITS
                    .iter()
                    .find(|(unit, _)| text.strip_prefix(digits) == Some(unit))?;
                digits.parse::<u64>().ok()?.checked_mul(*ms)
            }
        }
    }
}

fn some(text: &str) -> String {
    if text.is_empty() { "none" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_reads_back_and_only_it_changes() {
        let before = Policy::default();
        for rule in &RULES {
            let value = rule.show(&before);
            assert_eq!(
                with_rule(&before, rule.name, &value).as_ref(),
                Some(&before)
            );
        }
        let after = with_rule(&before, "recovery", "36h").unwrap();
        assert_eq!(changes(&before, &after), ["recovery: 1d becomes 36h"]);
        let after = with_rule(&before, "client_retention", "90d").unwrap();
        assert_eq!(
            changes(&before, &after),
            ["client_retention: never becomes 90d"]
        );
        for (name, value) in [
            ("suite", "1"),
            ("recovery", "24"),
            ("recovery", "-1h"),
            ("recovery", "h"),
            ("recovery", "1x"),
            ("recovery", "18446744073709551615d"),
            ("witness_quorum", "256"),
        ] {
            assert_eq!(with_rule(&before, name, value), None, "{name} {value}");
        }
    }

    #[test]
    fn d19_a_change_of_witnesses_is_said_in_plain_words() {
        let witness = |name: &str, seed: u8| {
            let seed = [seed; 32];
            let signer = crate::provider::DeviceSigner::from_seed(&seed).unwrap();
            Witness {
                name: name.to_owned().try_into().unwrap(),
                key: signer.public_key().try_into().unwrap(),
            }
        };
        let none = Policy::default();
        let (a, b, c) = (witness("a", 1), witness("b", 2), witness("c", 3));
        let three = with_witnesses(&none, vec![a.clone(), b.clone(), c], None);
        assert_eq!(three.witness_quorum, 2);
        let said = changes(&none, &three);
        assert_eq!(said[0], "witness_quorum: 0 becomes 2");
        assert_eq!(said[1], format!("witness a comes, with the key {a}"));
        assert_eq!(
            said.last().unwrap(),
            "letters go only under a log that 2 of 3 witnesses signed within a day"
        );
        let other = witness("b", 4);
        let two = with_witnesses(&three, vec![a, other.clone()], Some(2));
        let said = changes(&three, &two);
        assert_eq!(said[0], format!("witness b gets another key: {other}"));
        assert_eq!(said[1], "witness c goes");
        let said = changes(&two, &with_witnesses(&two, Vec::new(), None));
        assert!(said.contains(
            &"no witness watches the log: its server alone says which one is new".to_owned()
        ));
    }
}
