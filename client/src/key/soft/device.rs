//! The software key as a device and a transport of Mozilla's state machine, beside USB.

use super::ctap2::Authenticator;
use authenticator::{
    AuthenticatorInfo, FidoDevice, FidoDeviceIO, FidoProtocol, ManageResult, Pin, RegisterResult,
    ResetResult, SignResult, StatusUpdate,
    authenticatorservice::{AuthenticatorTransport, RegisterArgs, SignArgs},
    crypto::SharedSecret,
    ctap2::{
        self,
        commands::{RequestCtap1, RequestCtap2, get_info::GetInfo},
    },
    errors::{AuthenticatorError, HIDError, U2FTokenError},
    statecallback::StateCallback,
};
use std::{
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, mpsc::Sender},
    thread,
};

/// Where the key is plugged in. It keeps power from one ceremony to the next.
pub(super) struct Port(Arc<Mutex<Device>>);

impl Port {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let authenticator = Authenticator::open(path.to_owned())?;
        let device = Device {
            authenticator,
            info: None,
            secret: None,
        };
        Ok(Self(Arc::new(Mutex::new(device))))
    }

    /// Runs a ceremony on a thread of its own, as the trait wants.
    fn run<T: 'static>(
        &self,
        callback: StateCallback<authenticator::Result<T>>,
        ceremony: impl FnOnce(&mut Device, StateCallback<authenticator::Result<T>>) + Send + 'static,
    ) {
        let device = Arc::clone(&self.0);
        thread::spawn(move || {
            let Ok(mut device) = device.lock() else {
                return callback.call(Err(AuthenticatorError::Platform));
            };
            match device.init() {
                Ok(()) => ceremony(&mut device, callback),
                Err(error) => callback.call(Err(error.into())),
            }
        });
    }
}

impl AuthenticatorTransport for Port {
    fn register(
        &mut self,
        _timeout: u64,
        args: RegisterArgs,
        status: Sender<StatusUpdate>,
        callback: StateCallback<authenticator::Result<RegisterResult>>,
    ) -> authenticator::Result<()> {
        self.run(callback, move |device, callback| {
            ctap2::register(device, args, status, callback, &|| true);
        });
        Ok(())
    }

    fn sign(
        &mut self,
        _timeout: u64,
        args: SignArgs,
        status: Sender<StatusUpdate>,
        callback: StateCallback<authenticator::Result<SignResult>>,
    ) -> authenticator::Result<()> {
        self.run(callback, move |device, callback| {
            ctap2::sign(device, args, status, callback, &|| true);
        });
        Ok(())
    }

    /// A ceremony here waits for nothing but the PIN, and ends when that is refused.
    fn cancel(&mut self) -> authenticator::Result<()> {
        Ok(())
    }

    fn reset(
        &mut self,
        _timeout: u64,
        _status: Sender<StatusUpdate>,
        _callback: StateCallback<authenticator::Result<ResetResult>>,
    ) -> authenticator::Result<()> {
        Err(never())
    }

    fn set_pin(
        &mut self,
        _timeout: u64,
        _new_pin: Pin,
        _status: Sender<StatusUpdate>,
        _callback: StateCallback<authenticator::Result<ResetResult>>,
    ) -> authenticator::Result<()> {
        Err(never())
    }

    fn manage(
        &mut self,
        _timeout: u64,
        _status: Sender<StatusUpdate>,
        _callback: StateCallback<authenticator::Result<ManageResult>>,
    ) -> authenticator::Result<()> {
        Err(never())
    }
}

fn never() -> AuthenticatorError {
    AuthenticatorError::U2FToken(U2FTokenError::NotSupported)
}

/// One key, as Mozilla's code sees it.
struct Device {
    authenticator: Authenticator,
    info: Option<AuthenticatorInfo>,
    secret: Option<SharedSecret>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "software key {}", self.authenticator.path().display())
    }
}

impl FidoDeviceIO for Device {
    fn send_msg_cancellable<Out, Req: RequestCtap1<Output = Out> + RequestCtap2<Output = Out>>(
        &mut self,
        msg: &Req,
        keep_alive: &dyn Fn() -> bool,
    ) -> Result<Out, HIDError> {
        self.send_cbor_cancellable(msg, keep_alive)
    }

    fn send_cbor_cancellable<Req: RequestCtap2>(
        &mut self,
        msg: &Req,
        _keep_alive: &dyn Fn() -> bool,
    ) -> Result<Req::Output, HIDError> {
        #[expect(
            clippy::as_conversions,
            reason = "the crate gives its codes in no other way"
        )]
        let code = msg.command() as u8;
        let request = [vec![code], msg.wire_format()?].concat();
        let answer = self
            .authenticator
            .call(&request)
            .map_err(|error| HIDError::IO(Some(self.authenticator.path().clone()), error))?;
        msg.handle_response_ctap2(self, &answer)
    }

    /// The key speaks no U2F.
    fn send_ctap1_cancellable<Req: RequestCtap1>(
        &mut self,
        _msg: &Req,
        _keep_alive: &dyn Fn() -> bool,
    ) -> Result<Req::Output, HIDError> {
        Err(HIDError::UnsupportedCommand)
    }
}

impl FidoDevice for Device {
    /// The trait would take any failure here for a U2F key and hide it.
    fn init(&mut self) -> Result<(), HIDError> {
        self.info = Some(self.send_cbor(&GetInfo::default())?);
        Ok(())
    }

    fn pre_init(&mut self) -> Result<(), HIDError> {
        Ok(())
    }

    fn initialized(&self) -> bool {
        true
    }

    fn is_u2f(&mut self) -> bool {
        true
    }

    fn should_try_ctap2(&self) -> bool {
        true
    }

    fn get_authenticator_info(&self) -> Option<&AuthenticatorInfo> {
        self.info.as_ref()
    }

    fn set_authenticator_info(&mut self, info: AuthenticatorInfo) {
        self.info = Some(info);
    }

    fn get_protocol(&self) -> FidoProtocol {
        FidoProtocol::CTAP2
    }

    fn downgrade_to_ctap1(&mut self) {}

    fn get_shared_secret(&self) -> Option<&SharedSecret> {
        self.secret.as_ref()
    }

    fn set_shared_secret(&mut self, secret: SharedSecret) {
        self.secret = Some(secret);
    }
}

#[cfg(test)]
mod tests;
