//! A stream of any length in sealed chunks of one size, each bound to its place, the last one marked.
//!
//! This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-
//! Encryption and its Nonce-Reuse Misuse-Resistance", 2015) over ChaCha20-Poly1305, with the nonces of
//! age: a counter of 11 bytes, and one byte that is 1 for the last chunk. A key seals one stream only.

use std::io::{self, Read, Write};

use openmls_traits::{crypto::OpenMlsCrypto as _, types::AeadType};
use ring::digest;
use valise_proto::id::Hash;
use zeroize::Zeroizing;

use crate::{provider::Crypto, store::StoreKey};

/// Plaintext of every chunk but the last one, which has at most as much: bytes.
pub const CHUNK: usize = 64 * 1024;
/// A chunk's tag: bytes.
pub const TAG: usize = 16;

const AEAD: AeadType = AeadType::ChaCha20Poly1305;

/// Seals what is written to it.
pub struct Sealer<W> {
    to: W,
    key: StoreKey,
    /// The chunk that is not full yet, or full and perhaps the last.
    waiting: Zeroizing<Vec<u8>>,
    chunk: u64,
    written: digest::Context,
}

impl<W: Write> Sealer<W> {
    /// A stream under a key that seals nothing else.
    pub fn new(key: StoreKey, to: W) -> Self {
        Self {
            to,
            key,
            waiting: Zeroizing::new(Vec::with_capacity(CHUNK)),
            chunk: 0,
            written: digest::Context::new(&digest::SHA256),
        }
    }

    /// Seals the last chunk. Returns where it all went, and the SHA-256 of that.
    pub fn finish(mut self) -> io::Result<(W, Hash)> {
        self.seal(true)?;
        let mut hash = [0; 32];
        hash.copy_from_slice(self.written.finish().as_ref());
        Ok((self.to, Hash(hash)))
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let nonce = nonce(self.chunk, last);
        let sealed = Crypto
            .aead_encrypt(AEAD, &*self.key, &self.waiting, &nonce, b"")
            .map_err(|_| io::Error::other("sealing failed"))?;
        self.waiting.clear();
        self.chunk += 1;
        self.written.update(&sealed);
        self.to.write_all(&sealed)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.waiting.len() == CHUNK && !bytes.is_empty() {
            self.seal(false)?;
        }
        let free = CHUNK - self.waiting.len();
        let taken = bytes.get(..free).unwrap_or(bytes);
        self.waiting.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// What waits is sealed when it is known whether it is the last.
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Opens what a [`Sealer`] wrote: `left` bytes of `from`.
pub struct Opener<R> {
    from: R,
    key: StoreKey,
    left: u64,
    chunk: u64,
    open: Zeroizing<Vec<u8>>,
    read: usize,
}

impl<R: Read> Opener<R> {
    /// A stream of `length` bytes, sealed.
    pub fn new(key: StoreKey, from: R, length: u64) -> Self {
        Self {
            from,
            key,
            left: length,
            chunk: 0,
            open: Zeroizing::new(Vec::new()),
            read: 0,
        }
    }

    fn next(&mut self) -> io::Result<()> {
        let length = self
            .left
            .min(u64::try_from(CHUNK + TAG).unwrap_or(u64::MAX));
        let mut sealed = vec![0; usize::try_from(length).unwrap_or_default()];
        self.from.read_exact(&mut sealed)?;
        self.left -= length;
        let nonce = nonce(self.chunk, self.left == 0);
        let open = Crypto
            .aead_decrypt(AEAD, &*self.key, &sealed, &nonce, b"")
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        self.chunk += 1;
        (self.open, self.read) = (Zeroizing::new(open), 0);
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.read == self.open.len() && (self.left > 0 || self.chunk == 0) {
            self.next()?;
        }
        let open = self.open.get(self.read..).unwrap_or_default();
        let length = open.len().min(into.len());
        let (into, open) = (into.iter_mut(), open.iter());
        into.zip(open).for_each(|(to, from)| *to = *from);
        self.read += length;
        Ok(length)
    }
}

fn nonce(chunk: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    let counter = nonce.iter_mut().skip(3).zip(chunk.to_be_bytes());
    counter.for_each(|(to, from)| *to = from);
    nonce[11] = u8::from(last);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StoreKey {
        Zeroizing::new([7; 32])
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut sealer = Sealer::new(key(), Vec::new());
        sealer.write_all(plain).unwrap();
        let (bytes, hash) = sealer.finish().unwrap();
        assert_eq!(hash.0, valise_proto::statement::sha256(&[&bytes]));
        bytes
    }

    fn opened(sealed: &[u8]) -> io::Result<Vec<u8>> {
        let length = u64::try_from(sealed.len()).unwrap();
        let mut plain = Vec::new();
        Opener::new(key(), sealed, length).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn every_length_reads_back() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5] {
            let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
            let sealed = sealed(&plain);
            let chunks = length.div_ceil(CHUNK).max(1);
            assert_eq!(sealed.len(), length + chunks * TAG);
            assert_eq!(opened(&sealed).unwrap(), plain);
        }
    }

    #[test]
    fn a_stream_that_is_cut_turned_or_spoilt_does_not_open() {
        let plain = vec![1; 3 * CHUNK];
        let whole = sealed(&plain);
        let size = CHUNK + TAG;
        for end in [0, size, 2 * size, 2 * size + 1, 3 * size - 1] {
            assert!(opened(&whole[..end]).is_err(), "cut at {end}");
        }
        let turned = [&whole[size..2 * size], &whole[..size], &whole[2 * size..]].concat();
        assert!(opened(&turned).is_err());
        let doubled = [&whole[..size], &whole[..]].concat();
        assert!(opened(&doubled).is_err());
        let dropped = [&whole[..size], &whole[2 * size..]].concat();
        assert!(opened(&dropped).is_err());
        let longer = [whole.clone(), sealed(b"more")].concat();
        assert!(opened(&longer).is_err());
        for at in [0, size - 1, size, whole.len() - 1] {
            let mut spoilt = whole.clone();
            spoilt[at] ^= 1;
            assert!(opened(&spoilt).is_err(), "{at}");
        }
    }
}
