//! sha2 and hmac, wrapped for Genode: as a component, and as a static library for components in C++.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::ffi::{c_char, c_int, CStr};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// # Safety
/// As main of C: argc texts at argv.
#[no_mangle]
pub unsafe extern "C" fn digest_main(argc: c_int, argv: *const *const c_char) -> c_int {
    for i in 1..argc {
        let text = unsafe { CStr::from_ptr(*argv.offset(i as isize)) }.to_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"key").expect("any length of key is fine");
        mac.update(text);
        println!("{} {}", hex(&Sha256::digest(text)), hex(&mac.finalize().into_bytes()));
    }
    0
}

/// # Safety
/// `bytes` are `len` bytes; `out` has 32.
#[no_mangle]
pub unsafe extern "C" fn digest_sha256(bytes: *const u8, len: usize, out: *mut u8) {
    let digest = Sha256::digest(unsafe { std::slice::from_raw_parts(bytes, len) });
    unsafe { out.copy_from_nonoverlapping(digest.as_ptr(), digest.len()) };
}
