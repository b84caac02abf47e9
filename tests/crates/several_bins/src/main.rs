fn main() {
    println!("the namesake");
}
