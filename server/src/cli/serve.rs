//! `valised serve`: until SIGTERM or SIGINT; SIGHUP loads the TLS certificate again.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};

use listenfd::ListenFd;

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use super::{CommandError, backup::consequences, runtime, say};
use crate::{
    Chain, Server,
    backup::{
        copy_before_upgrade,
        restore::{Restored, refuse_unfinished},
    },
    clock::{Clock as _, SystemClock},
    config::{Config, LogFormat},
    data::DataLock,
    tls::Identity,
    trace::Traces,
};

pub(super) fn run(data: &Path) -> Result<(), CommandError> {
    let config = Config::load(data)?;
    let runtime = runtime(config.threads)?;
    let traces = Traces::open(&config, runtime.handle())?;
    start_logs(&config, traces.as_ref());
    refuse_unfinished(data)?;
    let _lock = DataLock::shared(data)?;
    let restored = Restored::read(data);
    if let Some(restored) = restored.filter(|restored| restored.is_news(SystemClock.now_ms())) {
        for line in consequences(&restored) {
            tracing::warn!("this server was restored: {line}");
        }
    }
    runtime.block_on(async {
        if let Some(copy) = copy_before_upgrade(&config).await? {
            tracing::info!(
                "kept the database as it was before the upgrade: {}",
                copy.display()
            );
        }
        serve(config).await
    })
}

async fn serve(config: Config) -> Result<(), CommandError> {
    let system = |what| move |source| CommandError::System { what, source };
    let mut terminate = signal(SignalKind::terminate()).map_err(system("no signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("no signals"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system("no signals"))?;
    let listener = listener(config.listen)
        .await
        .map_err(system("cannot listen"))?;
    let server = Server::open(config, Arc::new(SystemClock)).await?;
    say(&format!(
        "valised: serving {} (organisation {})",
        server.url(),
        server.org()
    ))?;
    let identity = server.identity();
    let shutdown = async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                _ = hangup.recv() => reload(&identity),
            }
        }
    };
    Ok(server.run(listener, shutdown).await?)
}

/// The socket that systemd opened for this process (`sd_listen_fds(3)`), or one of its own.
async fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    match ListenFd::from_env().take_tcp_listener(0)? {
        Some(open) => {
            open.set_nonblocking(true)?;
            TcpListener::from_std(open)
        }
        None => TcpListener::bind(address).await,
    }
}

/// Says how it went: who sent the signal sees no answer.
fn reload(identity: &Identity) {
    match identity.reload() {
        Ok(()) => tracing::info!("the TLS certificate was loaded again"),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "the TLS certificate stays as it was");
        }
    }
}

/// Logs go to standard error: JSON unless somebody looks. Nothing of people is in them.
fn start_logs(config: &Config, traces: Option<&Traces>) {
    let level = config.log_level.as_str();
    // Libraries may log statements or headers: only their warnings. That of NATS repeats at each attempt to
    // connect what `node` says once.
    let filter = EnvFilter::builder()
        .parse(format!("warn,async_nats=off,valise_server={level}"))
        .unwrap_or_else(|_| EnvFilter::new("warn,async_nats=off,valise_server=info"));
    let logs = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let json = match config.log_format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let logs = if json {
        logs.json().boxed()
    } else {
        logs.boxed()
    };
    let all = tracing_subscriber::registry()
        .with(logs.with_filter(filter))
        .with(traces.map(Traces::layer));
    // Somebody started them already: then they run.
    let _running = all.try_init();
}
