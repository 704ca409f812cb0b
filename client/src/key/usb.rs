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
    check_access(&first_found(look, LOOK_EVERY, prompt)?)
}

/// Looks until something is found, saying once that nothing is there yet.
fn first_found(
    look: impl Fn() -> Vec<PathBuf>,
    pause: Duration,
    prompt: &mut dyn Prompt,
) -> Result<Vec<PathBuf>, KeyError> {
    for turn in 0..LOOKS {
        let found = look();
        if !found.is_empty() {
            return Ok(found);
        }
        if turn == 0 {
            prompt.insert();
        }
        thread::sleep(pause);
    }
    Err(KeyError::NoKey)
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

/// One key that can be opened is enough; otherwise names the one that cannot.
fn check_access(nodes: &[PathBuf]) -> Result<(), KeyError> {
    let opens = |node: &PathBuf| File::options().read(true).write(true).open(node).is_ok();
    match nodes.first() {
        Some(node) if !nodes.iter().any(opens) => Err(KeyError::NoAccess(node.clone())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn asks_once_for_a_key_and_then_gives_up() {
        let mut prompt = Inserts::default();
        let found = first_found(Vec::new, Duration::ZERO, &mut prompt);
        assert!(matches!(found, Err(KeyError::NoKey)));
        assert_eq!(prompt.0, 1);
    }

    #[test]
    fn a_key_plugged_in_late_is_found() {
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            if looks.get() < 5 {
                Vec::new()
            } else {
                vec![PathBuf::from("/dev/hidraw7")]
            }
        };
        let mut prompt = Inserts::default();
        let found = first_found(look, Duration::ZERO, &mut prompt).unwrap();
        assert_eq!(found, [Path::new("/dev/hidraw7")]);
        assert_eq!(prompt.0, 1);
    }

    #[test]
    fn a_key_that_cannot_be_opened_is_named() {
        let missing = vec![PathBuf::from("/nonexistent/hidraw7")];
        let refusal = check_access(&missing).unwrap_err();
        assert!(refusal.to_string().contains("/nonexistent/hidraw7"));
        let readable = tempfile::NamedTempFile::new().unwrap();
        check_access(&[missing.first().unwrap().clone(), readable.path().to_owned()]).unwrap();
    }
}
