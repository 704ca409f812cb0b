//! HPKE against RFC 9180 appendix A, from the shared secret on.

use data_encoding::HEXLOWER;
use openmls_traits::types::HpkeKemType;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// The same in every vector of the appendix.
const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
const PLAINTEXT: &str = "4265617574792069732074727574682c20747275746820626561757479";
const AAD: &str = "436f756e742d30";

/// One base-mode vector of RFC 9180 appendix A: the first encryption and the first two exports.
struct Vector {
    aead: HpkeAeadType,
    sk_r: &'static str,
    enc: &'static str,
    shared_secret: &'static str,
    key: &'static str,
    base_nonce: &'static str,
    exporter_secret: &'static str,
    ciphertext: &'static str,
    exports: [(&'static str, &'static str); 2],
}

const VECTORS: [Vector; 2] = [
    // A.1.1
    Vector {
        aead: HpkeAeadType::AesGcm128,
        sk_r: "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
        enc: "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
        shared_secret: "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc",
        key: "4531685d41d65f03dc48f6b8302c05b0",
        base_nonce: "56d890e5accaaf011cff4b7d",
        exporter_secret: "45ff1c2e220db587171952c0592d5f5ebe103f1561a2614e38f2ffd47e99e3f8",
        ciphertext: "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9\
            6d8770ac83d07bea87e13c512a",
        exports: [
            (
                "",
                "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee",
            ),
            (
                "00",
                "2e8f0b54673c7029649d4eb9d5e33bf1872cf76d623ff164ac185da9e88c21a5",
            ),
        ],
    },
    // A.2.1
    Vector {
        aead: HpkeAeadType::ChaCha20Poly1305,
        sk_r: "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb",
        enc: "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
        shared_secret: "0bbe78490412b4bbea4812666f7916932b828bba79942424abb65244930d69a7",
        key: "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91",
        base_nonce: "5c4d98150661b848853b547f",
        exporter_secret: "a3b010d4994890e2c6968a36f64470d3c824c8f5029942feb11e7a74b2921922",
        ciphertext: "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db\
            21993c62ce81883d2dd1b51a28",
        exports: [
            (
                "",
                "4bbd6243b8bb54cec311fac9df81841b6fd61f56538a775e7c80a9f40160606e",
            ),
            (
                "00",
                "8c1df14732580e5501b00f82b10a1647b40713191b7c1240ac80e2b68808ba69",
            ),
        ],
    },
];

#[test]
fn rfc_9180_base_mode_holds() {
    for vector in VECTORS {
        let config = HpkeConfig(
            HpkeKemType::DhKem25519,
            HpkeKdfType::HkdfSha256,
            vector.aead,
        );
        let suite = Suite::try_from(config).unwrap();
        let ready = || {
            suite
                .key_schedule(&hex(vector.shared_secret), &hex(INFO))
                .unwrap()
        };
        let context = ready();
        assert_eq!(HEXLOWER.encode(context.key.as_slice()), vector.key);
        assert_eq!(
            HEXLOWER.encode(context.base_nonce.as_slice()),
            vector.base_nonce
        );
        assert_eq!(
            HEXLOWER.encode(context.exporter_secret.as_slice()),
            vector.exporter_secret
        );
        for (exporter_context, exported) in vector.exports {
            let ours = context.export(&hex(exporter_context), 32).unwrap();
            assert_eq!(HEXLOWER.encode(ours.as_slice()), exported);
        }

        let sealed = ready().seal(&hex(AAD), &hex(PLAINTEXT)).unwrap();
        assert_eq!(HEXLOWER.encode(&sealed), vector.ciphertext);

        // The receiver's whole path, from the private key and the bytes on the wire.
        let wire = HpkeCiphertext {
            kem_output: hex(vector.enc).into(),
            ciphertext: sealed.into(),
        };
        let opened = suite
            .open(&wire, &hex(vector.sk_r), &hex(INFO), &hex(AAD))
            .unwrap();
        assert_eq!(HEXLOWER.encode(&opened), PLAINTEXT);
    }
}

#[test]
fn a_suite_that_is_not_ours_is_refused() {
    let p256 = HpkeConfig(
        HpkeKemType::DhKemP256,
        HpkeKdfType::HkdfSha256,
        HpkeAeadType::AesGcm128,
    );
    assert_eq!(
        Suite::try_from(p256).err(),
        Some(CryptoError::UnsupportedCiphersuite)
    );
    let export_only = HpkeConfig(
        HpkeKemType::DhKem25519,
        HpkeKdfType::HkdfSha256,
        HpkeAeadType::Export,
    );
    assert_eq!(
        Suite::try_from(export_only).err(),
        Some(CryptoError::UnsupportedAeadAlgorithm)
    );
}
