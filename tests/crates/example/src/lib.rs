//! Words in, a JSON report out: how many, how long, a fingerprint, and how much iron is in the ores among them.
use std::hash::Hasher;

include!(concat!(env!("OUT_DIR"), "/ores.rs"));

pub fn smelt<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let (mut count, mut letters, mut iron) = (0u64, 0u64, 0.0);
    let mut longest = "";
    let mut hasher = fnv::FnvHasher::default();
    let mut ores = Vec::new();
    for word in words {
        count += 1;
        letters += word.chars().count() as u64;
        if word.len() > longest.len() {
            longest = word;
        }
        hasher.write(word.as_bytes());
        hasher.write_u8(0);
        if let Some((name, percent)) = ORES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
            ores.push(*name);
            iron += percent;
        }
    }
    let average = if count == 0 { 0.0 } else { letters as f64 / count as f64 };
    let iron = if ores.is_empty() { 0.0 } else { iron / ores.len() as f64 };
    let mut out = String::from("{\"words\":");
    out.push_str(itoa::Buffer::new().format(count));
    out.push_str(",\"letters\":");
    out.push_str(itoa::Buffer::new().format(letters));
    out.push_str(",\"average\":");
    out.push_str(ryu::Buffer::new().format_finite(average));
    out.push_str(",\"longest\":");
    quote(longest, &mut out);
    out.push_str(&format!(",\"fnv\":\"{:016x}\",\"ores\":[", hasher.finish()));
    for (i, ore) in ores.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        quote(ore, &mut out);
    }
    out.push_str("],\"iron_percent\":");
    out.push_str(ryu::Buffer::new().format_finite(iron));
    out.push_str(",\"known_ores\":");
    out.push_str(itoa::Buffer::new().format(ORES.len()));
    out.push_str(",\"target\":");
    quote(env!("SMELT_TARGET"), &mut out);
    out.push_str(",\"profile\":");
    quote(env!("SMELT_PROFILE"), &mut out);
    out.push('}');
    out
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The same for a page or a plug-in host: it writes the words into memory that `allocate` gave.
#[cfg(target_os = "unknown")]
mod module {
    /// Memory for `len` bytes; 0 is never returned.
    #[no_mangle]
    pub extern "C" fn allocate(len: usize) -> *mut u8 {
        Box::leak(vec![0u8; len.max(1)].into_boxed_slice()).as_mut_ptr()
    }

    /// # Safety
    /// `at` and `len` are those of an `allocate`.
    #[no_mangle]
    pub unsafe extern "C" fn release(at: *mut u8, len: usize) {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, len.max(1))));
    }

    /// The report on the UTF-8 text at `at`: its address in the upper 32 bits, its length in the lower ones.
    ///
    /// # Safety
    /// `at` and `len` are those of an `allocate`; the answer is given back with `release`.
    #[no_mangle]
    pub unsafe extern "C" fn report(at: *const u8, len: usize) -> u64 {
        let text = String::from_utf8_lossy(std::slice::from_raw_parts(at, len));
        let out = super::smelt(text.split_whitespace()).into_bytes().into_boxed_slice();
        let len = out.len();
        (Box::leak(out).as_mut_ptr() as u64) << 32 | len as u64
    }
}
