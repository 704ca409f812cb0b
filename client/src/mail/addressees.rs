//! Whom a letter goes to: people, and the people of lists, by the directory log as it is here.

use valise_proto::{
    conversation::Conversation,
    id::Name,
    log::replay::{Account, Directory},
};

use super::Draft;
use crate::session::{Error, Session};

/// Who gets a letter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Addressees {
    /// To: people, each once, in the order typed.
    pub to: Vec<Name>,
    /// Cc: people who are not in To.
    pub cc: Vec<Name>,
    /// Lists that were typed.
    pub lists: Vec<Name>,
    /// People of these lists who get nothing, being suspended.
    pub suspended: Vec<Name>,
}

impl Session {
    /// Whether it takes [`Session::look_up`] before it is clear who gets `draft`. Who is on a list, only
    /// the newest log says (G27); whoever is nobody here may be somebody new, and whoever is suspended may
    /// have been restored.
    pub fn must_look_up(&self, draft: &Draft) -> Result<bool, Error> {
        let directory = self.directory()?;
        let mut typed = draft.to.iter().chain(&draft.cc);
        Ok(typed.any(|typed| named(typed, |name| directory.active_account(name)).is_none()))
    }

    /// Who gets `draft`. The letter names the people of a list and not the list: what it says about
    /// itself can be checked by everybody who gets it, whenever they read it.
    pub fn addressees(&self, draft: &Draft) -> Result<Addressees, Error> {
        let directory = self.directory()?;
        let mut found = Addressees::default();
        found.to = found.expand(directory, &draft.to)?;
        found.cc = found.expand(directory, &draft.cc)?;
        found.cc.retain(|name| !found.to.contains(name));
        let mut people: Vec<_> = found.to.iter().chain(&found.cc).collect();
        people.extend((!people.contains(&self.account())).then_some(self.account()));
        if found.to.is_empty() {
            return Err(Error::Wrong("a letter needs somebody to go to"));
        }
        if people.len() > Conversation::ACCOUNTS_MAX {
            return Err(Error::Wrong(
                "a letter goes to at most 1,000 people, its writer among them",
            ));
        }
        Ok(found)
    }

    /// Who `name` is or was, by the log as it is here.
    pub fn known(&self, name: &Name) -> Result<&Account, Error> {
        let directory = self.directory()?;
        if let Some(account) = directory.account(name) {
            return Ok(account);
        }
        let near = nearest(name.as_str(), directory.accounts().map(|(name, _)| name));
        let name = name.to_string();
        Err(Error::UnknownRecipient { name, near })
    }
}

impl Addressees {
    fn expand(&mut self, directory: &Directory, typed: &[String]) -> Result<Vec<Name>, Error> {
        let mut people = Vec::new();
        for typed in typed {
            if let Some((name, _)) = named(typed, |name| directory.active_account(name)) {
                people.push(name);
            } else if let Some((list, state)) = named(typed, |name| directory.list(name)) {
                let members = state.members.iter().cloned();
                let (reached, out): (Vec<_>, Vec<_>) =
                    members.partition(|name| directory.active_account(name).is_some());
                if reached.is_empty() {
                    return Err(Error::NobodyOnList(list));
                }
                people.extend(reached);
                self.suspended.extend(out);
                self.lists.push(list);
            } else if let Some((name, _)) = named(typed, |name| directory.account(name)) {
                return Err(Error::Suspended(name));
            } else {
                return Err(unknown(directory, typed));
            }
        }
        for names in [&mut people, &mut self.suspended, &mut self.lists] {
            each_once(names);
        }
        Ok(people)
    }
}

/// What `typed` names, if it is a name and names something.
fn named<T>(typed: &str, find: impl FnOnce(&Name) -> Option<T>) -> Option<(Name, T)> {
    let name: Name = typed.trim().parse().ok()?;
    let found = find(&name)?;
    Some((name, found))
}

fn each_once(names: &mut Vec<Name>) {
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
}

fn unknown(directory: &Directory, typed: &str) -> Error {
    let people = directory.accounts().map(|(name, _)| name);
    let lists = directory.lists().map(|(name, _)| name);
    Error::UnknownRecipient {
        near: nearest(typed, people.chain(lists)),
        name: typed.to_owned(),
    }
}

/// The name with the fewest letters changed from what was typed, if that is fewer than three.
fn nearest<'n>(typed: &str, names: impl Iterator<Item = &'n Name>) -> Option<Name> {
    let typed = typed.trim().to_lowercase();
    let near = names
        .map(|name| (distance(&typed, name.as_str()), name))
        .min();
    near.filter(|(distance, _)| *distance < 3)
        .map(|(_, name)| name.clone())
}

/// Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let get =
                |row: &Vec<usize>, index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = get(&row, j) + usize::from(l != *r);
            next.push(replaced.min(get(&row, j + 1) + 1).min(get(&next, j) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_its_neighbour() {
        let names: Vec<Name> = ["alice", "bob", "carol"]
            .map(|name| name.parse().unwrap())
            .into();
        assert_eq!(nearest("allice", names.iter()), names.first().cloned());
        assert_eq!(nearest("Bob", names.iter()), names.get(1).cloned());
        assert_eq!(nearest("zebra", names.iter()), None);
    }
}
