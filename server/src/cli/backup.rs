//! `valised backup create|verify|list|restore|settle`, and `valised log take-back|open`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Subcommand;

use super::{CommandError, Data, runtime, say};
use crate::{
    backup::{
        self, Choice, Manifest,
        restore::{self, Manner, Restored},
    },
    clock::{Clock, SystemClock, said},
    config::Config,
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Copy the whole data folder, while the server runs.
    ///
    /// Whoever reads the copy can stand in for the server: it holds the TLS key and the log's key. Keep it
    /// as you keep the data folder; or leave the keys out with --no-keys, and keep them elsewhere: without
    /// them no restored server is this organisation's.
    #[command(after_help = "valised backup create --data /var/lib/valise --to /backup")]
    Create {
        #[command(flatten)]
        data: Data,
        /// Where backups are kept; this one gets a folder of its own there.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// Leave the TLS key and the log's key out.
        #[arg(long)]
        no_keys: bool,
        /// Leave attached files out.
        #[arg(long)]
        no_attachments: bool,
    },
    /// Compare a backup's files with their checksums.
    #[command(after_help = "valised backup verify /backup/valise-20261127T030000Z")]
    Verify {
        /// The backup's folder.
        backup: PathBuf,
    },
    /// Which backups there are.
    #[command(after_help = "valised backup list /backup")]
    List {
        /// Where backups are kept.
        folder: PathBuf,
    },
    /// Put a backup back. The server must be stopped.
    ///
    /// Clients that have seen more of the log than the backup has refuse it (alarm log-rollback): give it
    /// the rest with --log, or afterwards with `valised log take-back`. The log takes no new entry until you
    /// say, with `valised log open`, that none is missing.
    /// Conversations begin anew, with the next letter; what nobody had fetched when the backup was made is
    /// still delivered.
    #[command(
        after_help = "valised backup restore /backup/valise-20261127T030000Z --data /var/lib/valise --log campagne.log"
    )]
    Restore {
        /// The backup's folder.
        backup: PathBuf,
        #[command(flatten)]
        data: Data,
        /// Set aside what is in the data folder.
        #[arg(long)]
        replace: bool,
        /// Where log.key, tls.crt and tls.key are, for a backup without keys.
        #[arg(long, value_name = "FOLDER")]
        keys: Option<PathBuf>,
        /// What `valise admin log export` wrote after the backup was made.
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
    /// After the database was put back by other means: PostgreSQL's own, a snapshot of the disk.
    ///
    /// Devices have gone on without it: this ends its conversations, which begin anew with the next letter,
    /// as `restore` does. The server must be stopped.
    #[command(after_help = "valised backup settle --data /var/lib/valise --log campagne.log")]
    Settle {
        #[command(flatten)]
        data: Data,
        /// What `valise admin log export` wrote after the copy was made.
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
}

pub(super) fn run(verb: Verb) -> Result<(), CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match verb {
        Verb::Create {
            data,
            to,
            no_keys,
            no_attachments,
        } => {
            let choice = Choice {
                keys: !no_keys,
                attachments: !no_attachments,
            };
            create(&data.folder, &to, choice, &clock)
        }
        Verb::Verify { backup } => {
            let manifest = backup::verify(&backup)?;
            say(&format!(
                "valised: {} is whole: {}",
                backup.display(),
                told(&manifest)
            ))
        }
        Verb::List { folder } => {
            for (path, manifest) in backup::list(&folder)? {
                let what = manifest.as_ref().map_or_else(
                    || "never finished, or damaged: not to be used".to_owned(),
                    told,
                );
                say(&format!("{}  {what}", path.display()))?;
            }
            Ok(())
        }
        Verb::Restore {
            backup,
            data,
            replace,
            keys,
            log,
        } => {
            let manner = Manner { replace, keys, log };
            let folder = &data.folder;
            let done = runtime(1)?.block_on(restore::restore(&backup, folder, &manner, &clock));
            let restored = done?;
            say(&format!(
                "valised: restored {} into {}",
                backup.display(),
                folder.display()
            ))?;
            if let Some(aside) = &restored.set_aside {
                say(&format!(
                    "  what was there before is in {}",
                    aside.display()
                ))?;
            }
            tell(&restored)
        }
        Verb::Settle { data, log } => {
            let folder = &data.folder;
            let done = restore::settle_in_place(folder, log.as_deref(), &clock);
            let restored = runtime(1)?.block_on(done)?;
            say(&format!(
                "valised: {} may be served from again",
                folder.display()
            ))?;
            tell(&restored)
        }
    }
}

fn create(
    data: &Path,
    to: &Path,
    choice: Choice,
    clock: &Arc<dyn Clock>,
) -> Result<(), CommandError> {
    let config = Config::load(data)?;
    let made = runtime(1)?.block_on(backup::create(&config, to, choice, clock));
    let (path, manifest) = made?;
    let (path, what) = (path.display(), told(&manifest));
    say(&format!("valised: made {path}: {what}"))?;
    for path in &manifest.elsewhere {
        say(&format!(
            "  not in it, because it is not in the data folder: {path}"
        ))?;
    }
    say(kept(&manifest))
}

fn tell(restored: &Restored) -> Result<(), CommandError> {
    let mut lines = consequences(restored).into_iter();
    lines.try_for_each(|line| say(&format!("  {line}")))
}

pub(super) fn take_back(data: &Path, exported: &Path) -> Result<(), CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let count = runtime(1)?.block_on(restore::take_back(data, exported, &clock))?;
    say(&format!(
        "valised: took {count} entries of the log back. Clients that had seen them go on when the server runs. When \
         none is missing any more: valised log open"
    ))
}

pub(super) fn release_log(data: &Path) -> Result<(), CommandError> {
    let news = runtime(1)?.block_on(restore::release_log(data))?;
    say(if news {
        "valised: the log takes entries again. What was not taken back is gone: computers that saw it raise the alarm \
         log-rollback, and join anew"
    } else {
        "valised: the log was open: nothing has changed"
    })
}

fn told(manifest: &Manifest) -> String {
    format!(
        "{}, {} entries of the log, schema {}, {} files, {} bytes{}{}",
        said(manifest.created_at_ms),
        manifest.log_entries,
        manifest.schema,
        manifest.files.len(),
        manifest.bytes(),
        if manifest.keys { "" } else { ", without keys" },
        if manifest.attachments {
            ""
        } else {
            ", without attached files"
        },
    )
}

fn kept(manifest: &Manifest) -> &'static str {
    if manifest.keys {
        "  it holds the TLS key and the log's key: who reads it can stand in for this server"
    } else {
        "  it holds no keys: keep log.key, tls.crt and tls.key elsewhere, or no restored server is this one"
    }
}

/// What a restore means for people, line by line: said at the restore, by `serve` and by `doctor`.
pub(super) fn consequences(restored: &Restored) -> [String; 3] {
    let entries = restored.log_entries + restored.given_back;
    let of = match restored.backup_at_ms {
        Some(ms) => format!("it is as of {}", said(ms)),
        None => "its database was put back".to_owned(),
    };
    [
        format!(
            "{of}, and the log has {entries} entries. Clients that saw more refuse it: alarm log-rollback. \
             They have what is missing"
        ),
        "on the computer that saw most: valise admin log export FILE. Here, with the server stopped: valised log \
         take-back FILE. The log takes no new entry before you say that none is missing: valised log open"
            .to_owned(),
        format!(
            "{} conversations ended, and begin anew with the next letter. What was written since may not have \
             arrived: ask people to look at what they sent",
            restored.conversations_ended
        ),
    ]
}
