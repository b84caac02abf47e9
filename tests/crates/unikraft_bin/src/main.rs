use std::env;
use std::process;

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    println!("main has {} word(s)", words.len());
    let text: String = (1..=5).map(|n| format!("{} ", n * n)).collect();
    println!("squares: {}", text.trim());
    process::exit(3);
}
