//! Prints that many lines while the crate is compiled; 0 is without end. Cargo passes them on as they come.
use proc_macro::TokenStream;
use std::io::Write;

#[proc_macro]
pub fn spout(input: TokenStream) -> TokenStream {
    let count: u64 = input.to_string().parse().unwrap();
    let mut out = std::io::BufWriter::new(std::io::stderr().lock());
    let mut line = 1u64;
    while count == 0 || line <= count {
        writeln!(out, "spout line {line:010} of {count}, and this is how it goes on and on and on").unwrap();
        line += 1;
    }
    writeln!(out, "the spout has run dry").unwrap();
    TokenStream::new()
}
