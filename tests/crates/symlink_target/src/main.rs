fn main() {
    println!("the real one");
}
