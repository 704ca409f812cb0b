//! `valise admin`: decisions of the organisation, each signed by this admin's own key.

use valise_proto::{
    codec::decode,
    id::Name,
    log::{
        entry::{Entry, Fact},
        replay::Directory,
    },
};

use super::{
    desk::{Desk, directory},
    error::{Code, CommandError, Exit},
    key::model,
    refusal::refusal,
    ui::{Cell, Column, Record, Row, Table},
};
use crate::{
    account::{Request, Verdict, changes, effect, enrolment_requests},
    safe::Safe,
    session::{Error, Session},
    store::StoreError,
    words::Words,
};
use tree::Admin;

mod approve;
mod council;
mod key;
mod list;
mod log;
mod policy;
mod recovery;
mod report;
pub mod tree;
mod user;

impl Desk<'_> {
    pub(super) fn admin(&mut self, verb: &Admin) -> Result<Exit, CommandError> {
        use tree::{Approve, Device};
        match verb {
            Admin::Requests => self.admin_requests(),
            Admin::Enrol(enrol) => self.admin_enrol(&enrol.name),
            Admin::User(verb) => self.admin_user(verb),
            Admin::Key(verb) => self.admin_key(verb),
            Admin::Device(Device::List(whose)) => self.admin_device_list(whose.name.as_ref()),
            Admin::Device(Device::Revoke(one)) => self.revoke(Some(&one.name), &one.id),
            Admin::Role(verb) => self.admin_role(verb),
            Admin::Threshold(verb) => self.admin_threshold(verb),
            Admin::Policy(verb) => self.admin_policy(verb),
            Admin::Recovery(verb) => self.admin_recovery(verb),
            Admin::List(verb) => self.admin_list(verb),
            Admin::Log(verb) => self.admin_log(verb),
            Admin::Report(verb) => self.admin_report(*verb),
            Admin::Approve(Approve::List) => self.approve_list(),
            Admin::Approve(Approve::Show(act)) => self.approve_show(&act.id),
            Admin::Approve(Approve::Sign(act)) => self.approve_sign(&act.id),
            Admin::Approve(Approve::Reject(act)) => self.approve_reject(&act.id),
        }
    }

    /// Says what will be so, asks, and makes it so: or proposes it. `done` is the answer once it is.
    pub(super) fn decide(
        &mut self,
        session: &mut Session,
        fact: &Fact,
        done: &Record,
    ) -> Result<Exit, CommandError> {
        let needed = session.signers_of(fact).map_err(|error| refusal(&error))?;
        session.can_be(fact).map_err(|error| refusal(&error))?;
        if needed > 1 {
            self.ui.note(Safe::line(&format!(
                "this needs {needed} admins: until they have signed, nothing changes"
            )));
        }
        self.agree_to(session, fact)?;
        let declared = self.online(session, async |session, keyring| {
            session.declare(keyring, fact.clone()).await
        })?;
        self.declared(session, &declared, done)
    }

    /// Says what `fact` changes, and asks for a yes: where it is grave, for the name.
    fn agree_to(&mut self, session: &Session, fact: &Fact) -> Result<(), CommandError> {
        for (name, text) in details(directory(session)?, fact) {
            self.ui.note(Safe::line(&format!("{name}:  {text}")));
        }
        let effect = effect(fact);
        self.ui.note(Safe::line(&effect));
        match fact {
            Fact::AccountSuspend(_)
            | Fact::AdminAdd(_)
            | Fact::AdminRemove(_)
            | Fact::KeyRevoke(_)
            | Fact::RecoveryBegin(_)
            | Fact::RecoveryFinish(_) => match fact.subject() {
                Some(name) => self.ui.type_name("this is grave", name),
                None => Ok(()),
            },
            _ => self.ui.confirm("sign it?"),
        }
    }

    fn admin_requests(&mut self) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let requests = self.online(&mut session, async |session, _| {
            session.read_log().await?;
            enrolment_requests(session).await
        })?;
        let columns = [
            Column::new("name"),
            Column::new("asked"),
            Column::new("model"),
            Column::new("attested"),
        ];
        let mut table = Table::new(columns.into_iter().chain([Column::new("words")]));
        for request in requests {
            table.push(Row::new([
                Cell::Text((&request.name).into()),
                Cell::Time(request.asked_at_ms),
                Cell::Text(model(&request.key.model)),
                attested(request.verdict),
                Cell::Text(Words::of(&request.fingerprint).into()),
            ]));
        }
        self.ui.table_or(&table, "nobody asks to be enrolled")?;
        Ok(Exit::Done)
    }

    fn admin_enrol(&mut self, name: &Name) -> Result<Exit, CommandError> {
        let mut session = self.session()?;
        let Some(request) = self.request(&mut session, name)? else {
            if directory(&session)?.account(name).is_some() {
                // Said twice, or said once and interrupted: it is so.
                self.ui
                    .record(&Record::new().with("state", "enrolled").with("name", name))?;
                return Ok(Exit::Done);
            }
            return Err(refusal(&Error::NoSuchRequest(name.clone())));
        };
        self.compare(&mut session, &request)?;
        let declared = self.online(&mut session, async |session, keyring| {
            session.enrol(&request, keyring).await
        })?;
        let record = Record::new()
            .with("state", "enrolled")
            .with("name", request.name.clone())
            .with("words", Words::of(&request.fingerprint))
            .with("key", request.key.id());
        self.declared(&session, &declared, &record)
    }

    /// The one who asks for `name`, seen by an admin.
    fn request(
        &mut self,
        session: &mut Session,
        name: &Name,
    ) -> Result<Option<Request>, CommandError> {
        let mut requests = self.online(session, async |session, _| {
            session.read_log().await?;
            if !session.is_admin() {
                return Err(Error::NotAdmin(session.account().clone()));
            }
            enrolment_requests(session).await
        })?;
        requests.retain(|request| request.name == *name);
        let request = requests.pop();
        if !requests.is_empty() {
            let count = requests.len() + 1;
            let text = format!("{count} different keys ask for the name {name}");
            return Err(CommandError::new(Code::WordsDiffer, Safe::line(&text))
                .outcome("nothing was signed")
                .fact("why", "one of them is not who you think")
                .hint("valise admin requests"));
        }
        Ok(request)
    }

    /// The six words, which only the person can know. That they are others is an alarm (E05).
    fn compare(&mut self, session: &mut Session, request: &Request) -> Result<(), CommandError> {
        session.vouched(request).map_err(|error| refusal(&error))?;
        let (name, words) = (&request.name, Words::of(&request.fingerprint));
        self.ui.note(Safe::line(&format!(
            "{name} must read you these words:  {words}"
        )));
        let vouched = match request.verdict {
            Verdict::Attested => "its maker vouches for it, as the organisation's rules ask",
            Verdict::NotAsked => "the organisation's rules ask no maker to vouch for it",
            Verdict::Unattested(_) => "nobody vouches for it",
        };
        self.ui.note(Safe::line(&format!(
            "the key is a {}: {vouched}",
            model(&request.key.model)
        )));
        let question = "are they the same, face to face or by voice?";
        if self.ui.agrees(question)? {
            return Ok(());
        }
        session
            .words_differ(name)
            .map_err(|error| refusal(&error))?;
        let text = format!("the words of the key that asks for the name {name} are not the same");
        Err(CommandError::new(Code::WordsDiffer, Safe::line(&text))
            .outcome("nothing was signed")
            .hint("valise admin requests"))
    }
}

/// Whether a maker vouches for a key; empty where the rules ask none.
fn attested(verdict: Verdict) -> Cell {
    match verdict {
        Verdict::NotAsked => Cell::Empty,
        Verdict::Attested => Cell::Flag(true),
        Verdict::Unattested(_) => Cell::Flag(false),
    }
}

/// What words alone do not say of an act: the rules that change, the words that belong to a key.
fn details(directory: &Directory, fact: &Fact) -> Vec<(&'static str, String)> {
    match fact {
        Fact::PolicySet(fact) => {
            let changes = changes(directory.policy(), &fact.policy);
            changes.into_iter().map(|line| ("rule", line)).collect()
        }
        Fact::RecoveryBegin(fact) => {
            let fingerprint = fact.key.fingerprint(directory.org(), &fact.account);
            vec![("words", Words::of(&fingerprint).to_string())]
        }
        Fact::ListSet(fact) => {
            let members: Vec<_> = fact.members.iter().map(ToString::to_string).collect();
            vec![("members", members.join(", "))]
        }
        _ => Vec::new(),
    }
}

/// Every entry of the log, as this device has verified it.
pub(super) fn entries(session: &Session) -> Result<Vec<Entry>, CommandError> {
    let log = session.store().read().log();
    let log = log.map_err(|error| refusal(&error.into()))?;
    let entries = log.map(|log| log.entries).unwrap_or_default();
    let decoded: Result<_, _> = entries.iter().map(|entry| decode::<Entry>(entry)).collect();
    decoded.map_err(|_| refusal(&StoreError::Damaged("an entry of the log").into()))
}

/// When entry `index` was signed.
pub(super) fn signed_at(entries: &[Entry], index: u64) -> Cell {
    let entry = usize::try_from(index).ok().and_then(|at| entries.get(at));
    entry.map_or(Cell::Empty, |entry| Cell::Time(entry.statement.time))
}
