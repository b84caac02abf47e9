fn main() {
    let number: u32 = "rust";
    println!("{number}");
}
