//! DHKEM(X25519) against RFC 9180 appendix A, and against keys that would give the secret away.

use data_encoding::HEXLOWER;

use super::small_order::POINTS;
use super::*;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// One base-mode vector of RFC 9180 appendix A, its KEM part.
struct Vector {
    ikm_e: &'static str,
    sk_e: &'static str,
    enc: &'static str,
    ikm_r: &'static str,
    sk_r: &'static str,
    pk_r: &'static str,
    shared_secret: &'static str,
}

const VECTORS: [Vector; 2] = [
    // A.1.1
    Vector {
        ikm_e: "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234",
        sk_e: "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736",
        enc: "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
        ikm_r: "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037",
        sk_r: "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
        pk_r: "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
        shared_secret: "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc",
    },
    // A.2.1
    Vector {
        ikm_e: "909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b",
        sk_e: "f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600",
        enc: "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
        ikm_r: "1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df",
        sk_r: "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb",
        pk_r: "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a",
        shared_secret: "0bbe78490412b4bbea4812666f7916932b828bba79942424abb65244930d69a7",
    },
];

#[test]
fn rfc_9180_key_pairs_and_shared_secrets_hold() {
    for vector in VECTORS {
        let receiver = derive_key_pair(&hex(vector.ikm_r)).unwrap();
        assert_eq!(HEXLOWER.encode(&receiver.private), vector.sk_r);
        assert_eq!(HEXLOWER.encode(&receiver.public), vector.pk_r);
        let ephemeral = derive_key_pair(&hex(vector.ikm_e)).unwrap();
        assert_eq!(HEXLOWER.encode(&ephemeral.private), vector.sk_e);

        let ephemeral = private_key(&ephemeral.private).unwrap();
        let sent = encapsulate_with(&ephemeral, &receiver.public).unwrap();
        assert_eq!(HEXLOWER.encode(&sent.enc), vector.enc);
        assert_eq!(
            HEXLOWER.encode(sent.shared_secret.as_slice()),
            vector.shared_secret
        );

        let shared = decapsulate(&sent.enc, &receiver.private).unwrap();
        assert_eq!(HEXLOWER.encode(shared.as_slice()), vector.shared_secret);
    }
}

#[test]
fn g19_public_keys_of_small_order_are_refused_by_both_sides() {
    let pair = derive_key_pair(b"any key of our own").unwrap();
    for point in POINTS {
        let weak = hex(point);
        assert_eq!(
            check_public_key(&weak),
            Err(CryptoError::InvalidPublicKey),
            "{point}"
        );
        assert_eq!(
            encapsulate(&weak).err(),
            Some(CryptoError::InvalidPublicKey),
            "{point}"
        );
        assert_eq!(
            decapsulate(&weak, &pair.private).err(),
            Some(CryptoError::InvalidPublicKey),
            "{point}"
        );
    }
}

#[test]
fn the_check_without_a_secret_says_what_the_shared_secret_says() {
    let ours = StaticSecret::from([3; 32]);
    for number in 0..=255 {
        let public = PublicKey::from([number; 32]);
        let checked = check_public_key(public.as_bytes()).is_ok();
        assert_eq!(checked, ours.diffie_hellman(&public).was_contributory());
        let public = PublicKey::from(&StaticSecret::from([number; 32]));
        assert_eq!(check_public_key(public.as_bytes()), Ok(()));
    }
}

#[test]
fn inputs_of_another_length_are_refused() {
    let pair = derive_key_pair(b"any key of our own").unwrap();
    for length in [0, 31, 33] {
        let wrong = vec![9; length];
        assert_eq!(encapsulate(&wrong).err(), Some(CryptoError::InvalidLength));
        assert_eq!(
            decapsulate(&wrong, &pair.private).err(),
            Some(CryptoError::InvalidLength)
        );
        assert_eq!(
            decapsulate(&pair.public, &wrong).err(),
            Some(CryptoError::InvalidLength)
        );
    }
}
