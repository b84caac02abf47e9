fn main() {
    println!("{}", util::greet("workspace"));
}
