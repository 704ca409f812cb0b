//! V13: what strangers say gets into the server's log as data, if at all: no line there is theirs.

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Crowd, Site, crowd::closed};

/// Parts of a request's line, or of its headers, that would be lines of a log, or commands to a terminal.
const FORGED: [&str; 8] = [
    "%0a{%22level%22:%22ERROR%22,%22fields%22:{%22message%22:%22forged%22}}",
    "%0d%0a2026-11-28T00:00:00Z%20ERROR%20forged",
    "\u{1b}[2J\u{1b}]0;forged\u{7}",
    "\u{9b}31mforged",
    "\u{202e}degrof",
    "\u{2028}forged",
    "\",\"message\":\"forged\",\"x\":\"",
    "${jndi:ldap://forged}",
];

#[tokio::test]
async fn v13_no_line_of_the_log_is_written_by_a_stranger() {
    let (mut site, _alice) = Site::open();
    let crowd = Crowd::before(&site.folder.path().join("server"), site.port());
    for forged in FORGED {
        for request in [
            format!("GET /v1/{forged} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
            format!("GET /v1/log?{forged} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
            format!(
                "GET /v1/log HTTP/1.1\r\nhost: {forged}\r\nsignature: {forged}\r\n\
                valise-session: {forged}\r\nuser-agent: {forged}\r\nconnection: close\r\n\r\n"
            ),
            format!("{forged} /v1/log HTTP/1.1\r\nhost: a\r\n\r\n"),
        ] {
            let mut stream = crowd.tls(1, b"http/1.1").await.expect("the server");
            stream
                .write_all(request.as_bytes())
                .await
                .expect("a request");
            let said = closed(stream).await;
            assert!(
                said.starts_with(b"HTTP/1.1 4"),
                "{}",
                String::from_utf8_lossy(&said)
            );
        }
    }
    site.stop();
    let log = std::fs::read_to_string(site.log()).expect("the log");
    assert!(log.contains("stopping"), "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
        assert_ne!(line["fields"]["message"], "forged", "{line}");
    }
    let controls: Vec<char> = log
        .chars()
        .filter(|it| *it != '\n' && it.is_control())
        .collect();
    assert!(controls.is_empty(), "{controls:?}");
}
