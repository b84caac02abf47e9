fn main() {
    println!("beta two");
}
