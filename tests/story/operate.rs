//! What an operator looks at and does: figures, findings, configuration, upgrades.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use crate::support::{collector::Collector, office::free_port, program::said, site::Site};

/// What SQLite says to `sql` about the server's database, while nobody else has it.
fn sqlite(site: &Site, sql: &str) -> String {
    let output = Command::new("sqlite3")
        .args([&site.path("server/valise.db"), sql])
        .output()
        .expect("sqlite3: .ci/install");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the operator's listener");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    answer
}

fn value(metrics: &str, name: &str) -> f64 {
    let wanted = format!("valise_{name} ");
    let found = metrics.lines().find_map(|line| line.strip_prefix(&wanted));
    let found = found.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    found.parse().unwrap()
}

#[test]
fn v09_metrics_have_a_listener_of_their_own_and_name_nobody() {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    site.stop();
    let port = free_port();
    site.configure(&format!("metrics_listen = \"127.0.0.1:{port}\"\n"));
    site.start();
    site.operate("healthcheck --data server");
    assert!(get(port, "/healthz").ends_with("ok\n"));
    assert!(get(port, "/readyz").ends_with("ok\n"));
    alice.must(&["send", "bob", "-s", "Tournesol", "-m", "At 7."]);
    let waiting = get(port, "/metrics");
    assert!(value(&waiting, "letters_accepted_total") >= 1.0);
    assert!(value(&waiting, "queue_messages") >= 1.0);
    assert!(!waiting.contains("backup_age"));
    bob.must(&["sync"]);
    site.operate("backup create --data server --to backups");
    let read = get(port, "/metrics");
    assert!(value(&read, "delivery_lag_seconds_count") >= 1.0);
    assert!(value(&read, "backup_age_seconds") < 600.0);
    assert!((value(&read, "accounts_single_key") - 2.0).abs() < 0.1);
    let status = site.operator("status --data server -o json");
    let status = status.done().object();
    let entries = status["log_entries"].as_f64().unwrap();
    assert!((value(&read, "log_entries") - entries).abs() < 0.1);
    let organisation = status["organisation"].as_str().unwrap();
    for name in [
        "alice",
        "bob",
        "Campagne",
        "ournesol",
        "127.0.0.1",
        organisation,
    ] {
        assert!(!read.contains(name), "{name}: {read}");
    }
    // The dashboard asks for nothing that there is not.
    let dashboard = include_str!("../../server/grafana.json");
    for asked in dashboard.split("valise_").skip(1) {
        let name = asked.split(|char: char| !char.is_ascii_lowercase() && char != '_');
        let name = format!("valise_{}", name.into_iter().next().unwrap());
        assert!(read.contains(&name), "{name}");
    }
}

#[test]
fn v09_traces_say_how_long_requests_took_and_nothing_of_people() {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    site.stop();
    let collector = Collector::start();
    site.configure(&format!("otlp = \"{}\"\n", collector.url()));
    site.start();
    alice.must(&["send", "bob", "-s", "Tournesol", "-m", "At 7."]);
    bob.must(&["sync"]);
    // What is under way is sent before the end.
    site.stop();
    let spans = collector.spans();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    for name in ["POST /v1/letters", "GET /v1/sync", "store a batch"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let mut keys: Vec<&str> = spans
        .iter()
        .flat_map(|span| &span.attributes)
        .map(|attribute| attribute.key.as_str())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let known = [
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "writes",
    ];
    assert_eq!(keys, known);
    assert!(spans.iter().all(|span| span.events.is_empty()));
    let all = String::from_utf8_lossy(&collector.bytes()).into_owned();
    for secret in ["alice", "bob", "Campagne", "ournesol", "127.0.0.1"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn a_collector_that_is_not_there_stops_nobody_and_one_without_an_address_is_refused() {
    let (mut site, alice, [bob]) = Site::with(["bob"]);
    site.stop();
    site.configure(&format!("otlp = \"http://127.0.0.1:{}\"\n", free_port()));
    site.start();
    alice.must(&["send", "bob", "-s", "Tournesol", "-m", "At 7."]);
    bob.must(&["sync"]);
    site.stop();
    for command in ["serve", "doctor"] {
        let mut command = site.valised(&format!("{command} --data server"));
        command.env("VALISED_OTLP", "collector:4318");
        let refused = said(&command.output().expect("valised runs"));
        assert_eq!(refused.code, 1, "{refused:?}");
        let all = format!("{}{}", refused.out, refused.err);
        assert!(all.contains("otlp is not http://"), "{refused:?}");
    }
}

#[test]
fn r08_a_database_of_a_newer_valised_is_refused_and_left_as_it_is() {
    let (mut site, _alice) = Site::open();
    site.stop();
    sqlite(
        &site,
        "insert into _sqlx_migrations select 99, 'later', installed_on, success, checksum, execution_time \
         from _sqlx_migrations where version = 1",
    );
    let before = sqlite(&site, ".dump");
    for (command, code) in [
        ("serve --data server", 3),
        ("migrate status --data server", 3),
        ("migrate run --data server", 3),
        ("doctor --data server", 1),
        ("upgrade-check --data server", 1),
    ] {
        let refused = site.operator(command);
        assert_eq!(refused.code, code, "{command}: {refused:?}");
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains("newer"), "{command}: {said}");
    }
    assert_eq!(sqlite(&site, ".dump"), before);
}

#[test]
fn the_doctor_finds_what_is_wrong_and_the_configuration_explains_itself() {
    let (mut site, _alice) = Site::open();
    let well = site.operator("doctor --data server -o json").done();
    let warned: Vec<_> = well
        .objects()
        .into_iter()
        .filter(|finding| finding["grade"] == "warning")
        .map(|finding| finding["what"].as_str().unwrap().to_owned())
        .collect();
    for expected in ["keys", "admins", "backup"] {
        assert!(
            warned.contains(&expected.to_owned()),
            "{expected}: {warned:?}"
        );
    }
    site.operate("upgrade-check --data server");
    let running = site.operator("migrate run --data server");
    assert!(running.err.contains("stop its server first"), "{running:?}");
    let nothing = site.operator("gc --data server --dry-run").done();
    let said = "would drop 0 messages and 0 files";
    assert!(nothing.out.contains(said), "{nothing:?}");
    site.operate("gc --data server");

    site.stop();
    let example = site.operator("config example").done().out;
    let set = example.lines().filter_map(|line| {
        let line = line.strip_prefix('#')?;
        let is_key = line.starts_with(|char: char| char.is_ascii_lowercase() || char == '[');
        (is_key && !line.ends_with("= ")).then(|| format!("{line}\n"))
    });
    let set: String = set.collect();
    assert!(set.contains("threads = 2"), "{example}");
    fs::write(site.path("server/valised.toml"), set).unwrap();
    site.operate("config check --data server");

    let open = |path: &str, mode| {
        fs::set_permissions(site.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    open("server", 0o755);
    open("server/log.key", 0o644);
    let ill = site.operator("doctor --data server");
    assert_eq!(ill.code, 1);
    assert!(ill.out.contains("chmod go="), "{ill:?}");
    fs::write(site.path("server/tls.crt"), "nothing").unwrap();
    assert_eq!(site.operator("config check --data server").code, 1);
}
