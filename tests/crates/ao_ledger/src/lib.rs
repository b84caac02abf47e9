//! An ao process that keeps balances. The host calls `handle` once a message; what is static here is the process's
//! state: it is in the module's memory, which the host keeps between messages.

mod json;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_char, CStr, CString};

#[derive(Default)]
struct Ledger {
    balances: HashMap<String, u64>,
    messages: u64,
    kept: Vec<Vec<u8>>,
    answer: CString, // belongs to Rust until the next message
}

thread_local!(static LEDGER: RefCell<Ledger> = RefCell::default());

impl Ledger {
    /// What the message asks for: the tag Action, its arguments in Data.
    fn act(&mut self, message: &str) -> String {
        self.messages += 1;
        let data = json::text_of(message, "Data").unwrap_or_default();
        let words: Vec<&str> = data.split(' ').collect();
        match json::tag_of(message, "Action").as_deref() {
            Some("Credit") => {
                let amount: u64 = words[1].parse().expect("an amount");
                let balance = self.balances.entry(words[0].into()).or_default();
                *balance += amount;
                format!("{} has {balance}", words[0])
            }
            Some("Balance") => format!("{} has {}", words[0], self.balances.get(words[0]).unwrap_or(&0)),
            Some("Count") => format!("{} messages, {} accounts", self.messages, self.balances.len()),
            Some("Length") => format!("{} bytes", data.len()),
            Some("Keep") => {
                let mib: usize = words[0].parse().expect("a number of MiB");
                self.kept.push(vec![1; mib << 20]);
                format!("{} MiB", self.kept.iter().map(Vec::len).sum::<usize>() >> 20)
            }
            Some("Panic") => panic!("as you said: {data}"),
            Some(other) => format!("no such action: {other}"),
            None => "a ledger".into(),
        }
    }
}

/// # Safety
/// Both are strings that end with a NUL, as the host gives them.
#[no_mangle]
pub unsafe extern "C" fn handle(message: *const c_char, _env: *const c_char) -> *const c_char {
    let message = CStr::from_ptr(message).to_string_lossy();
    LEDGER.with_borrow_mut(|ledger| {
        let output = ledger.act(&message);
        println!("answer: {output}");
        let answer = json::answer(&output);
        ledger.answer = CString::new(answer).unwrap_or_default();
        ledger.answer.as_ptr()
    })
}
