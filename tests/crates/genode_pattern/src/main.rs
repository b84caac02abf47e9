//! regex and serde_json, wrapped for Genode: what a pattern finds in a text, as JSON. Without arguments there are some.

use regex::Regex;
use serde_json::{json, Value};

fn find(pattern: &str, text: &str) -> Result<Value, regex::Error> {
    let pattern = Regex::new(pattern)?;
    let found = pattern.captures_iter(text).map(|c| c.iter().map(|m| json!(m.map(|m| m.as_str()))).collect::<Value>());
    Ok(found.collect())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let pattern = arguments.next().unwrap_or_else(|| r"(\w+)=(\d+)?".into());
    let text = arguments.next().unwrap_or_else(|| "iron=26, rust=".into());
    match find(&pattern, &text) {
        Ok(found) => println!("{found}"),
        Err(e) => println!("{}", json!({"error": e.to_string()})),
    }
}
