//! The one place where an error becomes a status and an [`ErrorCode`]. Our own faults are logged here, once, and never quoted.

use std::{any::Any, borrow::Cow};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::task::JoinError;
use valise_proto::{
    api::{ErrorCode, Problem},
    codec::{Malformed, Text, encode},
};

use crate::{
    Chain,
    account::enrolment::EnrolmentError,
    attachment::AttachmentError,
    delivery::DeliveryError,
    directory::AppendError,
    key_package::KeyPackageError,
    login::{LoginError, random},
    node::NodeError,
    proposal::ProposalError,
    session::SessionRefusal,
    store::StoreError,
};

/// What a handler answers when it does not answer.
#[derive(Debug)]
pub(crate) struct Error {
    code: ErrorCode,
    detail: Cow<'static, str>,
}

impl Error {
    /// A refusal whose text people may read.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// Our own fault: logged under a number, of which the caller sees no more than the number.
    fn internal(error: &dyn std::error::Error) -> Self {
        let incident = u32::from_be_bytes(random().unwrap_or_default());
        let incident = format!("incident {incident:08x}");
        tracing::error!(%incident, error = %Chain(error), "a request failed");
        Self::new(ErrorCode::Internal, incident)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Problem {
            code: self.code,
            detail: Text::truncated(&self.detail),
        };
        (
            status,
            [
                ("content-type", "application/octet-stream"),
                ("cache-control", "no-store"),
            ],
            encode(&problem),
        )
            .into_response()
    }
}

/// No such route, or not with this method.
pub(super) async fn not_found() -> Error {
    Error::new(ErrorCode::NotFound, "there is no such thing")
}

/// A handler panicked: the process goes on, and the caller gets an incident number.
pub(super) fn panicked(_payload: Box<dyn Any + Send>) -> Response {
    // The payload may quote what the request held: it goes nowhere.
    Error::internal(&Panicked).into_response()
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
struct Panicked;

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<NodeError> for Error {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Together => Self::new(ErrorCode::Unavailable, error.to_string()),
            NodeError::Store(_) | NodeError::Log(_) | NodeError::Nats(_) => Self::internal(&error),
        }
    }
}

impl From<JoinError> for Error {
    fn from(_: JoinError) -> Self {
        Self::internal(&Panicked)
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::new(ErrorCode::Malformed, error.to_string())
    }
}

impl From<SessionRefusal> for Error {
    fn from(refusal: SessionRefusal) -> Self {
        let code = match refusal {
            SessionRefusal::Ended => ErrorCode::Unauthenticated,
            SessionRefusal::Revoked => ErrorCode::Revoked,
            SessionRefusal::Uncertified => ErrorCode::Forbidden,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<LoginError> for Error {
    fn from(error: LoginError) -> Self {
        let code = match &error {
            LoginError::Copied => ErrorCode::KeyCopied,
            LoginError::Refused => ErrorCode::Unauthenticated,
            LoginError::Revoked => ErrorCode::Revoked,
            LoginError::Store(_) | LoginError::Ceremony => return Self::internal(&error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<EnrolmentError> for Error {
    fn from(error: EnrolmentError) -> Self {
        let code = match &error {
            EnrolmentError::TooMany => ErrorCode::TooMany,
            EnrolmentError::NotFound => ErrorCode::NotFound,
            EnrolmentError::Conflict => ErrorCode::Conflict,
            EnrolmentError::AnotherDevice => ErrorCode::Forbidden,
            EnrolmentError::Registration(reason) => {
                tracing::info!(reason = %reason, "a registration was refused");
                ErrorCode::Refused
            }
            EnrolmentError::Store(_) | EnrolmentError::Random(_) => return Self::internal(&error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused(_) | AppendError::KeyAdd | AppendError::Held => {
                Self::new(ErrorCode::Refused, error.to_string())
            }
            AppendError::Clock { .. } => Self::new(ErrorCode::Clock, error.to_string()),
            AppendError::Store(_) | AppendError::Log(_) | AppendError::NoProof => {
                Self::internal(&error)
            }
        }
    }
}

impl From<ProposalError> for Error {
    fn from(error: ProposalError) -> Self {
        let code = match &error {
            ProposalError::AnotherStatement => ErrorCode::Conflict,
            ProposalError::AnotherSigner => ErrorCode::Forbidden,
            ProposalError::Complete | ProposalError::Refused(_) => ErrorCode::Refused,
            ProposalError::TooMany => ErrorCode::TooMany,
            ProposalError::Store(_) => return Self::internal(&error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<KeyPackageError> for Error {
    fn from(error: KeyPackageError) -> Self {
        let code = match &error {
            KeyPackageError::Malformed => ErrorCode::Malformed,
            KeyPackageError::TooMany => ErrorCode::TooMany,
            KeyPackageError::Store(_) => return Self::internal(&error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<AttachmentError> for Error {
    fn from(error: AttachmentError) -> Self {
        let code = match &error {
            AttachmentError::Conflict => ErrorCode::Conflict,
            AttachmentError::NotFound => ErrorCode::NotFound,
            AttachmentError::Malformed => ErrorCode::Malformed,
            AttachmentError::TooLarge(_) => ErrorCode::TooLarge,
            AttachmentError::QuotaOfAccount
            | AttachmentError::QuotaOfAll
            | AttachmentError::DiskFull => ErrorCode::Full,
            AttachmentError::TooMany => ErrorCode::TooMany,
            AttachmentError::S3(cause) => {
                tracing::warn!(error = %Chain(cause), "a part of a file was neither taken nor given");
                ErrorCode::Unavailable
            }
            AttachmentError::Disk(_) | AttachmentError::Store(_) | AttachmentError::Stopped(_) => {
                return Self::internal(&error);
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<DeliveryError> for Error {
    fn from(error: DeliveryError) -> Self {
        let code = match error {
            DeliveryError::Stale => ErrorCode::Stale,
            DeliveryError::Conflict => ErrorCode::Conflict,
            DeliveryError::NotFound => ErrorCode::NotFound,
            DeliveryError::InactiveDevice => ErrorCode::Forbidden,
            DeliveryError::Revoked => ErrorCode::Revoked,
            DeliveryError::Malformed => ErrorCode::Malformed,
            DeliveryError::TooLarge => ErrorCode::TooLarge,
            DeliveryError::TooMany => ErrorCode::TooMany,
            DeliveryError::Unavailable => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}
