//! smelt [WORD ...]: a JSON report on its arguments, or on the words of standard input.
use std::io::Read;

fn main() {
    let mut text = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        std::io::stdin().read_to_string(&mut text).expect("words in UTF-8");
    }
    println!("{}", smelt::smelt(text.split_whitespace()));
}
