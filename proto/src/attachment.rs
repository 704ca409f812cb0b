//! A file that travels beside its letter: its key, its id, and the bytes that the server keeps.
//!
//! Each file has a random 256-bit key of its own, in the letter's manifest. HKDF-SHA-256 (RFC 5869, no
//! salt) of it gives three things: the id under which the server keeps the file, a commitment, and the
//! stream key. The server keeps:
//!
//! ```text
//! commitment (32 bytes) ‖ chunk 0 ‖ chunk 1 ‖ … ‖ last chunk
//! ```
//!
//! What is sealed is the file, then zeros up to a Padmé bucket of at least 4 KiB, so that the size tells
//! little (P02); the true size stands in the letter. A chunk is 64 KiB of that, the last one what is
//! left, by ChaCha20-Poly1305 (RFC 8439) with its tag of 16 bytes behind it and no additional data. Its
//! nonce is that of STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and
//! its Nonce-Reuse Misuse-Resistance", 2015), as age has it: seven zero bytes, since the key is fresh for
//! each file; the chunk's number, a `u32` in network order; one byte that is 1 for the last chunk, else
//! 0. So chunks can be neither cut off, nor moved, nor repeated.
//!
//! ChaCha20-Poly1305 does not commit to its key: one ciphertext can be made that opens under two. The
//! commitment does, and the letter has the hash of the content: one ciphertext has one meaning (G26).

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    digest::{Context, SHA256},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    codec::Text,
    id::{AttachmentId, Hash},
    label,
    letter::{Attachment, padme},
    weaken::checked,
};

/// Sealed bytes of a chunk, but for the last one.
pub const CHUNK: usize = 64 << 10;
/// What sealing adds to each chunk: bytes.
pub const TAG: usize = 16;
/// The commitment in front of the chunks: bytes.
pub const HEADER: usize = 32;
/// Largest file: bytes. The chunks' numbers would reach much further.
pub const SIZE_MAX: u64 = 1 << 40;
/// Files of one letter at most.
pub const FILES_MAX: usize = 64;

/// Smallest bucket: bytes.
const SIZE_MIN: u64 = 4 << 10;

/// A file's ciphertext or manifest is not what its writer made, or a caller broke the order.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadAttachment {
    /// The manifest contradicts itself, or names an impossible size.
    #[error("the manifest of the file contradicts itself")]
    PeerManifest,
    /// The ciphertext is not the one of this key.
    #[error("the ciphertext is not the one of the file's key")]
    PeerOtherKey,
    /// A chunk was changed, cut off, moved or repeated.
    #[error("a part of the ciphertext is not what was sealed")]
    PeerChunk,
    /// The content is not the one that the letter names.
    #[error("the content is not the one that the letter names")]
    PeerContent,
    /// More, less or other bytes than announced.
    #[error("the file is not as large as was said")]
    MisuseLength,
}

/// A file's key.
#[derive(Clone, ZeroizeOnDrop)]
pub struct FileKey([u8; 32]);

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(…)")
    }
}

impl FileKey {
    /// A key of 32 random bytes, never used before.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The key of a file in a manifest.
    pub fn of(file: &Attachment) -> Result<Self, BadAttachment> {
        let key = file.blob.as_slice().split_at_checked(AttachmentId::LEN);
        let (id, key) = key.ok_or(BadAttachment::PeerManifest)?;
        let key = Self(key.try_into().map_err(|_| BadAttachment::PeerManifest)?);
        let possible = sealed_size(file.size).is_some();
        if possible && key.id().is_ok_and(|own| own.as_ref() == id) {
            Ok(key)
        } else {
            Err(BadAttachment::PeerManifest)
        }
    }

    /// What a letter says of a file that was sealed with this key.
    pub fn manifest(
        &self,
        name: Text<255>,
        size: u64,
        content: Hash,
    ) -> Result<Attachment, BadAttachment> {
        let blob = [self.id()?.as_ref(), &self.0].concat();
        Ok(Attachment {
            name,
            size,
            content,
            blob: blob.try_into().map_err(|_| BadAttachment::MisuseLength)?,
        })
    }

    /// Under which id the server keeps the file. Whoever does not know the key cannot guess it.
    pub fn id(&self) -> Result<AttachmentId, BadAttachment> {
        Ok(AttachmentId(self.derive(label::ATTACHMENT_ID)?))
    }

    fn commitment(&self) -> Result<[u8; HEADER], BadAttachment> {
        self.derive(label::ATTACHMENT_COMMITMENT)
    }

    fn derive<const N: usize>(&self, label: &[u8]) -> Result<[u8; N], BadAttachment> {
        struct Length(usize);
        impl KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let failed = |_| BadAttachment::MisuseLength;
        let key = Salt::new(HKDF_SHA256, &[]).extract(&self.0);
        let (mut derived, info) = ([0; N], [label]);
        let expanded = key.expand(&info, Length(N)).map_err(failed)?;
        expanded.fill(&mut derived).map_err(failed)?;
        Ok(derived)
    }
}

/// How many bytes are sealed for a file of `size` bytes: a Padmé bucket. `None`: no file is that large.
pub fn padded_size(size: u64) -> Option<u64> {
    if size > SIZE_MAX {
        return None;
    }
    let size = usize::try_from(size.max(SIZE_MIN)).ok()?;
    let padded = u64::try_from(padme(size)).ok()?;
    (padded <= SIZE_MAX).then_some(padded)
}

/// How many bytes the server keeps for a file of `size` bytes. `None`: no file is that large.
pub fn sealed_size(size: u64) -> Option<u64> {
    let padded = padded_size(size)?;
    let chunks = padded.div_ceil(u64::try_from(CHUNK).ok()?);
    let added = u64::try_from(TAG).ok()?.checked_mul(chunks)?;
    padded
        .checked_add(added)?
        .checked_add(u64::try_from(HEADER).ok()?)
}

/// The chunks of one file in their order.
struct Chunks {
    key: LessSafeKey,
    counter: u32,
    /// Bytes that are sealed from here on, zeros included.
    left: u64,
    /// Bytes of the file from here on.
    content: u64,
}

/// One chunk: its nonce, how many bytes are sealed in it, and how many of them are the file's.
struct Chunk {
    nonce: Nonce,
    length: usize,
    content: usize,
}

impl Chunks {
    fn new(key: &FileKey, size: u64) -> Result<Self, BadAttachment> {
        let stream = Zeroizing::new(key.derive::<32>(label::ATTACHMENT_STREAM)?);
        let stream = UnboundKey::new(&CHACHA20_POLY1305, &*stream);
        Ok(Self {
            key: LessSafeKey::new(stream.map_err(|_| BadAttachment::MisuseLength)?),
            counter: 0,
            left: padded_size(size).ok_or(BadAttachment::PeerManifest)?,
            content: size,
        })
    }

    /// How long the next chunk is, and how much of it is the file's; `None` after the last one.
    fn lengths(&self) -> Option<(usize, usize)> {
        let of = |left: u64| usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        (self.left > 0).then(|| (of(self.left), of(self.content)))
    }

    fn next(&mut self) -> Option<Chunk> {
        let (length, content) = self.lengths()?;
        self.left = self.left.checked_sub(u64::try_from(length).ok()?)?;
        self.content = self.content.checked_sub(u64::try_from(content).ok()?)?;
        let mut nonce = [0; 12];
        if let Some((_, end)) = nonce.split_last_chunk_mut::<5>() {
            let [a, b, c, d] = self.counter.to_be_bytes();
            *end = [a, b, c, d, u8::from(self.left == 0)];
        }
        self.counter = self.counter.checked_add(1)?;
        Some(Chunk {
            nonce: Nonce::assume_unique_for_key(nonce),
            length,
            content,
        })
    }
}

/// The hash of a file's content, as its letter has it. It stands apart from sealing and opening, so that
/// whoever has two processors hashes on one and seals on the other.
pub struct Content {
    hash: Context,
    bytes: u64,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            hash: Context::new(&SHA256),
            bytes: 0,
        }
    }
}

impl Content {
    /// Goes on with the next bytes of the file.
    pub fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(more);
    }
}

/// Seals a file, chunk by chunk.
pub struct Sealer {
    chunks: Chunks,
    size: u64,
}

impl Sealer {
    /// For a file of `size` bytes, and what stands before its chunks. A key seals one file.
    pub fn new(key: &FileKey, size: u64) -> Result<(Self, [u8; HEADER]), BadAttachment> {
        let sealer = Self {
            chunks: Chunks::new(key, size)?,
            size,
        };
        Ok((sealer, key.commitment()?))
    }

    /// How many bytes of the file the next chunk takes: none once only zeros are left. `None` after
    /// the last one.
    pub fn wants(&self) -> Option<usize> {
        self.chunks.lengths().map(|(_, content)| content)
    }

    /// Seals the next chunk: `chunk` is what [`Sealer::wants`], and becomes its ciphertext.
    pub fn seal(&mut self, chunk: &mut Vec<u8>) -> Result<(), BadAttachment> {
        let next = self.chunks.next().ok_or(BadAttachment::MisuseLength)?;
        if chunk.len() != next.content {
            return Err(BadAttachment::MisuseLength);
        }
        chunk.resize(next.length, 0);
        let sealed = self
            .chunks
            .key
            .seal_in_place_append_tag(next.nonce, Aad::empty(), chunk);
        sealed.map_err(|_| BadAttachment::MisuseLength)
    }

    /// The hash of the whole file, after its last chunk: `content` has had every byte of it.
    pub fn finish(self, content: Content) -> Result<Hash, BadAttachment> {
        finish(&self.chunks, self.size, content)
    }
}

/// Opens a file, chunk by chunk.
pub struct Opener {
    chunks: Chunks,
    size: u64,
    content: Hash,
}

impl Opener {
    /// For the file that `file` describes, by what stands before its chunks.
    pub fn new(file: &Attachment, header: &[u8; HEADER]) -> Result<Self, BadAttachment> {
        let key = FileKey::of(file)?;
        let same: bool = key.commitment()?.ct_eq(header).into();
        // Without this an insider makes one ciphertext for two keys, and two files of it.
        if !same && checked("G26") {
            return Err(BadAttachment::PeerOtherKey);
        }
        Ok(Self {
            chunks: Chunks::new(&key, file.size)?,
            size: file.size,
            content: file.content,
        })
    }

    /// How many bytes of ciphertext the next chunk has. `None` after the last one.
    pub fn wants(&self) -> Option<usize> {
        self.chunks.lengths().map(|(length, _)| length + TAG)
    }

    /// Opens the next chunk and returns what is the file's in it.
    pub fn open<'c>(&mut self, chunk: &'c mut [u8]) -> Result<&'c [u8], BadAttachment> {
        let next = self.chunks.next().ok_or(BadAttachment::MisuseLength)?;
        if chunk.len() != next.length + TAG {
            return Err(BadAttachment::MisuseLength);
        }
        let opened = self
            .chunks
            .key
            .open_in_place(next.nonce, Aad::empty(), chunk);
        let opened: &'c [u8] = opened.map_err(|_| BadAttachment::PeerChunk)?;
        let (content, zeros) = opened
            .split_at_checked(next.content)
            .ok_or(BadAttachment::MisuseLength)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(BadAttachment::PeerChunk);
        }
        Ok(content)
    }

    /// After the last chunk: `content`, which has had all that was opened, is what the letter says.
    pub fn finish(self, content: Content) -> Result<(), BadAttachment> {
        let content = finish(&self.chunks, self.size, content)?;
        if content == self.content || !checked("G26") {
            Ok(())
        } else {
            Err(BadAttachment::PeerContent)
        }
    }
}

fn finish(chunks: &Chunks, size: u64, content: Content) -> Result<Hash, BadAttachment> {
    let hash = content.hash.finish();
    let hash = Hash::try_from(hash.as_ref()).map_err(|_| BadAttachment::MisuseLength)?;
    if chunks.left == 0 && content.bytes == size {
        Ok(hash)
    } else {
        Err(BadAttachment::MisuseLength)
    }
}

#[cfg(test)]
mod tests;
