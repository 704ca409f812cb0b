//! The real `valised` as a process, for people who are in this one.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::program;

/// The process. Dropped, it is killed.
pub struct Server(Child);

impl Server {
    /// Starts it, and returns when it says that it serves.
    pub fn start(data: &Path) -> Self {
        let mut command = Command::new(program::valised());
        command.env_clear();
        Self::start_by(command, data)
    }

    /// The same, one of several on one PostgreSQL, each on a port of its own.
    pub fn start_at(data: &Path, port: u16) -> Self {
        let mut command = Command::new(program::valised());
        command
            .env_clear()
            .env("VALISED_LISTEN", format!("127.0.0.1:{port}"));
        Self::start_by(command, data)
    }

    fn start_by(mut command: Command, data: &Path) -> Self {
        let mut child = command
            .args(["serve", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("valised runs");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("stdout"));
        out.read_line(&mut line).expect("a line");
        assert!(line.contains("serving"), "{line}");
        Self(child)
    }

    /// It has not ended.
    pub fn runs(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_none()
    }

    /// Resident memory in MB, as `VmRSS` has it.
    pub fn resident_mb(&self) -> f64 {
        memory_mb(self.0.id(), "VmRSS:").expect("VmRSS")
    }

    /// The most that was resident at once, in MB, as `VmHWM` has it.
    pub fn peak_mb(&self) -> f64 {
        memory_mb(self.0.id(), "VmHWM:").expect("VmHWM")
    }

    /// Files and connections that are open.
    #[allow(dead_code, reason = "the load program's")]
    pub fn files(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.0.id()));
        open.expect("the process").count()
    }

    /// Processor time used so far: seconds.
    #[allow(dead_code, reason = "the load program's")]
    pub fn cpu_s(&self) -> f64 {
        let stat = self.file("stat");
        let after_name = stat.rsplit(')').next().expect("its fields");
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: f64 = fields[11..13]
            .iter()
            .map(|field| field.parse::<f64>().unwrap())
            .sum();
        ticks / 100.0
    }

    #[allow(dead_code, reason = "the load program's")]
    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.0.id())).expect("the process")
    }

    /// Stops it in good order.
    pub fn stop(mut self) {
        let id = i32::try_from(self.0.id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("a process id");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a signal");
        self.0.wait().expect("the server ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The most memory that a process had resident, looked at until it ends: MB.
pub fn peak(mut child: Child) -> f64 {
    let mut peak = 0.0;
    loop {
        peak = memory_mb(child.id(), "VmHWM:").unwrap_or(peak);
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "{status}");
            return peak;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
}

/// `None` when it is gone.
fn memory_mb(id: u32, what: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(what))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// One address plays a house of people, and one person many: the limits of `data`'s server are for others.
pub fn unlimited(data: &Path) {
    let path = data.join("valised.toml");
    let mut limits = std::fs::read_to_string(&path).unwrap();
    for limit in [
        "claims_per_target_hour",
        "commits_per_group_minute",
        "connections_max",
        "connections_per_ip_max",
        "enrolments_per_ip_hour",
        "entries_per_account_minute",
        "letter_kib_per_device_hour",
        "letters_per_device_minute",
        "logins_per_ip_minute",
        "sessionless_per_ip_minute",
    ] {
        limits.push_str(limit);
        limits.push_str(" = 10000000\n");
    }
    std::fs::write(path, limits).unwrap();
}
