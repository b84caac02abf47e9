fn main() {
    println!("{}", shout::shout!("from a macro"));
}
