//! An ao process whose function has a name of its own, named in Cargo.toml.
use std::ffi::{c_char, CString};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

static MESSAGES: AtomicU32 = AtomicU32::new(0);
static ANSWER: Mutex<Option<CString>> = Mutex::new(None);

#[no_mangle]
pub extern "C" fn greet(_message: *const c_char, _env: *const c_char) -> *const c_char {
    let n = MESSAGES.fetch_add(1, Ordering::Relaxed) + 1;
    let text = format!(r#"{{"ok":true,"response":{{"Output":"greeting {n}","Messages":[],"Spawns":[],"Assignments":[]}}}}"#);
    let mut answer = ANSWER.lock().unwrap();
    answer.insert(CString::new(text).unwrap()).as_ptr()
}
