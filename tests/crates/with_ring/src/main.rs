//! C and assembly inside: the SHA-256 of the arguments.
fn main() {
    let text = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    println!("{}", digest.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>());
}
