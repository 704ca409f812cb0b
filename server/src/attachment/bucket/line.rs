//! HTTP to S3, by the TLS of the house. What S3 answers is bounded, and of a refusal no more is kept than its code:
//! the rest may name credentials.

use std::{error::Error, future::Future, pin::Pin, time::Duration};

use http_body_util::{BodyExt as _, Limited};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use reqwest::{Client, Response, redirect::Policy};
use rustls::ClientConfig;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take, with all of its body.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes of an answer at most: a part of a file, or a page of a list.
const ANSWER_MAX: usize = 8 << 20;
/// Bytes of a refusal that are looked at.
const REFUSAL_MAX: usize = 16 << 10;
/// Characters of a refusal's code at most.
const CODE_MAX: usize = 64;

/// Why S3 did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// No answer.
    #[error("{0}")]
    Line(String),
    /// It says why.
    #[error("{status} {code}")]
    Answer {
        /// Its HTTP status.
        status: u16,
        /// S3's own word, such as `NoSuchKey`; empty if there is none.
        code: String,
    },
}

/// The way to S3.
#[derive(Clone, Debug)]
pub(super) struct Line(Client);

impl Line {
    pub(super) fn new(tls: ClientConfig) -> reqwest::Result<Self> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(CONNECT)
            .timeout(ANSWER);
        client.build().map(Self)
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request = hyper::Request::from_parts(head, body);
        let request = reqwest::Request::try_from(request).map_err(|error| failed(&error))?;
        let answer = self.0.execute(request).await;
        let answer = answer.map_err(|error| failed(&error))?;
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        let (head, body) = hyper::Response::<reqwest::Body>::from(answer).into_parts();
        let body = Limited::new(body, ANSWER_MAX).map_err(|error| {
            let text = said(error.as_ref());
            HttpError::new(HttpErrorKind::Interrupted, Refusal::Line(text))
        });
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

impl HttpConnector for Line {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Line {
    fn call<'life, 'call>(
        &'life self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'call>>
    where
        'life: 'call,
        Self: 'call,
    {
        Box::pin(self.ask(request))
    }
}

fn failed(error: &reqwest::Error) -> HttpError {
    let kind = if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, Refusal::Line(said(error)))
}

/// The last cause: what came before names the object.
fn said(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

async fn refused(mut answer: Response) -> HttpError {
    let status = answer.status();
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await
        && body.len() + piece.len() <= REFUSAL_MAX
    {
        body.extend_from_slice(&piece);
    }
    let code = code(&String::from_utf8_lossy(&body));
    let busy = status.is_server_error() || status.as_u16() == 429;
    let kind = if busy {
        HttpErrorKind::Interrupted
    } else {
        HttpErrorKind::Unknown
    };
    let status = status.as_u16();
    HttpError::new(kind, Refusal::Answer { status, code })
}

/// What stands in `<Code>`, if it is a word.
fn code(body: &str) -> String {
    let (_, rest) = body.split_once("<Code>").unwrap_or_default();
    let (code, _) = rest.split_once("</Code>").unwrap_or_default();
    let word = code.len() <= CODE_MAX && code.chars().all(|it| it.is_ascii_alphanumeric());
    if word { code.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_refusal_nothing_is_kept_but_its_code() {
        let body =
            "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
        assert_eq!(code(body), "InvalidAccessKeyId");
        for body in ["", "<Code>", "<Code>a key: AKIA</Code>", "<Code>a</Cod>"] {
            assert_eq!(code(body), "", "{body}");
        }
    }
}
