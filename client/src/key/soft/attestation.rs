//! Attestation of the software key: packed, by a certificate of a test authority that anyone can be
//! (WebAuthn §8.2). Its private key is public, so it proves nothing, and servers refuse the model.

use super::{AAGUID, ctap2::Status};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DistinguishedName, DnType,
    DnValue, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd, string::PrintableString,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};

/// The test authority's certificate and its private key, made once by [`authority`].
const TEST_CA_PEM: &str = include_str!("test-ca.pem");
const TEST_CA_KEY_PEM: &str = include_str!("test-ca.key.pem");

/// The test authority's certificate, in PEM.
pub fn test_ca_pem() -> &'static str {
    TEST_CA_PEM
}

/// The test authority's certificate, in DER; empty if the file in this repository is damaged.
pub fn test_ca_der() -> Vec<u8> {
    let base64: String = TEST_CA_PEM
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    data_encoding::BASE64
        .decode(base64.as_bytes())
        .unwrap_or_default()
}

/// Signs what a new credential attests. Returns the signature and the certificate of its key, which
/// is made for this one signature.
pub(super) fn sign(message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Status> {
    let key = KeyPair::generate().map_err(|_| Status::OTHER)?;
    let certificate = certify(&key).map_err(|_| Status::OTHER)?;
    let random = SystemRandom::new();
    let signature = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        key.serialized_der(),
        &random,
    )
    .map_err(|_| Status::OTHER)?
    .sign(&random, message)
    .map_err(|_| Status::OTHER)?;
    Ok((signature.as_ref().to_vec(), certificate.der().to_vec()))
}

/// A certificate as WebAuthn §8.2.1 wants it.
fn certify(key: &KeyPair) -> Result<Certificate, rcgen::Error> {
    let mut params = authority()?;
    params.distinguished_name = name("Valise software key");
    params
        .distinguished_name
        .push(DnType::OrganizationalUnitName, "Authenticator Attestation");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // id-fido-gen-ce-aaguid: the model as an OCTET STRING.
    let model = [&[0x04, 0x10], AAGUID.as_slice()].concat();
    let oid = [1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];
    params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, model)];
    params.use_authority_key_identifier_extension = true;
    params.signed_by(
        key,
        &Issuer::new(authority()?, KeyPair::from_pem(TEST_CA_KEY_PEM)?),
    )
}

/// The test authority.
fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = name("Valise TEST authority, proves nothing");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Ok(country) = PrintableString::try_from("FR") {
        name.push(DnType::CountryName, DnValue::PrintableString(country));
    }
    name.push(DnType::OrganizationName, "Valise");
    name.push(DnType::CommonName, common);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_the_one_in_the_repository() {
        let key = KeyPair::from_pem(TEST_CA_KEY_PEM).unwrap();
        let der = test_ca_der();
        assert!(der.windows(65).any(|window| window == key.public_key_raw()));
    }
}
