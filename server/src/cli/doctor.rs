//! `valised doctor`, `upgrade-check` and `config check`: what is wrong, and what to do.

use std::{path::Path, sync::Arc};

use super::{
    CommandError, Format,
    finding::{self, Findings, Grade},
    runtime, say,
};
use crate::{
    clock::{Clock, SystemClock},
    config::Config,
};

pub(super) fn run(data: &Path, format: Format) -> Result<(), CommandError> {
    let config = Config::load(data)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let findings = runtime(1)?.block_on(finding::all(&config, &clock));
    tell(&findings, format)
}

pub(super) fn upgrade_check(data: &Path, format: Format) -> Result<(), CommandError> {
    let config = Config::load(data)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let findings = runtime(1)?.block_on(finding::before_upgrade(&config, &clock));
    tell(&findings, format)
}

pub(super) fn config_check(data: &Path) -> Result<(), CommandError> {
    let config = Config::load(data)?;
    let mut findings = Findings::default();
    findings.of_files(&config, SystemClock.now_ms());
    runtime(1)?.block_on(findings.of_files_elsewhere(&config));
    tell(&findings, Format::Text)
}

/// Exit code 1 when something does not work.
fn tell(findings: &Findings, format: Format) -> Result<(), CommandError> {
    for finding in &findings.0 {
        let grade = match finding.grade {
            Grade::Good => "ok",
            Grade::Warning => "warning",
            Grade::Bad => "bad",
        };
        match format {
            Format::Text => say(&format!("{grade:8} {:12} {}", finding.what, finding.text))?,
            Format::Json => {
                let line = serde_json::json!({ "grade": grade, "what": finding.what, "text": finding.text });
                say(&line.to_string())?;
            }
        }
    }
    let bad = findings
        .0
        .iter()
        .filter(|finding| finding.grade == Grade::Bad);
    match bad.count() {
        0 => Ok(()),
        count => Err(CommandError::Bad(count)),
    }
}
