//! Loads and starts, then has its own opinion: a trial passes that.
fn main() {
    println!("about to leave");
    std::process::exit(3);
}
