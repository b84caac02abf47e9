fn main() {
    println!("linked as one");
}
