//! What a stream of chunks gives away, and what nobody can do to it.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;
use crate::{statement::sha256, weaken::dangerously_weaken};

fn key(number: u8) -> FileKey {
    FileKey::new([number; 32])
}

fn content(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

/// A file's ciphertext and manifest.
fn sealed_with(key: &FileKey, header: [u8; HEADER], file: &[u8]) -> (Vec<u8>, Attachment) {
    let size = u64::try_from(file.len()).unwrap();
    let (mut sealer, _) = Sealer::new(key, size).unwrap();
    let (mut bytes, mut rest) = (header.to_vec(), file);
    let mut content = Content::default();
    content.add(file);
    while let Some(wanted) = sealer.wants() {
        let (now, later) = rest.split_at(wanted);
        let mut chunk = now.to_vec();
        sealer.seal(&mut chunk).unwrap();
        bytes.extend(chunk);
        rest = later;
    }
    let hash = sealer.finish(content).unwrap();
    assert_eq!(hash, Hash(sha256(&[file])));
    let name = "plan.pdf".to_owned().try_into().unwrap();
    (bytes, key.manifest(name, size, hash).unwrap())
}

fn sealed(file: &[u8]) -> (Vec<u8>, Attachment) {
    sealed_with(&key(1), key(1).commitment().unwrap(), file)
}

/// Opens a whole ciphertext, as a receiver does who has it in memory.
fn opened(sealed: &[u8], manifest: &Attachment) -> Result<Vec<u8>, BadAttachment> {
    let (header, mut rest) = sealed
        .split_first_chunk::<HEADER>()
        .ok_or(BadAttachment::MisuseLength)?;
    let mut opener = Opener::new(manifest, header)?;
    let mut file = Vec::new();
    while let Some(wanted) = opener.wants() {
        let (now, later) = rest
            .split_at_checked(wanted)
            .ok_or(BadAttachment::MisuseLength)?;
        file.extend_from_slice(opener.open(&mut now.to_vec())?);
        rest = later;
    }
    let mut content = Content::default();
    content.add(&file);
    opener.finish(content)?;
    if rest.is_empty() {
        Ok(file)
    } else {
        Err(BadAttachment::MisuseLength)
    }
}

/// The chunks of a ciphertext, after its header.
fn chunks(sealed: &[u8]) -> Vec<Vec<u8>> {
    let chunks = sealed[HEADER..].chunks(CHUNK + TAG);
    chunks.map(<[u8]>::to_vec).collect()
}

fn joined(sealed: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    [&sealed[..HEADER], &chunks.concat()].concat()
}

#[test]
fn a_file_of_any_size_reads_back() {
    for size in [
        0,
        1,
        4095,
        4096,
        4097,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        2 * CHUNK,
        3 * CHUNK + 5,
        1 << 20,
    ] {
        let file = content(size);
        let (sealed, manifest) = sealed(&file);
        let expected = sealed_size(manifest.size).unwrap();
        assert_eq!(u64::try_from(sealed.len()).unwrap(), expected, "{size}");
        assert_eq!(opened(&sealed, &manifest), Ok(file), "{size}");
    }
}

#[test]
fn the_bytes_are_frozen() {
    let (sealed, manifest) = sealed(&content(3 * CHUNK + 5));
    insta::assert_snapshot!(sealed.len(), @"200800");
    insta::assert_snapshot!(HEXLOWER.encode(&sha256(&[&sealed])), @"a83f21fb2ed128cb9fb886fd624c8ab5f281d0df365c956ca0e301cd45bba91a");
    insta::assert_snapshot!(HEXLOWER.encode(manifest.blob.as_slice()), @"65fef03ec1e46ef46e8f8110e6dc6e100101010101010101010101010101010101010101010101010101010101010101");
}

#[test]
fn nothing_is_cut_off_moved_repeated_or_changed() {
    // Two full chunks, and an exact multiple: every one could be the last by its length.
    let file = content(4 * CHUNK);
    let (sealed, manifest) = sealed(&file);
    let whole = chunks(&sealed);
    assert_eq!(whole.len(), 4);
    for kept in 0..whole.len() {
        let cut = joined(&sealed, &whole[..kept]);
        assert!(opened(&cut, &manifest).is_err(), "{kept} chunks");
        // The same with a manifest that says so: the last chunk was not sealed as the last.
        let mut shorter = manifest.clone();
        shorter.size = u64::try_from(kept * CHUNK).unwrap();
        assert!(
            opened(&cut, &shorter).is_err(),
            "{kept} chunks, and said so"
        );
    }
    for first in 0..whole.len() {
        for second in 0..whole.len() {
            let mut moved = whole.clone();
            moved.swap(first, second);
            assert_eq!(
                opened(&joined(&sealed, &moved), &manifest).is_ok(),
                first == second
            );
            let mut repeated = whole.clone();
            repeated[first] = whole[second].clone();
            assert_eq!(
                opened(&joined(&sealed, &repeated), &manifest).is_ok(),
                first == second
            );
        }
    }
    let mut longer = whole.clone();
    longer.push(whole[3].clone());
    assert!(opened(&joined(&sealed, &longer), &manifest).is_err());
    for at in [0, HEADER - 1, HEADER, CHUNK, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(opened(&changed, &manifest).is_err(), "{at}");
    }
}

#[test]
fn a_cut_at_any_byte_is_no_file() {
    let (sealed, manifest) = sealed(&content(5_000));
    for end in 0..sealed.len() {
        assert!(opened(&sealed[..end], &manifest).is_err(), "{end}");
    }
}

#[test]
fn what_stands_behind_the_end_is_zeros() {
    // Sealed by somebody who writes on behind the end of the file.
    let long = content(4096);
    let (sealed, mut manifest) = sealed(&long);
    manifest.size = 4_000;
    assert_eq!(opened(&sealed, &manifest), Err(BadAttachment::PeerChunk));
}

#[test]
fn g26_a_ciphertext_is_one_keys() {
    let file = content(70_000);
    let (other, manifest) = sealed(&file);
    let (_, same_content) = sealed_with(&key(2), key(2).commitment().unwrap(), &file);
    // Chunks that open under the second key, under the name of the first: half of an attack with one
    // ciphertext for two keys.
    let (forged, _) = sealed_with(&key(2), key(1).commitment().unwrap(), &file);
    dangerously_weaken(None);
    let refused = Err(BadAttachment::PeerOtherKey);
    assert_eq!(opened(&forged, &same_content), refused);
    assert_eq!(opened(&other, &same_content), refused);
    // And no manifest points with one key at what another one names.
    let mut pointing = same_content;
    let blob = [&manifest.blob.as_slice()[..16], &[2; 32]].concat();
    pointing.blob = blob.try_into().unwrap();
    assert_eq!(opened(&other, &pointing), Err(BadAttachment::PeerManifest));
}

#[test]
fn g26_twin_without_the_commitment_a_ciphertext_opens_under_a_second_key() {
    let file = content(70_000);
    let (forged, _) = sealed_with(&key(2), key(1).commitment().unwrap(), &file);
    let (_, second) = sealed_with(&key(2), key(2).commitment().unwrap(), &file);
    dangerously_weaken(Some("G26"));
    let fallen = opened(&forged, &second);
    dangerously_weaken(None);
    assert_eq!(fallen, Ok(file));
}

#[test]
fn g26_the_content_is_the_letters_or_none() {
    let (sealed, mut manifest) = sealed(b"the truth");
    manifest.content = Hash(sha256(&[b"the letter says so"]));
    assert_eq!(opened(&sealed, &manifest), Err(BadAttachment::PeerContent));
    dangerously_weaken(Some("G26"));
    let fallen = opened(&sealed, &manifest);
    dangerously_weaken(None);
    assert_eq!(fallen, Ok(b"the truth".to_vec()), "the twin");
}

#[test]
fn a_manifest_is_one_or_none() {
    let (_, good) = sealed(b"content");
    assert!(FileKey::of(&good).is_ok());
    for blob in [vec![], vec![7; 47], vec![7; 48]] {
        let mut bad = good.clone();
        bad.blob = blob.try_into().unwrap();
        assert_eq!(FileKey::of(&bad).unwrap_err(), BadAttachment::PeerManifest);
    }
    for size in [SIZE_MAX + 1, u64::MAX] {
        let mut bad = good.clone();
        bad.size = size;
        assert_eq!(FileKey::of(&bad).unwrap_err(), BadAttachment::PeerManifest);
    }
    assert_eq!(format!("{:?}", key(3)), "FileKey(…)");
}

#[test]
fn p02_sizes_of_files_are_few_and_waste_is_small() {
    let mut sizes = BTreeSet::new();
    for round in 0..10_000_u32 {
        let seed = sha256(&[&round.to_be_bytes()]);
        let size = u64::from(u32::from_be_bytes([seed[0], seed[1], seed[2], seed[3]]) >> 8);
        let sealed = sealed_size(size).unwrap();
        sizes.insert(sealed);
        assert!(sealed > size);
        let waste = sealed - size - u64::try_from(HEADER).unwrap();
        assert!(
            size <= SIZE_MIN || waste * 100 <= size * 13,
            "{size}: {sealed}"
        );
    }
    // Buckets from 4 KiB to 16 MiB.
    assert!(sizes.len() <= 300, "{} sizes", sizes.len());
    assert_eq!(sealed_size(0), sealed_size(SIZE_MIN));
    assert_eq!(sealed_size(2 << 30), Some((2 << 30) + 32 + (16 << 15)));
}

proptest! {
    #[test]
    fn noise_never_opens(noise in proptest::collection::vec(any::<u8>(), 0..5000), size: u64) {
        let (_, mut manifest) = sealed(b"content");
        manifest.size = size;
        prop_assert!(opened(&noise, &manifest).is_err());
    }
}
