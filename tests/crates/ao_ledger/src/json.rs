//! As much of JSON as this example needs; a real process uses serde_json.

/// The text of `"name":"..."`, the first one.
pub fn text_of(json: &str, name: &str) -> Option<String> {
    let key = format!("\"{name}\":\"");
    string(&json[json.find(&key)? + key.len()..])
}

/// The value of the tag with this name: `{"name":"Action","value":"..."}`.
pub fn tag_of(json: &str, name: &str) -> Option<String> {
    let key = format!("{{\"name\":\"{name}\",\"value\":\"");
    string(&json[json.find(&key)? + key.len()..])
}

/// What stands before the next quotation mark that is not escaped.
fn string(rest: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            other => text.push(other),
        }
    }
}

/// What the host expects of `handle`.
pub fn answer(output: &str) -> String {
    let mut text = String::from(r#"{"ok":true,"response":{"Output":""#);
    for c in output.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c if c < ' ' => text.push(' '),
            c => text.push(c),
        }
    }
    text + r#"","Messages":[],"Spawns":[],"Assignments":[]}}"#
}
