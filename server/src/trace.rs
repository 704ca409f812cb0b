//! Traces for whoever wants to see where time goes: OTLP over HTTP, as OpenTelemetry collectors take it.
//! Of a request its route, method, status and time; of a batch how many writes it has. Nothing of people, and
//! no path, address or id that somebody sent.

use std::{
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::{runtime::Handle, time::timeout};
use tracing::{Span, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::{
    config::Config,
    post::{Address, post},
};

/// What marks the spans that a collector gets; no other span or event reaches it.
const TARGET: &str = "valise_server::trace";
/// Where a collector takes them (OTLP/HTTP).
const PATH: &str = "/v1/traces";
/// What a request to it is.
const TYPE: &str = "application/x-protobuf";
/// Its answer is given up after this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer that is read: bytes.
const ANSWER_MAX: usize = 64 << 10;
/// Methods that have a name; what else somebody sends is `_OTHER`.
const METHODS: [&str; 5] = ["DELETE", "GET", "HEAD", "POST", "PUT"];

/// Traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum MisuseTraces {
    /// The collector has no usable address.
    #[error("otlp is not http://HOST:PORT: correct it in valised.toml")]
    Address,
    /// The library does not take it.
    #[error("traces cannot be sent")]
    Exporter(#[from] ExporterBuildError),
}

/// The way to the collector. Dropped, what is under way is sent first.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// To the collector that the configuration names, if it names one.
    pub fn open(config: &Config, runtime: &Handle) -> Result<Option<Self>, MisuseTraces> {
        let Some(address) = address(config)? else {
            return Ok(None);
        };
        let line = Line {
            address,
            runtime: runtime.clone(),
            silent: AtomicBool::default(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(line)
            .with_protocol(Protocol::HttpBinary)
            // Only its form is looked at: the line knows where it goes.
            .with_endpoint("http://localhost")
            .build()?;
        let resource = Resource::builder_empty()
            .with_service_name("valised")
            .with_attribute(opentelemetry::KeyValue::new(
                "service.version",
                env!("CARGO_PKG_VERSION"),
            ))
            .with_attribute(opentelemetry::KeyValue::new(
                "service.instance.id",
                config.node_name(),
            ));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        Ok(Some(Self(provider)))
    }

    /// What takes the spans of this house, and those only.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("valised"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::DEBUG))
    }
}

/// Whether a collector that the configuration names has an address.
pub(crate) fn check(config: &Config) -> Result<(), MisuseTraces> {
    address(config).map(drop)
}

fn address(config: &Config) -> Result<Option<Address>, MisuseTraces> {
    let address = config.otlp.as_deref().map(Address::parse);
    address
        .map(|it| it.ok_or(MisuseTraces::Address))
        .transpose()
}

impl Drop for Traces {
    fn drop(&mut self) {
        // A collector that does not answer has been named before.
        let _unsent = self.0.shutdown_with_timeout(PATIENCE);
    }
}

/// The span of a request to `route`; it costs nothing where nobody collects.
pub(crate) fn request(method: &str, route: &str) -> Span {
    let method = METHODS.into_iter().find(|known| *known == method);
    let method = method.unwrap_or("_OTHER");
    tracing::debug_span!(
        target: TARGET,
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    )
}

/// Says how a request ended.
pub(crate) fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of a transaction that stores so many writes.
pub(crate) fn batch(writes: usize) -> Span {
    tracing::debug_span!(target: TARGET, "store a batch", writes)
}

/// HTTP to the collector, on the server's own runtime: the library asks from a thread of its own.
#[derive(Debug)]
struct Line {
    address: Address,
    runtime: Handle,
    /// It did not answer the last time: said once.
    silent: AtomicBool,
}

impl Line {
    async fn send(&self, body: Bytes) -> Result<Response<Bytes>, HttpError> {
        let address = self.address.clone();
        let asking = async move {
            let asked = post(&address, PATH, TYPE, body, ANSWER_MAX);
            timeout(PATIENCE, asked).await
        };
        let answer = self.runtime.spawn(asking).await??;
        let (status, body) = answer?;
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        Ok(response)
    }

    async fn send_and_say(&self, body: Bytes) -> Result<Response<Bytes>, HttpError> {
        let answer = self.send(body).await;
        let fails = match &answer {
            Ok(response) => !response.status().is_success(),
            Err(_) => true,
        };
        if fails && !self.silent.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the collector of traces does not take them: they are lost until it does"
            );
        } else if !fails && self.silent.swap(false, Ordering::Relaxed) {
            tracing::info!("the collector of traces takes them again");
        }
        answer
    }
}

impl HttpClient for Line {
    fn send_bytes<'life, 'call>(
        &'life self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'call>>
    where
        'life: 'call,
        Self: 'call,
    {
        Box::pin(self.send_and_say(request.into_body()))
    }
}
