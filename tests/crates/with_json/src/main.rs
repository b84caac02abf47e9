fn main() {
    let json = std::env::args().nth(1).unwrap_or_default();
    match with_json::area_of(&json) {
        Some(area) => println!("{{\"area\":{area}}}"),
        None => println!("null"),
    }
}
