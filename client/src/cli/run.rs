//! From the command line to the verb.

use std::process::ExitCode;

use clap::{Parser as _, error::ErrorKind};

use super::{
    Cli, Command, ConfigCommand, Contact, Device, EvidenceAct, History, Key, Log, Outbox,
    OutboxAct,
    desk::Desk,
    error::{CommandError, Exit},
    help,
    ui::{Choices, Ui},
};
use crate::{
    agent,
    clock::System,
    config::{Config, Environment},
};

/// The whole program.
pub fn main() -> ExitCode {
    // Nothing that this process holds is for core files or for other processes of the same user.
    // Where the system refuses that, the letters are still encrypted on disk.
    drop(agent::harden());
    let mut arguments = std::env::args_os();
    if arguments.nth(1).as_deref() == Some(agent::SUBCOMMAND.as_ref()) {
        return agent_process(arguments.next());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let json = std::env::args().any(|argument| argument == "json");
            let format = json.then_some(crate::config::Format::Json);
            let format = if error.kind() == ErrorKind::DisplayHelp {
                None
            } else {
                format
            };
            return Ui::of_process(Choices {
                format,
                ..Choices::default()
            })
            .clap(&error)
            .into();
        }
    };
    let environment = Environment::of_process();
    #[cfg(feature = "weaken")]
    crate::failpoint::dangerously_arm(&environment);
    let config = match Config::load(&cli.global.flags(), &environment) {
        Ok(config) => config,
        Err(error) => {
            return Ui::of_process(Choices::default())
                .error(&error.into())
                .into();
        }
    };
    let yes = cli.command.as_ref().is_some_and(says_yes);
    let mut ui = Ui::of_process(Choices::of(&config, yes, cli.global.verbose));
    match run(&mut ui, &config, cli.command) {
        Ok(exit) => exit.into(),
        Err(error) => ui.error(&error).into(),
    }
}

fn agent_process(home: Option<std::ffi::OsString>) -> ExitCode {
    let home = home.map(std::path::PathBuf::from).unwrap_or_default();
    let ended = agent::run(&home, std::sync::Arc::new(System));
    if ended.is_ok() {
        Exit::Done.into()
    } else {
        Exit::Failed.into()
    }
}

fn says_yes(command: &Command) -> bool {
    match command {
        Command::Admin(admin) => admin.says_yes(),
        Command::Contact(Contact::Verify(verify)) => verify.yes,
        Command::Device(Device::Revoke(revoke)) => revoke.yes,
        Command::Drill(drill) => drill.yes,
        Command::Key(Key::Remove(remove)) => remove.yes,
        Command::Outbox(Outbox {
            act: Some(OutboxAct::Rm(rm)),
        }) => rm.yes,
        Command::Log(Log::Evidence(EvidenceAct::Dismiss { yes })) => *yes,
        Command::Reply(reply) => reply.content.yes,
        Command::Send(send) => send.content.yes,
        _ => false,
    }
}

fn run(ui: &mut Ui, config: &Config, command: Option<Command>) -> Result<Exit, CommandError> {
    let Some(command) = command else {
        return Desk::new(ui, config)?.next_step();
    };
    if let Command::Help(topic) = &command {
        ui.print(help::page(&topic.topic)?)?;
        return Ok(Exit::Done);
    }
    let mut desk = Desk::new(ui, config)?;
    match command {
        Command::Found(found) => desk.found(&found),
        Command::Join(join) => desk.join(&join),
        Command::Admin(admin) => desk.admin(&admin),
        Command::Unlock(unlock) => desk.unlock(&unlock),
        Command::Lock => desk.lock(),
        Command::Sync(sync) => desk.sync(&sync),
        Command::Send(send) => desk.send(send),
        Command::List(list) => desk.list(&list),
        Command::Inbox => desk.inbox(),
        Command::Read(read) => desk.read(read.letter),
        Command::Thread(thread) => desk.thread(thread.letter),
        Command::Reply(reply) => desk.reply(reply),
        Command::Attach(act) => desk.attach(&act),
        Command::Outbox(outbox) => desk.outbox(outbox.act),
        Command::Who(who) => desk.who(who.letter),
        Command::Status => desk.status(),
        Command::Whoami => desk.whoami(),
        Command::Log(Log::Head) => desk.log_head(),
        Command::Log(Log::Evidence(act)) => desk.evidence(&act),
        Command::Doctor => desk.doctor(),
        Command::Drill(_) => desk.drill(),
        Command::Config(ConfigCommand::Show { origin }) => desk.config_show(origin),
        Command::Config(ConfigCommand::Path) => desk.config_path(),
        Command::Contact(Contact::List) => desk.contact_list(),
        Command::Contact(Contact::Lists { list }) => desk.contact_lists(list.as_ref()),
        Command::Contact(Contact::Show(person)) => desk.contact_show(&person.name),
        Command::Contact(Contact::Verify(verify)) => desk.contact_verify(&verify.name),
        Command::Contact(Contact::Accept(person)) => desk.contact_accept(&person.name),
        Command::Key(Key::List) => desk.key_list(),
        Command::Key(Key::Add(add)) => desk.key_add(&add),
        Command::Key(Key::Rename(rename)) => desk.key_rename(&rename),
        Command::Key(Key::Remove(remove)) => desk.key_remove(&remove),
        Command::Key(Key::Test) => desk.key_test(),
        Command::Device(Device::List) => desk.device_list(),
        Command::Device(Device::Rename(rename)) => desk.device_rename(&rename),
        Command::Device(Device::This) => desk.device_this(),
        Command::Device(Device::Revoke(revoke)) => desk.revoke(None, &revoke.device),
        Command::Events => desk.events(),
        Command::Witness(command) => desk.witness(&command),
        Command::Search(search) => desk.search(&search.query),
        Command::History(History::Export(export)) => desk.history_export(&export.file),
        Command::History(History::Import(import)) => desk.history_import(&import.file),
        Command::Help(_) => Ok(Exit::Done),
    }
}
