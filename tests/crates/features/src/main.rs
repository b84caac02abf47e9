fn main() {
    println!("quiet={} loud={} cfg={}", cfg!(feature = "quiet"), cfg!(feature = "loud"), cfg!(from_bloomery));
}
