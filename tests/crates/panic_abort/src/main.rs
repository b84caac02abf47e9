fn main() {
    let caught = std::panic::catch_unwind(|| std::env::args().count());
    println!("abort={} caught={}", cfg!(panic = "abort"), caught.is_err());
}
