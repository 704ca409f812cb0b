//! Every refusal that has a code: what it means and what to do, for `valise help V0406`.
//!
//! V01 the command · V02 the server · V03 the security key · V04 trust · V05 letters and people ·
//! V06 this machine. A number is never given to another meaning.

use std::str::FromStr;

use super::Exit;

macro_rules! codes {
    ($($name:ident $number:literal $exit:ident $meaning:literal $remedy:literal)+) => {
        /// What kind of refusal.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Code {
            $(#[doc = concat!($number, ": ", $meaning)] $name,)+
        }

        impl Code {
            /// Every code, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The number, such as `V0406`: stable for ever.
            pub const fn number(self) -> &'static str {
                match self { $(Self::$name => $number,)+ }
            }

            /// The exit code that goes with it.
            pub const fn exit(self) -> Exit {
                match self { $(Self::$name => Exit::$exit,)+ }
            }

            /// What happened, in plain words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }
        }
    };
}

codes! {
    Failed "V0100" Failed
        "Something went wrong that has no code of its own."
        "Read the line above. If it keeps happening, run `valise doctor` and show its answer to whoever runs your server."
    Usage "V0101" Usage
        "The command was not understood."
        "Look at the examples in the command's --help."
    Unasked "V0102" Usage
        "A question had to be asked, but there is no terminal to ask it on, or --no-input was given."
        "Run the command in a terminal, or give the answer with the flag that the error names."
    Cancelled "V0103" Cancelled
        "You said no, or what you typed was not what was asked for."
        "Nothing was done. Run the command again if you meant yes."
    NotFound "V0104" NotFound
        "There is no such letter, device or entry on this machine."
        "Run `valise sync`, then look it up with `valise list` or `valise device list`."
    NothingNew "V0105" NothingNew
        "There is nothing new."
        "Nothing needs doing."
    PipeClosed "V0106" PipeClosed
        "The program that was reading the answer stopped reading."
        "Nothing needs doing: `valise list | head` ends like this."

    Unreachable "V0201" Unreachable
        "The server cannot be reached. A letter that you were sending stays in the outbox and goes out by itself."
        "Check your network, then run `valise sync`. `valise outbox list` shows what is waiting."
    Expired "V0202" Unreachable
        "The server's certificate has expired."
        "Tell whoever runs your server to renew it. Check your computer's clock too: a wrong clock looks the same."
    Refused "V0203" Failed
        "The server refused the request."
        "Run `valise sync` and try again. If it keeps happening, show the error to whoever runs your server."
    LoginRefused "V0204" Failed
        "The server did not accept this key's login."
        "Use the key that you enrolled. If it is that key, ask an admin whether your account is suspended."
    Busy "V0205" Unreachable
        "The server has too much to do, or you asked too often."
        "Wait a minute and try again."
    Versions "V0206" Failed
        "The server and this program speak different versions."
        "Install the version of valise that your organisation recommends."
    Offline "V0207" Offline
        "This needs the network, which the command was told not to use."
        "Run it again where it may use the network."
    Clock "V0208" Failed
        "This computer's clock and the server's differ too much for either to tell fresh from old."
        "Set this computer's time automatically. If it is right, tell whoever runs your server."

    ServerFull "V0209" Unreachable
        "There is no room for the file: on the server's disk, or in what your account may keep there. The letter stays in the outbox."
        "Try again later with `valise outbox retry`: files go from the server by themselves, after the organisation's retention time. Or ask whoever runs your server."

    NoKey "V0301" Key
        "No security key is plugged in."
        "Plug in your key and run the command again."
    KeyUntouched "V0302" Key
        "The security key was not touched in time."
        "Run the command again and touch the key when it blinks."
    WrongPin "V0303" Key
        "The PIN was wrong. A key blocks itself after eight wrong PINs in all, and wants to be plugged in again after three."
        "Try again slowly. The error says how many tries are left."
    PinBlocked "V0304" Key
        "The security key has blocked its PIN."
        "Unplug it and plug it in again. If it stays blocked it must be reset, which destroys its credentials: use your spare key, and ask an admin to revoke this one."
    NoPin "V0305" Key
        "The security key has no PIN yet."
        "Set one with your key maker's program, then run the command again."
    OtherKey "V0306" Key
        "This security key is not one of yours in this organisation."
        "Plug in the key that you enrolled here."
    KeyModel "V0307" Policy
        "Your organisation does not allow this model of security key, or its maker does not vouch for it."
        "`valise admin policy show` says which makers and models are allowed. A key that only claims to be one of them is somebody's software: ask whose."
    KeyFailed "V0308" Key
        "The security key answered with an error."
        "Unplug it, plug it in again and retry. Close browsers that may be using it."
    ManyKeys "V0309" Key
        "More than one security key is plugged in, and it is not clear which to use."
        "Leave only yours plugged in, or name it with --key."

    GhostDevice "V0401" Alarm
        "A conversation holds a device that no security key of its owner has certified. Someone may be trying to read along."
        "Send nothing. Call an admin, not by Valise, and read out the error."
    Rollback "V0402" Alarm
        "The server showed an older directory log than this device has already seen. A server cannot forget honestly."
        "Send nothing. Call an admin: either the server was restored from an old backup, or someone is hiding a change."
    Fork "V0403" Alarm
        "The server shows different people different directory logs. Both signed heads are kept as evidence."
        "Call an admin, not by Valise, and show `valise log evidence export`. When the server is repaired, run `valise log evidence dismiss`."
    Misbound "V0404" Alarm
        "A member of a conversation claims to be a person or device whose certificate says otherwise."
        "Send nothing. Call that person and an admin, not by Valise."
    StaleHead "V0405" Alarm
        "The server has not said for a day that this is its newest directory log, or dates it into the future. A revoked device might still look valid."
        "Run `valise sync`. If it stays stale, someone may be holding the log back: call an admin."
    KeysChanged "V0406" Alarm
        "A person's keys changed since you last wrote to them."
        "Call them, not by Valise, and ask whether they added a new key. If they did, run `valise contact accept NAME`; if they did not, call an admin."
    WordsDiffer "V0407" Alarm
        "The six words that you compared are not the same. The request is not from the key that you think."
        "Do not enrol it. Ask the person to run `valise join` again and compare anew, face to face if you can."
    DeviceRevoked "V0408" Alarm
        "This device has been revoked: it can read and send nothing any more."
        "If you did not ask for that, call an admin. Otherwise join again from a fresh home."
    BadEntry "V0409" Alarm
        "The directory log holds an entry that nobody with authority signed, or that breaks its rules."
        "Send nothing. Call an admin and read out the entry's number."
    WrongCard "V0410" Alarm
        "The card is of another organisation than this account or the server that answers."
        "Get the card again from someone you trust, by hand or a channel that you trust. Never from a link in a message."
    PinMismatch "V0411" Alarm
        "The server's TLS key is not the one on your organisation's card. Someone may be between you and the server."
        "Do not try other networks until it works. Call an admin: a changed key needs a new card, given to you by a person."
    ForgedSignature "V0412" Alarm
        "An act that waits for admins carries a signature that its signer did not make. Someone changed the act, or wants you to believe that a colleague agreed."
        "Sign nothing. Call the colleague whom the error names, not by Valise, and ask what he signed."
    Unwitnessed "V0413" Alarm
        "Not enough of the organisation's witnesses have signed this directory log within a day. The server may be showing you a log of your own, or an old one; or the witnesses are switched off."
        "Run `valise sync`. `valise log head` says who has signed, and when. If it stays so, call an admin: reading and admins' acts still work, and `valise admin policy set --witness` replaces a witness that is gone."
    Split "V0414" Alarm
        "A message came from another half of a conversation: the server gave its people different changes of who is in it, or a member sent nonsense. What was written there since may not have reached everybody."
        "Tell an admin, not by Valise. `valise sync` begins a new conversation of the same people; ask them for the letters that you have not got."
    NotStopped "V0415" Alarm
        "The drill tried an attack on your own installation, and nothing stopped it."
        "Write nothing more. Call whoever runs your server, not by Valise, and show the drill's answer: its software is old, broken or not what it says."
    ForeignHistory "V0416" Alarm
        "A history is not its importer's own word: somebody else made it, or a computer or a key that was revoked. Its letters might be invented."
        "Import nothing from it. If it came from your own computer, export it there again; if somebody gave it to you, call an admin."
    CopiedKey "V0417" Alarm
        "The server has seen the counter of this security key go back: somebody may have a copy of it. It logs in nowhere any more."
        "Log in with your other key and remove this one: `valise key remove ID`. If you have no other, ask an admin, not by Valise, to revoke it."
    BadAttachment "V0418" Alarm
        "An attached file is not the one that its letter names: the server changed or swapped it, or the writer's own program lies. Nothing of it was saved."
        "Do not take the file by another way from the same server. Call the writer, not by Valise, and an admin."

    NotEnrolled "V0501" Locked
        "An admin has not enrolled you yet."
        "Call an admin, read each other the six words that `valise join` showed, then run it again."
    UnknownRecipient "V0502" NotFound
        "There is nobody of that name in your organisation, or nobody on that list. Letters never leave it."
        "Check the spelling. `valise contact list` and `valise contact lists` show who and what there is."
    TooLarge "V0503" Usage
        "The letter is larger than a letter may be."
        "Shorten it, or send it in parts."
    Policy "V0504" Policy
        "Your organisation's policy does not allow this."
        "Ask an admin. The policy is in the directory log, where everybody can read it."
    Suspended "V0505" Policy
        "That account is suspended: it can neither send nor receive."
        "Leave them out, or ask an admin."
    NotAdmin "V0506" Policy
        "Only an admin's security key can sign this."
        "Ask an admin to do it on their own machine."
    NameTaken "V0507" Failed
        "That name belongs to somebody, or did: a name is never given to another person."
        "Choose another name."
    NeedsSignatures "V0508" Policy
        "This needs the signatures of more admins."
        "Ask another admin to sign it too."
    EmptyLetter "V0509" Usage
        "The letter has no text."
        "Give it one with -m, or on stdin."
    OnItsWay "V0510" Failed
        "The letter is encrypted and may be at the server already: nobody can take it back."
        "`valise outbox retry` sends it, or finds out that it has arrived."
    NotWaiting "V0511" NotFound
        "The letter does not wait in the outbox."
        "`valise outbox` lists those that do."
    AgainstRules "V0512" Policy
        "The rules of the directory log do not allow this act, as things are."
        "The error says which rule. `valise admin user show NAME` and `valise admin threshold show` say how things are."

    BadFile "V0513" Usage
        "A file cannot be attached or saved: it is missing, no plain file, not yours to read or write, or was being changed."
        "The error says which file, and why."
    FileGone "V0514" NotFound
        "The server does not have the file: it keeps files for the organisation's retention time only, and gets them before their letter."
        "Ask whoever wrote the letter to send the file again. Of your own letter in the outbox, the file is still on its way."

    Locked "V0601" Locked
        "The store on this machine is locked."
        "Run `valise unlock` and touch your key."
    NotJoined "V0602" Locked
        "This machine belongs to no organisation yet."
        "Get the organisation's card from an admin, then run `valise join CARD`."
    AlreadyJoined "V0603" Usage
        "This machine already belongs to an organisation."
        "Use another --home for another organisation."
    StoreDamaged "V0604" Failed
        "The store on this machine cannot be read: it is damaged, or not opened by this key."
        "Keep the files. Run `valise doctor`. Your letters are also on your other devices; this one can join again from a fresh home."
    StoreNewer "V0605" Failed
        "The store was written by a newer valise."
        "Install at least that version here."
    StoreBusy "V0606" Failed
        "Another valise is using the store."
        "Wait for it to finish, or run `valise lock`."
    HomeOpen "V0607" Failed
        "Others on this machine can enter the folder with your letters, so it is not used."
        "Take their access away: `chmod 700` on the folder that the error names."
    Settings "V0608" Usage
        "A setting has a value that it does not take."
        "The error says where the value comes from: correct it there, or take it out."
    DiskFull "V0609" Failed
        "There is no room left on this machine's disk."
        "Make room and run the command again. Nothing is lost."
    BadHistory "V0610" Failed
        "The file is no history of letters, or it was cut or changed on the way."
        "Copy it from the other computer again, or export it there again."
}

/// Not the number of any code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    /// Reads `V0406`, in either case.
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.number().eq_ignore_ascii_case(text))
            .ok_or(UnknownCode)
    }
}
