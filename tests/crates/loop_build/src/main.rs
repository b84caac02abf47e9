fn main() {
    println!("built after all");
}
