fn main() {
    println!("kept={}", cfg!(kept));
}
