//! regex and serde_json, for Go: where a pattern is found in a text, as JSON. boundary.rs is tests/crates/go_smelter's.

mod boundary;

use boundary::{guarded, slice, Buffer};

/// The groups of each match, as a JSON list of lists; a pattern that is none is an error.
///
/// # Safety
/// `pattern` and `text` are valid for as many bytes as is said.
#[no_mangle]
pub unsafe extern "C" fn go_pattern_find(pattern: *const u8, pattern_len: usize, text: *const u8, text_len: usize) -> Buffer {
    let (pattern, text) = (slice(pattern, pattern_len), slice(text, text_len));
    guarded(|| find(pattern, text).map(|json| json.into_bytes().into()))
}

fn find(pattern: &[u8], text: &[u8]) -> Result<String, Box<dyn std::error::Error>> {
    let (pattern, text) = (regex::Regex::new(std::str::from_utf8(pattern)?)?, std::str::from_utf8(text)?);
    let found: Vec<Vec<Option<&str>>> =
        pattern.captures_iter(text).map(|c| c.iter().map(|group| group.map(|m| m.as_str())).collect()).collect();
    Ok(serde_json::to_string(&found)?)
}
