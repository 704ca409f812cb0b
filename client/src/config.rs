//! Where things are and what the person chose: flag, then environment, then file, then default.
//!
//! The environment is read here and nowhere else, and no variable ever carries a secret: what is in
//! an environment is in every child process and in many bug reports.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use etcetera::BaseStrategy;
use jiff::tz::TimeZone;
use rustix::process::getuid;
use serde::Deserialize;

/// Largest configuration file in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// Longest that an agent stays unlocked while idle, in minutes: a working day.
const IDLE_MINUTES_MAX: u32 = 12 * 60;

/// How answers look on stdout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For people: columns, colour, local time.
    Human,
    /// For scripts that are JSON's: one object, or one object a line.
    Json,
    /// For `cut` and `awk`: tab-separated, whole ids, times in UTC.
    Plain,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Color {
    /// Always, terminal or not.
    Always,
    /// On a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    #[default]
    Auto,
    /// Never.
    Never,
}

/// Which key to use: what `--key` and `VALISE_KEY` name. Names a place, never a secret.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeySource(String);

impl KeySource {
    /// The name as given, such as `usb`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Origin {
    /// Nobody chose it.
    Default,
    /// An environment variable.
    Environment(&'static str),
    /// The configuration file.
    File,
    /// A flag of this command.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File => f.write_str("file"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// The global flags of the command line, as given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Flags {
    /// `--home`.
    pub home: Option<PathBuf>,
    /// `--output`.
    pub format: Option<Format>,
    /// `--color`.
    pub color: Option<Color>,
    /// `--no-input`.
    pub no_input: bool,
    /// `--key`.
    pub key: Option<KeySource>,
}

/// What we take from the environment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Environment {
    /// The `VALISE_*` variables that have a value.
    pub variables: BTreeMap<String, OsString>,
    /// `$XDG_DATA_HOME`, usually `~/.local/share`.
    pub data: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, usually `~/.config`.
    pub config: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`, usually a folder in memory.
    pub runtime: Option<PathBuf>,
}

impl Environment {
    /// This process's environment.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, value)| name.starts_with("VALISE_") && !value.is_empty())
            .collect();
        let xdg = etcetera::base_strategy::Xdg::new().ok();
        Self {
            variables,
            data: xdg.as_ref().map(BaseStrategy::data_dir),
            config: xdg.as_ref().map(BaseStrategy::config_dir),
            runtime: xdg.as_ref().and_then(BaseStrategy::runtime_dir),
        }
    }
}

/// The configuration file, `config.toml`. Every line may be left out.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
struct Profile {
    format: Option<String>,
    color: Option<String>,
    no_input: Option<bool>,
    key: Option<String>,
    agent_idle_minutes: Option<u32>,
    timezone: Option<String>,
}

/// Everything chosen, and by whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The folder with the store and the pinned card. See [`Config::open_home`].
    pub home: Setting<PathBuf>,
    /// The folder with the agent's socket. See [`Config::open_runtime`].
    pub runtime: PathBuf,
    /// The configuration file, whether or not it exists.
    pub file: PathBuf,
    /// How answers look; none chosen means human on a terminal and plain elsewhere.
    pub format: Setting<Option<Format>>,
    /// When to colour.
    pub color: Setting<Color>,
    /// Never ask.
    pub no_input: Setting<bool>,
    /// Which key; none chosen means the one that is plugged in.
    pub key: Setting<Option<KeySource>>,
    /// How long the agent stays unlocked while idle, in minutes, 1 to 720.
    pub agent_idle_minutes: Setting<u32>,
    /// The zone of times that people read; none chosen means the system's (`TZ`).
    pub timezone: Setting<Option<String>>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not what `config.toml` may be.
    #[error("{} is not a valid configuration: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the TOML reader says.
        reason: String,
    },
    /// A folder or file could not be read or made.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither `--home` nor a home folder of the person.
    #[error("no home folder: HOME is not set")]
    NoHome,
    /// The folder can be entered by others of this machine.
    #[error("{} is open to others on this machine (mode {mode:04o})", path.display())]
    OpenToOthers {
        /// Which folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The folder is another user's.
    #[error("{} belongs to another user of this machine", path.display())]
    Owner {
        /// Which folder.
        path: PathBuf,
    },
    /// A value that this setting does not take.
    #[error("{setting} cannot be {value:?} (from {origin}); it takes {takes}")]
    Value {
        /// Which setting.
        setting: &'static str,
        /// What was given.
        value: String,
        /// Where it was given.
        origin: Origin,
        /// What would be right.
        takes: &'static str,
    },
}

/// Not a value of this setting.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it takes {0}")]
pub struct Takes(&'static str);

impl FromStr for Format {
    type Err = Takes;

    fn from_str(text: &str) -> Result<Self, Takes> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            "plain" => Ok(Self::Plain),
            _ => Err(Takes("human, plain or json")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Plain => "plain",
        })
    }
}

impl FromStr for Color {
    type Err = Takes;

    fn from_str(text: &str) -> Result<Self, Takes> {
        match text {
            "always" => Ok(Self::Always),
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            _ => Err(Takes("auto, always or never")),
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::Auto => "auto",
            Self::Never => "never",
        })
    }
}

impl FromStr for KeySource {
    type Err = Takes;

    fn from_str(text: &str) -> Result<Self, Takes> {
        let plain = !text.is_empty() && text.len() <= 1024 && !text.contains(char::is_control);
        plain
            .then(|| Self(text.to_owned()))
            .ok_or(Takes("the name of a key, such as usb"))
    }
}

impl Config {
    /// Reads the file and puts it together with the flags and the environment. Makes nothing: see
    /// [`Config::open_home`].
    ///
    /// Errors: a file that cannot be read or is not valid, a value that a setting does not take,
    /// no home folder.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, Error> {
        let (home, file, runtime) = places(flags, environment)?;
        let profile = read(&file)?;
        let pick = Picker { environment };
        Ok(Self {
            format: pick.optional(
                "format",
                flags.format.map(|format| (format, "--output")),
                "VALISE_FORMAT",
                profile.format.as_deref(),
            )?,
            color: pick
                .optional(
                    "color",
                    flags.color.map(|color| (color, "--color")),
                    "VALISE_COLOR",
                    profile.color.as_deref(),
                )?
                .or(Color::Auto),
            no_input: pick
                .optional::<Switch>(
                    "no_input",
                    flags.no_input.then_some((Switch(true), "--no-input")),
                    "VALISE_NO_INPUT",
                    profile.no_input.map(|on| if on { "1" } else { "0" }),
                )?
                .or(Switch(false))
                .map(|switch| switch.0),
            key: pick.optional(
                "key",
                flags.key.clone().map(|key| (key, "--key")),
                "VALISE_KEY",
                profile.key.as_deref(),
            )?,
            agent_idle_minutes: pick
                .optional::<Minutes>(
                    "agent_idle_minutes",
                    None,
                    "VALISE_AGENT_IDLE_MINUTES",
                    profile.agent_idle_minutes.map(|m| m.to_string()).as_deref(),
                )?
                .or(Minutes(15))
                .map(|minutes| minutes.0),
            timezone: pick
                .optional::<Zone>(
                    "timezone",
                    None,
                    "VALISE_TIMEZONE",
                    profile.timezone.as_deref(),
                )?
                .map(|zone| zone.map(|zone| zone.0)),
            home,
            runtime,
            file,
        })
    }

    /// The zone of times that people read.
    pub fn zone(&self) -> TimeZone {
        match &self.timezone.value {
            Some(name) => TimeZone::get(name).unwrap_or(TimeZone::UTC),
            None => TimeZone::system(),
        }
    }

    /// Makes the home folder, mode 0700, or checks that the one there is ours alone.
    ///
    /// Errors: it cannot be made, another user owns it, or its group or the world may enter it.
    pub fn open_home(&self) -> Result<&Path, Error> {
        make_private(&self.home.value)?;
        Ok(&self.home.value)
    }

    /// The same for the folder of the agent's socket.
    pub fn open_runtime(&self) -> Result<&Path, Error> {
        make_private(&self.runtime)?;
        Ok(&self.runtime)
    }

    /// Each setting's name, value and origin, for `valise config show`.
    pub fn rows(&self) -> Vec<(&'static str, String, Origin)> {
        let or_unset =
            |value: Option<String>, unset: &str| value.unwrap_or_else(|| unset.to_owned());
        vec![
            (
                "home",
                self.home.value.display().to_string(),
                self.home.origin,
            ),
            (
                "format",
                or_unset(self.format.value.map(|format| format.to_string()), "auto"),
                self.format.origin,
            ),
            ("color", self.color.value.to_string(), self.color.origin),
            (
                "no_input",
                self.no_input.value.to_string(),
                self.no_input.origin,
            ),
            (
                "key",
                or_unset(self.key.value.as_ref().map(|key| key.0.clone()), "auto"),
                self.key.origin,
            ),
            (
                "agent_idle_minutes",
                self.agent_idle_minutes.value.to_string(),
                self.agent_idle_minutes.origin,
            ),
            (
                "timezone",
                or_unset(self.timezone.value.clone(), "system"),
                self.timezone.origin,
            ),
        ]
    }
}

/// The home folder, the configuration file and the runtime folder. A home that was named holds all
/// three, so that two homes never share an agent.
fn places(
    flags: &Flags,
    environment: &Environment,
) -> Result<(Setting<PathBuf>, PathBuf, PathBuf), Error> {
    let named = match (&flags.home, environment.variables.get("VALISE_HOME")) {
        (Some(home), _) => Some((home.clone(), Origin::Flag("--home"))),
        (None, Some(home)) => Some((PathBuf::from(home), Origin::Environment("VALISE_HOME"))),
        (None, None) => None,
    };
    if let Some((home, origin)) = named {
        let value =
            std::path::absolute(&home).map_err(|source| Error::Io { path: home, source })?;
        let (file, runtime) = (value.join("config.toml"), value.join("run"));
        return Ok((Setting { value, origin }, file, runtime));
    }
    let value = environment
        .data
        .as_ref()
        .ok_or(Error::NoHome)?
        .join("valise");
    let config = environment.config.as_ref().ok_or(Error::NoHome)?;
    let runtime = environment
        .runtime
        .as_ref()
        .map_or_else(|| value.join("run"), |runtime| runtime.join("valise"));
    let origin = Origin::Default;
    Ok((
        Setting { value, origin },
        config.join("valise/config.toml"),
        runtime,
    ))
}

fn read(path: &Path) -> Result<Profile, Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let invalid = |reason: String| Error::File {
        path: path.to_owned(),
        reason,
    };
    let size = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Profile::default()),
        Err(error) => return Err(io(error)),
    };
    if size > FILE_MAX {
        return Err(invalid(format!("larger than {FILE_MAX} bytes")));
    }
    let text = fs::read_to_string(path).map_err(io)?;
    toml::from_str(&text).map_err(|error| invalid(error.to_string().trim_end().to_owned()))
}

/// Whether this text is a configuration file: the fuzz target.
#[cfg(feature = "weaken")]
pub(crate) fn read_anything(text: &str) -> bool {
    toml::from_str::<Profile>(text).is_ok()
}

/// Makes `path` with mode 0700, or checks the one that is there.
fn make_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    // `recursive` would take an existing folder as success, which the check below decides.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io)?;
    let metadata = fs::metadata(path).map_err(io)?;
    let mode = metadata.mode() & 0o7777;
    if metadata.uid() != getuid().as_raw() {
        return Err(Error::Owner {
            path: path.to_owned(),
        });
    }
    if mode & 0o077 != 0 {
        return Err(Error::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

struct Picker<'a> {
    environment: &'a Environment,
}

impl Picker<'_> {
    fn optional<T: FromStr<Err = Takes>>(
        &self,
        setting: &'static str,
        flag: Option<(T, &'static str)>,
        variable: &'static str,
        file: Option<&str>,
    ) -> Result<Setting<Option<T>>, Error> {
        if let Some((value, name)) = flag {
            return Ok(Setting {
                value: Some(value),
                origin: Origin::Flag(name),
            });
        }
        let variable_value = self.environment.variables.get(variable);
        let given = variable_value
            .map(|value| (value.to_string_lossy(), Origin::Environment(variable)))
            .or(file.map(|value| (value.into(), Origin::File)));
        let Some((text, origin)) = given else {
            return Ok(Setting {
                value: None,
                origin: Origin::Default,
            });
        };
        let value = text.parse().map_err(|Takes(takes)| Error::Value {
            setting,
            value: text.into_owned(),
            origin,
            takes,
        })?;
        Ok(Setting {
            value: Some(value),
            origin,
        })
    }
}

impl<T> Setting<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Setting<U> {
        Setting {
            value: change(self.value),
            origin: self.origin,
        }
    }
}

impl<T> Setting<Option<T>> {
    fn or(self, default: T) -> Setting<T> {
        self.map(|value| value.unwrap_or(default))
    }
}

struct Switch(bool);

impl FromStr for Switch {
    type Err = Takes;

    fn from_str(text: &str) -> Result<Self, Takes> {
        match text {
            "1" | "true" => Ok(Self(true)),
            "0" | "false" => Ok(Self(false)),
            _ => Err(Takes("1 or 0")),
        }
    }
}

struct Minutes(u32);

impl FromStr for Minutes {
    type Err = Takes;

    fn from_str(text: &str) -> Result<Self, Takes> {
        text.parse()
            .ok()
            .filter(|minutes| (1..=IDLE_MINUTES_MAX).contains(minutes))
            .map(Self)
            .ok_or(Takes("1 to 720 minutes"))
    }
}

struct Zone(String);

impl FromStr for Zone {
    type Err = Takes;

    fn from_str(text: &str) -> Result<Self, Takes> {
        TimeZone::get(text)
            .map(|_| Self(text.to_owned()))
            .map_err(|_| Takes("a time zone, such as Europe/Paris"))
    }
}

#[cfg(test)]
mod tests;
