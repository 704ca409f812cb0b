//! `valise found`.

use valise_proto::card::ServerUrl;

use super::{
    Found,
    desk::Desk,
    error::{Code, CommandError, Exit},
    ui::Record,
};
use crate::{
    account::{Founding, found},
    safe::Safe,
};

impl Desk<'_> {
    pub(super) fn found(&mut self, args: &Found) -> Result<Exit, CommandError> {
        let url: ServerUrl = args
            .url
            .origin()
            .ascii_serialization()
            .parse()
            .map_err(|_| {
                CommandError::new(
                    Code::Usage,
                    "the server's address is https://NAME or https://NAME:PORT",
                )
                .outcome("nothing was made")
                .fact("why", "a security key logs in to a name, never to a number")
            })?;
        let home = self.home()?;
        let clock = std::sync::Arc::clone(&self.clock);
        let founding = Founding {
            organisation: &args.org,
            url: &url,
            admin: &args.name,
        };
        let org = self.with_key(|keyring| found(&home, &founding, &args.out, keyring, &clock))?;
        let record = Record::new()
            .with("organisation", Safe::line(&args.org))
            .with("id", org)
            .with("genesis", Safe::line(&args.out.display().to_string()));
        self.ui.record(&record)?;
        self.ui.note(Safe::line(&format!(
            "next, on the server: valised init --data FOLDER --genesis {} --listen ADDRESS --card card.valise",
            args.out.display(),
        )));
        Ok(Exit::Done)
    }
}
