//! One ceremony, whatever the key: asks Mozilla's state machine, answers what it wants to know from
//! the person, and turns its result or error into ours.

use super::{Assertion, AssertionRequest, Key, KeyError, MadeCredential, NewCredential, Prompt};
use authenticator::{
    GetAssertionResult, MakeCredentialsResult, Pin, StatusPinUv, StatusUpdate,
    authenticatorservice::{AuthenticatorService, RegisterArgs, SignArgs},
    crypto::{COSEAlgorithm, COSEKey, COSEKeyType, Curve},
    ctap2::{
        attestation::{AuthenticatorData, AuthenticatorDataFlags},
        commands::StatusCode,
        server::{
            AuthenticationExtensionsClientInputs, CredentialProtectionPolicy, HMACGetSecretInput,
            PublicKeyCredentialDescriptor, PublicKeyCredentialParameters,
            PublicKeyCredentialUserEntity, RelyingParty, ResidentKeyRequirement,
            UserVerificationRequirement,
        },
    },
    errors::{AuthenticatorError, CommandError, HIDError, PinError, U2FTokenError},
    statecallback::StateCallback,
};
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::Duration,
};
use zeroize::{Zeroize, Zeroizing};

/// A whole ceremony, PIN entry included, in milliseconds. Keys themselves wait 30 s for a touch.
const TIMEOUT_MS: u64 = 180_000;

/// How often to look for the result while the key says nothing.
const TICK: Duration = Duration::from_millis(10);

/// A key that refuses without waiting for a finger does so within this many ticks (200 ms). Only
/// then is the touch announced that Mozilla's code promises before it asks the key.
const REFUSAL_TICKS: u32 = 20;

/// A key that has said nothing for this many ticks (1.5 s) is waiting for a finger to verify:
/// keys with a sensor do not announce that.
const SILENT_TICKS: u32 = 150;

/// A key behind one of Mozilla's transports.
pub(super) struct Driver {
    service: AuthenticatorService,
    ready: fn(&mut dyn Prompt) -> Result<(), KeyError>,
    name: String,
}

impl Driver {
    /// `ready` returns as soon as a key can be asked.
    pub(super) fn new(
        service: AuthenticatorService,
        ready: fn(&mut dyn Prompt) -> Result<(), KeyError>,
        name: String,
    ) -> Self {
        Self {
            service,
            ready,
            name,
        }
    }

    /// Starts a ceremony and serves it to its end.
    fn run<T: Send + 'static>(
        &mut self,
        dialogue: &mut Dialogue<'_>,
        start: impl FnOnce(
            &mut AuthenticatorService,
            Sender<StatusUpdate>,
            StateCallback<authenticator::Result<T>>,
        ) -> authenticator::Result<()>,
    ) -> Result<T, KeyError> {
        (self.ready)(dialogue.prompt)?;
        let (status, updates) = channel();
        let (done, outcome) = channel();
        let callback = StateCallback::new(Box::new(move |result| {
            // The receiver is gone only if nobody waits for the result any more.
            drop(done.send(result));
        }));
        start(&mut self.service, status, callback).map_err(explain)?;
        let result = dialogue.serve(&updates, &outcome);
        // Ends the transport's threads. It fails only without a transport.
        drop(self.service.cancel());
        match (result, dialogue.stopped.take()) {
            (Some(Ok(value)), _) => Ok(value),
            (_, Some(error)) => Err(error),
            (Some(Err(error)), None) => Err(explain(error)),
            (None, None) => Err(KeyError::Protocol("it stopped answering".to_owned())),
        }
    }
}

impl Key for Driver {
    fn make(
        &mut self,
        new: &NewCredential<'_>,
        prompt: &mut dyn Prompt,
    ) -> Result<MadeCredential, KeyError> {
        let args = register_args(new);
        let made = self.run(
            &mut Dialogue::new(prompt, new.purpose),
            |service, status, done| service.register(TIMEOUT_MS, args, status, done),
        )?;
        if new.hmac_secret && made.extensions.hmac_create_secret != Some(true) {
            return Err(KeyError::NotSupported("it has no hmac-secret"));
        }
        made_credential(&made)
    }

    fn assert(
        &mut self,
        request: &AssertionRequest<'_>,
        prompt: &mut dyn Prompt,
    ) -> Result<Assertion, KeyError> {
        let args = sign_args(request);
        let signed = self.run(
            &mut Dialogue::new(prompt, request.purpose),
            |service, status, done| service.sign(TIMEOUT_MS, args, status, done),
        )?;
        assertion(signed, request)
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

/// The talk between key and person during one ceremony.
struct Dialogue<'a> {
    prompt: &'a mut dyn Prompt,
    purpose: &'a str,
    /// Mozilla's code has sent a command that may wait for a touch.
    touch_due: bool,
    told_to_touch: bool,
    /// Why the person's side ended the ceremony.
    stopped: Option<KeyError>,
}

impl<'a> Dialogue<'a> {
    fn new(prompt: &'a mut dyn Prompt, purpose: &'a str) -> Self {
        Self {
            prompt,
            purpose,
            touch_due: false,
            told_to_touch: false,
            stopped: None,
        }
    }

    /// Answers updates until the outcome is there. `None`: the other side vanished without one.
    fn serve<T>(
        &mut self,
        updates: &Receiver<StatusUpdate>,
        outcome: &Receiver<authenticator::Result<T>>,
    ) -> Option<authenticator::Result<T>> {
        let result = self.follow(updates, outcome);
        // A ceremony that succeeds is always announced, however quick the key or the finger was.
        if self.touch_due && matches!(result, Some(Ok(_))) {
            self.touch();
        }
        result
    }

    fn follow<T>(&mut self, updates: &Receiver<StatusUpdate>, outcome: &Receiver<T>) -> Option<T> {
        let mut silent = 0;
        loop {
            match updates.recv_timeout(TICK) {
                Ok(update) => {
                    silent = 0;
                    self.answer(update);
                }
                Err(RecvTimeoutError::Timeout) => silent += 1,
                Err(RecvTimeoutError::Disconnected) => return outcome.recv().ok(),
            }
            if let Ok(result) = outcome.try_recv() {
                for update in updates.try_iter() {
                    self.answer(update);
                }
                return Some(result);
            }
            let patience = if self.touch_due {
                REFUSAL_TICKS
            } else {
                SILENT_TICKS
            };
            if silent >= patience {
                self.touch();
            }
        }
    }

    fn answer(&mut self, update: StatusUpdate) {
        match update {
            StatusUpdate::PresenceRequired => self.touch_due = true,
            // Several keys blink: the person touches the one to use.
            StatusUpdate::SelectDeviceNotice => self.touch(),
            StatusUpdate::PinUvError(StatusPinUv::PinRequired(reply)) => {
                match self.prompt.pin(None) {
                    Ok(pin) => send_pin(&reply, &pin),
                    Err(error) => self.stopped = Some(error),
                }
            }
            StatusUpdate::PinUvError(StatusPinUv::InvalidPin(reply, tries_left)) => {
                match self.prompt.pin(tries_left) {
                    Ok(pin) => send_pin(&reply, &pin),
                    Err(_) => self.stopped = Some(KeyError::WrongPin { tries_left }),
                }
            }
            // Several credentials of one account fit: the key lists the newest first.
            StatusUpdate::SelectResultNotice(reply, _) => {
                let _ = reply.send(Some(0));
            }
            // What else goes wrong comes back as the ceremony's error.
            StatusUpdate::PinUvError(_) | StatusUpdate::InteractiveManagement(_) => {}
        }
    }

    fn touch(&mut self) {
        if !self.told_to_touch {
            self.told_to_touch = true;
            self.prompt.touch(self.purpose);
        }
    }
}

/// Hands the PIN over. If the ceremony ended meanwhile, nobody takes it, and its outcome says why.
fn send_pin(reply: &Sender<Pin>, pin: &Zeroizing<String>) {
    drop(reply.send(Pin::new(pin)));
}

fn register_args(new: &NewCredential<'_>) -> RegisterArgs {
    RegisterArgs {
        client_data_hash: new.client_data_hash,
        relying_party: RelyingParty {
            id: new.rp_id.to_owned(),
            name: Some(new.rp_name.to_owned()),
        },
        // Only U2F would use it.
        origin: String::new(),
        user: PublicKeyCredentialUserEntity {
            id: new.user_id.to_vec(),
            name: Some(new.user_name.to_owned()),
            display_name: None,
        },
        pub_cred_params: vec![PublicKeyCredentialParameters {
            alg: COSEAlgorithm::ES256,
        }],
        exclude_list: descriptors(new.exclude),
        user_verification_req: UserVerificationRequirement::Required,
        resident_key_req: if new.resident {
            ResidentKeyRequirement::Required
        } else {
            ResidentKeyRequirement::Discouraged
        },
        extensions: AuthenticationExtensionsClientInputs {
            credential_protection_policy: Some(
                CredentialProtectionPolicy::UserVerificationRequired,
            ),
            hmac_create_secret: new.hmac_secret.then_some(true),
            ..Default::default()
        },
        pin: None,
        use_ctap1_fallback: false,
    }
}

fn sign_args(request: &AssertionRequest<'_>) -> SignArgs {
    SignArgs {
        client_data_hash: request.client_data_hash,
        origin: String::new(),
        relying_party_id: request.rp_id.to_owned(),
        allow_list: descriptors(request.allow),
        user_verification_req: UserVerificationRequirement::Required,
        user_presence_req: true,
        extensions: AuthenticationExtensionsClientInputs {
            hmac_get_secret: request
                .salt
                .map(|salt1| HMACGetSecretInput { salt1, salt2: None }),
            ..Default::default()
        },
        pin: None,
        use_ctap1_fallback: false,
    }
}

fn descriptors(ids: &[Vec<u8>]) -> Vec<PublicKeyCredentialDescriptor> {
    ids.iter()
        .map(|id| PublicKeyCredentialDescriptor {
            id: id.clone(),
            transports: Vec::new(),
        })
        .collect()
}

fn made_credential(made: &MakeCredentialsResult) -> Result<MadeCredential, KeyError> {
    let object = &made.att_obj;
    check_verified(&object.auth_data)?;
    let credential = object
        .auth_data
        .credential_data
        .as_ref()
        .ok_or_else(|| KeyError::Protocol("it made no credential".to_owned()))?;
    let mut attestation_object = Vec::new();
    ciborium::into_writer(object, &mut attestation_object)
        .map_err(|error| KeyError::Protocol(error.to_string()))?;
    Ok(MadeCredential {
        credential_id: credential.credential_id.clone(),
        public_key: p256_point(&credential.credential_public_key)?,
        aaguid: credential.aaguid.0,
        attestation_object,
    })
}

fn assertion(
    signed: GetAssertionResult,
    request: &AssertionRequest<'_>,
) -> Result<Assertion, KeyError> {
    let GetAssertionResult {
        assertion,
        mut extensions,
        ..
    } = signed;
    let secret = extensions.hmac_get_secret.as_mut().map(|output| {
        let secret = Zeroizing::new(output.output1);
        output.output1.zeroize();
        secret
    });
    check_verified(&assertion.auth_data)?;
    if request.salt.is_some() && secret.is_none() {
        return Err(KeyError::NotSupported("it has no hmac-secret"));
    }
    let credential_id = match (assertion.credentials, request.allow) {
        (Some(credential), _) => credential.id,
        // CTAP 2.0 keys may leave out the only choice.
        (None, [only]) => only.clone(),
        (None, _) => {
            return Err(KeyError::Protocol(
                "it does not say which credential".to_owned(),
            ));
        }
    };
    if !request.allow.is_empty() && !request.allow.contains(&credential_id) {
        return Err(KeyError::Protocol(
            "it signed with another credential".to_owned(),
        ));
    }
    Ok(Assertion {
        credential_id,
        user_handle: assertion.user.map(|user| user.id),
        authenticator_data: assertion.auth_data.to_vec(),
        signature: assertion.signature,
        secret,
    })
}

/// Mozilla's code goes on without user verification when a key has no PIN at all.
fn check_verified(data: &AuthenticatorData) -> Result<(), KeyError> {
    if data.flags.contains(AuthenticatorDataFlags::USER_VERIFIED) {
        Ok(())
    } else {
        Err(KeyError::NoPinSet)
    }
}

fn p256_point(key: &COSEKey) -> Result<[u8; 65], KeyError> {
    let (COSEAlgorithm::ES256, COSEKeyType::EC2(point)) = (key.alg, &key.key) else {
        return Err(KeyError::NotSupported(
            "it made a credential of another kind than ES256",
        ));
    };
    let sec1 = [&[0x04], point.x.as_slice(), point.y.as_slice()].concat();
    match <[u8; 65]>::try_from(sec1) {
        Ok(sec1) if point.curve == Curve::SECP256R1 && point.x.len() == 32 => Ok(sec1),
        _ => Err(KeyError::Protocol(
            "its public key is not a P-256 point".to_owned(),
        )),
    }
}

/// Says in our words what Mozilla's code says in its own.
fn explain(error: AuthenticatorError) -> KeyError {
    match error {
        AuthenticatorError::CancelledByUser => KeyError::Cancelled,
        AuthenticatorError::CredentialExcluded => KeyError::AlreadyEnrolled,
        AuthenticatorError::U2FToken(U2FTokenError::NotAllowed) => KeyError::NotTouched,
        AuthenticatorError::UnsupportedOption(_) => {
            KeyError::NotSupported("it speaks no CTAP2 with user verification")
        }
        AuthenticatorError::PinError(error) => explain_pin(&error),
        AuthenticatorError::HIDError(HIDError::IO(Some(path), error)) => {
            KeyError::File(path, error)
        }
        AuthenticatorError::HIDError(HIDError::Command(CommandError::StatusCode(code, _))) => {
            explain_status(&code)
        }
        other => KeyError::Protocol(other.to_string()),
    }
}

fn explain_pin(error: &PinError) -> KeyError {
    match error {
        PinError::InvalidPin(tries_left) => KeyError::WrongPin {
            tries_left: *tries_left,
        },
        PinError::PinAuthBlocked => KeyError::PinPaused,
        PinError::PinBlocked | PinError::UvBlocked => KeyError::PinBlocked,
        PinError::PinNotSet => KeyError::NoPinSet,
        other => KeyError::Protocol(other.to_string()),
    }
}

fn explain_status(code: &StatusCode) -> KeyError {
    match code {
        StatusCode::ActionTimeout | StatusCode::Timeout | StatusCode::UserActionTimeout => {
            KeyError::NotTouched
        }
        StatusCode::CredentialExcluded => KeyError::AlreadyEnrolled,
        StatusCode::InvalidCredential | StatusCode::NoCredentials => KeyError::NotThisKey,
        StatusCode::KeyStoreFull => KeyError::KeyFull,
        StatusCode::KeepaliveCancel | StatusCode::OperationDenied => KeyError::Cancelled,
        StatusCode::PinAuthBlocked => KeyError::PinPaused,
        StatusCode::PinBlocked | StatusCode::UvBlocked => KeyError::PinBlocked,
        StatusCode::PinNotSet => KeyError::NoPinSet,
        StatusCode::UnsupportedAlgorithm => KeyError::NotSupported("it has no ES256"),
        StatusCode::UnsupportedExtension | StatusCode::UnsupportedOption => {
            KeyError::NotSupported("it lacks an extension or option")
        }
        other => KeyError::Protocol(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests;
