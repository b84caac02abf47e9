//! ring, with its C and assembly, for Go: a SHA-256. boundary.rs is tests/crates/go_smelter's.

mod boundary;

use boundary::{guarded, slice, Buffer};

/// The SHA-256 of some bytes, 32 of them.
///
/// # Safety
/// `data` is valid for `data_len` bytes.
#[no_mangle]
pub unsafe extern "C" fn go_digest_sha256(data: *const u8, data_len: usize) -> Buffer {
    let data = slice(data, data_len);
    guarded(|| Ok::<_, String>(ring::digest::digest(&ring::digest::SHA256, data).as_ref().to_vec().into()))
}
