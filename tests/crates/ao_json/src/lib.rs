//! An ao process with serde_json: it counts messages by their sender, and answers with one for the sender.
use serde::Deserialize;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{c_char, CStr, CString};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    from: String,
    #[serde(default)]
    data: String,
}

#[derive(Default)]
struct Process {
    seen: BTreeMap<String, u32>,
    answer: CString, // belongs to Rust until the next message
}

thread_local!(static PROCESS: RefCell<Process> = RefCell::default());

/// # Safety
/// Both are strings that end with a NUL, as the host gives them.
#[no_mangle]
pub unsafe extern "C" fn handle(message: *const c_char, _env: *const c_char) -> *const c_char {
    PROCESS.with_borrow_mut(|process| {
        let answer = match serde_json::from_slice::<Message>(CStr::from_ptr(message).to_bytes()) {
            Ok(message) => {
                let count = process.seen.entry(message.from.clone()).or_default();
                *count += 1;
                let output = json!({"from": message.from, "count": count, "length": message.data.len()});
                json!({"ok": true, "response": {
                    "Output": output.to_string(),
                    "Messages": [{"Target": message.from, "Data": message.data, "Tags": []}],
                    "Spawns": [], "Assignments": [],
                }})
            }
            Err(error) => json!({"ok": false, "response": {"Error": error.to_string()}}),
        };
        process.answer = CString::new(answer.to_string()).unwrap_or_default();
        process.answer.as_ptr()
    })
}
