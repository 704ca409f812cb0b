//! Every domain-separation label, in one table. No two purposes share one (D17).

/// What an S credential signs: `SHA-256(STATEMENT ‖ label ‖ 0 ‖ org_id ‖ length ‖ statement)`.
pub const STATEMENT: &[u8] = b"valise/v1\0";

/// Statement: an entry of the directory log.
pub const ENTRY: &[u8] = b"directory entry";
/// Statement nobody sees: the assertion that unlocks the store.
pub const UNLOCK: &[u8] = b"unlock";
/// Statement nobody sees: the creation of an S credential.
pub const CREATE: &[u8] = b"create statement credential";
/// Statement: a history is its owner's own word.
pub const HISTORY: &[u8] = b"history of letters";

/// The device key's consent to be certified, inside `device.add`.
pub const DEVICE_CONSENT: &[u8] = b"valise/v1 device consent\0";
/// The challenge of a login.
pub const LOGIN: &[u8] = b"valise/v1 login\0";
/// The six words of an enrolment.
pub const WORDS: &[u8] = b"valise/v1 enrolment words\0";
/// The six words over all keys of a person.
pub const PERSON_WORDS: &[u8] = b"valise/v1 person words\0";
/// A conversation's group id.
pub const CONVERSATION: &[u8] = b"valise/v1 conversation\0";
/// How a conversation names the ended one whose place it takes.
pub const SUCCESSOR: &[u8] = b"valise/v1 successor\0";
/// A group's state in one epoch, as every message in it names it.
pub const GROUP_STATE: &[u8] = b"valise/v1 state of a group\0";
/// The hash of a letter, to which its writer's next letter points.
pub const LETTER: &[u8] = b"valise/v1 letter\0";
/// A letter's id, out of its device and its nonce.
pub const LETTER_ID: &[u8] = b"valise/v1 id of a letter\0";
/// HKDF info: the id of an attached file, out of its key.
pub const ATTACHMENT_ID: &[u8] = b"valise/v1 id of a file\0";
/// HKDF info: what stands before a file's ciphertext and names its key.
pub const ATTACHMENT_COMMITMENT: &[u8] = b"valise/v1 commitment of a file\0";
/// HKDF info: the key of a file's chunks.
pub const ATTACHMENT_STREAM: &[u8] = b"valise/v1 chunks of a file\0";
/// Salt of hmac-secret from which the vault key pair V comes.
pub const VAULT_SALT: &[u8] = b"valise/v1 vault salt\0";
/// HKDF info: the seed of V out of the hmac-secret.
pub const VAULT_SEED: &[u8] = b"valise/v1 vault seed\0";
/// HKDF info: the key that seals something to V.
pub const VAULT_SEAL: &[u8] = b"valise/v1 vault seal\0";
/// HKDF info: the key that seals a history's key to V.
pub const HISTORY_SEAL: &[u8] = b"valise/v1 history seal\0";
/// The tag of signed requests (RFC 9421 §2.3).
pub const REQUEST_TAG: &str = "valise-v1";
