//! Keys on USB: Mozilla's HID transport, and finding out why it would find nothing.

use super::{KeyError, Prompt, ceremony::Driver};
use authenticator::authenticatorservice::AuthenticatorService;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How often and how many times to look for a key: 15 s in all.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS: u32 = 60;

/// The system sets a new device's permissions a moment after it appears: 1 s is granted for that.
const CLOSED_LOOKS: u32 = 4;

/// HID usage page 0xF1D0, "FIDO alliance" (CTAP 2.1 §11.2.8.2), as an item of a report descriptor.
const FIDO_USAGE_PAGE: [u8; 3] = [0x06, 0xd0, 0xf1];

/// Gets ready to use whichever key is, or will be, plugged in.
pub(super) fn open() -> Result<Driver, KeyError> {
    let mut service =
        AuthenticatorService::new().map_err(|error| KeyError::Protocol(error.to_string()))?;
    service.add_u2f_usb_hid_platform_transports();
    Ok(Driver::new(
        service,
        wait_for_key,
        "USB security key".to_owned(),
    ))
}

/// Waits until a key is plugged in and may be opened. Only Linux lets us look without opening
/// devices; elsewhere the ceremony itself waits.
fn wait_for_key(prompt: &mut dyn Prompt) -> Result<(), KeyError> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let look = || keys_below(Path::new("/sys/class/hidraw"), Path::new("/dev"));
    wait_until_open(look, LOOK_EVERY, prompt)
}

/// Looks until a key can be opened, saying once if nothing is there yet.
fn wait_until_open(
    look: impl Fn() -> Vec<PathBuf>,
    pause: Duration,
    prompt: &mut dyn Prompt,
) -> Result<(), KeyError> {
    let mut closed = 0;
    for turn in 0..LOOKS {
        let nodes = look();
        if nodes.iter().any(opens) {
            return Ok(());
        }
        match nodes.into_iter().next() {
            Some(node) if closed == CLOSED_LOOKS => return Err(KeyError::NoAccess(node)),
            Some(_) => closed += 1,
            None if turn == 0 => prompt.insert(),
            None => {}
        }
        thread::sleep(pause);
    }
    Err(KeyError::NoKey)
}

fn opens(node: &PathBuf) -> bool {
    File::options().read(true).write(true).open(node).is_ok()
}

/// The device nodes of all FIDO keys, by their report descriptors.
fn keys_below(class: &Path, dev: &Path) -> Vec<PathBuf> {
    let is_fido = |entry: &fs::DirEntry| {
        fs::read(entry.path().join("device/report_descriptor"))
            .is_ok_and(|items| items.windows(3).any(|item| item == FIDO_USAGE_PAGE))
    };
    fs::read_dir(class)
        .into_iter()
        .flatten()
        .flatten()
        .filter(is_fido)
        .map(|entry| dev.join(entry.file_name()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use std::cell::Cell;
    use zeroize::Zeroizing;

    #[derive(Default)]
    struct Inserts(u32);

    impl Prompt for Inserts {
        fn touch(&mut self, _purpose: &str) {}
        fn pin(&mut self, _tries_left: Option<u8>) -> Result<Zeroizing<String>, KeyError> {
            Err(KeyError::Cancelled)
        }
        fn insert(&mut self) {
            self.0 += 1;
        }
    }

    #[test]
    fn only_fido_devices_are_keys() {
        let sys = tempfile::tempdir().unwrap();
        for (name, descriptor) in [
            ("hidraw0", &[0x05, 0x01, 0x09, 0x02][..]),
            ("hidraw1", &[0x06, 0xd0, 0xf1, 0x09]),
        ] {
            let device = sys.path().join(name).join("device");
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("report_descriptor"), descriptor).unwrap();
        }
        assert_eq!(
            keys_below(sys.path(), Path::new("/dev")),
            [Path::new("/dev/hidraw1")]
        );
    }

    #[test]
    fn opening_asks_nothing() {
        assert_eq!(open().unwrap().describe(), "USB security key");
    }

    #[test]
    fn asks_once_for_a_key_and_then_gives_up() {
        let mut prompt = Inserts::default();
        let refusal = wait_until_open(Vec::new, Duration::ZERO, &mut prompt).unwrap_err();
        assert!(matches!(refusal, KeyError::NoKey));
        assert_eq!(prompt.0, 1);
    }

    #[test]
    fn a_key_plugged_in_late_is_found() {
        let node = tempfile::NamedTempFile::new().unwrap();
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            match looks.get() {
                ..5 => Vec::new(),
                5..8 => vec![PathBuf::from("/nonexistent/permissions-not-set-yet")],
                _ => vec![node.path().to_owned()],
            }
        };
        let mut prompt = Inserts::default();
        wait_until_open(look, Duration::ZERO, &mut prompt).unwrap();
        assert_eq!((prompt.0, looks.get()), (1, 8));
    }

    #[test]
    fn a_key_that_cannot_be_opened_is_named() {
        let closed = PathBuf::from("/nonexistent/hidraw7");
        let mut prompt = Inserts::default();
        let look = || vec![closed.clone()];
        let refusal = wait_until_open(look, Duration::ZERO, &mut prompt).unwrap_err();
        assert!(refusal.to_string().contains("/nonexistent/hidraw7"));
        assert_eq!(prompt.0, 0);
        let open = tempfile::NamedTempFile::new().unwrap();
        let look = || vec![closed.clone(), open.path().to_owned()];
        wait_until_open(look, Duration::ZERO, &mut prompt).unwrap();
    }
}
