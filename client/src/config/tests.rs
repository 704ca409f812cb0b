//! Who wins, what is refused, and who may enter.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;

/// A person's machine: XDG folders under one temporary folder.
struct Machine {
    root: tempfile::TempDir,
    environment: Environment,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let environment = Environment {
            variables: BTreeMap::new(),
            data: Some(root.path().join("share")),
            config: Some(root.path().join("etc")),
            runtime: Some(root.path().join("run")),
        };
        Self { root, environment }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment
            .variables
            .insert(name.to_owned(), value.into());
    }

    fn write(&self, text: &str) {
        let path = self.root.path().join("etc/valise");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("config.toml"), text).unwrap();
    }

    fn load(&self, flags: &Flags) -> Result<Config, Error> {
        Config::load(flags, &self.environment)
    }

    fn refusal(&self) -> String {
        let error = self.load(&Flags::default()).unwrap_err().to_string();
        error.replace(&self.root.path().display().to_string(), "ROOT")
    }
}

#[test]
fn nothing_chosen_gives_the_defaults() {
    let machine = Machine::new();
    let config = machine.load(&Flags::default()).unwrap();
    let root = machine.root.path();
    assert_eq!(config.home.value, root.join("share/valise"));
    assert_eq!(config.file, root.join("etc/valise/config.toml"));
    assert_eq!(config.runtime, root.join("run/valise"));
    assert_eq!(config.format.value, None);
    assert_eq!(config.color.value, Color::Auto);
    assert!(!config.no_input.value);
    assert_eq!(config.key.value, None);
    assert_eq!(config.agent_idle_minutes.value, 15);
    assert_eq!(config.timezone.value, None);
    assert!(
        config
            .rows()
            .iter()
            .all(|(_, _, origin)| *origin == Origin::Default)
    );
    assert!(!root.join("share").exists(), "loading makes nothing");
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let mut machine = Machine::new();
    let format = |machine: &Machine, flags: &Flags| machine.load(flags).unwrap().format;
    machine.write("format = \"plain\"");
    let from_file = format(&machine, &Flags::default());
    assert_eq!(from_file.value, Some(Format::Plain));
    assert_eq!(from_file.origin, Origin::File);

    machine.set("VALISE_FORMAT", "json");
    let from_environment = format(&machine, &Flags::default());
    assert_eq!(from_environment.value, Some(Format::Json));
    assert_eq!(
        from_environment.origin,
        Origin::Environment("VALISE_FORMAT")
    );

    let flags = Flags {
        format: Some(Format::Human),
        ..Flags::default()
    };
    let from_flag = format(&machine, &flags);
    assert_eq!(from_flag.value, Some(Format::Human));
    assert_eq!(from_flag.origin, Origin::Flag("--output"));
}

#[test]
fn every_setting_of_the_file_arrives() {
    let machine = Machine::new();
    machine.write(
        "format = \"json\"\ncolor = \"never\"\nno_input = true\nkey = \"usb\"\n\
         agent_idle_minutes = 60\ntimezone = \"Europe/Paris\"\n",
    );
    let config = machine.load(&Flags::default()).unwrap();
    let rows: Vec<String> = config
        .rows()
        .into_iter()
        .skip(1)
        .map(|(name, value, origin)| format!("{name}={value} {origin}"))
        .collect();
    assert_eq!(
        rows,
        [
            "format=json file",
            "color=never file",
            "no_input=true file",
            "key=usb file",
            "agent_idle_minutes=60 file",
            "timezone=Europe/Paris file",
        ]
    );
    assert_eq!(config.zone().iana_name(), Some("Europe/Paris"));
}

#[test]
fn a_named_home_holds_its_file_and_its_socket() {
    let mut machine = Machine::new();
    let named = machine.root.path().join("h");
    fs::create_dir(&named).unwrap();
    fs::write(named.join("config.toml"), "color = \"always\"").unwrap();
    machine.write("color = \"never\"");
    machine.set("VALISE_HOME", &named.display().to_string());
    let config = machine.load(&Flags::default()).unwrap();
    assert_eq!(config.home.origin, Origin::Environment("VALISE_HOME"));
    assert_eq!(config.color.value, Color::Always);
    assert_eq!(config.runtime, named.join("run"));

    let flags = Flags {
        home: Some(machine.root.path().join("other")),
        ..Flags::default()
    };
    let config = machine.load(&flags).unwrap();
    assert_eq!(config.home.value, machine.root.path().join("other"));
    assert_eq!(config.home.origin, Origin::Flag("--home"));
}

#[test]
fn without_any_home_we_say_so() {
    let error = Config::load(&Flags::default(), &Environment::default()).unwrap_err();
    assert_eq!(error.to_string(), "no home folder: HOME is not set");
}

#[test]
fn refusals_name_the_setting_its_origin_and_what_it_takes() {
    let mut machine = Machine::new();
    machine.set("VALISE_FORMAT", "yaml");
    insta::assert_snapshot!(machine.refusal(), @r#"format cannot be "yaml" (from environment VALISE_FORMAT); it takes human, plain or json"#);
    let mut machine = Machine::new();
    machine.set("VALISE_AGENT_IDLE_MINUTES", "0");
    insta::assert_snapshot!(machine.refusal(), @r#"agent_idle_minutes cannot be "0" (from environment VALISE_AGENT_IDLE_MINUTES); it takes 1 to 720 minutes"#);
    let machine = Machine::new();
    machine.write("agent_idle_minutes = 721");
    insta::assert_snapshot!(machine.refusal(), @r#"agent_idle_minutes cannot be "721" (from file); it takes 1 to 720 minutes"#);
    machine.write("timezone = \"Mars/Olympus\"");
    insta::assert_snapshot!(machine.refusal(), @r#"timezone cannot be "Mars/Olympus" (from file); it takes a time zone, such as Europe/Paris"#);
    machine.write("colour = \"never\"");
    insta::assert_snapshot!(machine.refusal(), @r#"
    ROOT/etc/valise/config.toml is not a valid configuration: TOML parse error at line 1, column 1
      |
    1 | colour = "never"
      | ^^^^^^
    unknown field `colour`, expected one of `format`, `color`, `no_input`, `key`, `agent_idle_minutes`, `timezone`
    "#);
    machine.write(&format!("key = \"{}\"", "x".repeat(70_000)));
    insta::assert_snapshot!(machine.refusal(), @"ROOT/etc/valise/config.toml is not a valid configuration: larger than 65536 bytes");
}

#[test]
fn the_home_is_made_for_its_owner_alone() {
    let machine = Machine::new();
    let config = machine.load(&Flags::default()).unwrap();
    for folder in [config.open_home().unwrap(), config.open_runtime().unwrap()] {
        let mode = fs::metadata(folder).unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o700);
    }
    config.open_home().expect("a second time, too");
}

#[test]
fn a_home_that_others_may_enter_is_refused() {
    let machine = Machine::new();
    let config = machine.load(&Flags::default()).unwrap();
    config.open_home().unwrap();
    for mode in [0o701, 0o710, 0o704, 0o740, 0o777, 0o750] {
        fs::set_permissions(&config.home.value, fs::Permissions::from_mode(mode)).unwrap();
        let error = config.open_home().unwrap_err();
        assert!(
            matches!(&error, Error::OpenToOthers { mode: seen, .. } if *seen == mode),
            "{error}"
        );
    }
    assert_eq!(
        config.open_home().unwrap_err().to_string(),
        format!(
            "{} is open to others on this machine (mode 0750)",
            config.home.value.display()
        )
    );
    fs::set_permissions(&config.home.value, fs::Permissions::from_mode(0o700)).unwrap();
    config.open_home().unwrap();
}
