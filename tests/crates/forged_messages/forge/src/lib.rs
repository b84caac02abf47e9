//! Prints that many errors as the compiler would, while the crate is compiled; 0 is without end. Cargo takes those on
//! standard error for the compiler's, and passes on those on standard output, which are as it would print them itself.
use proc_macro::TokenStream;
use std::io::Write;

fn message(line: u64) -> String {
    format!(
        r#"{{"$message_type":"diagnostic","message":"forged {line}\u001b[31m\nerror: second line","code":{{"code":"E9999"}},"level":"error","spans":[{{"file_name":"/etc/passwd","is_primary":true,"line_start":{line},"column_start":-1,"label":"here"}}],"children":[],"rendered":"error[E9999]: forged {line}\n"}}"#
    )
}

#[proc_macro]
pub fn forge(input: TokenStream) -> TokenStream {
    let count: u64 = input.to_string().parse().unwrap();
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    writeln!(out, r#"{{"reason":"build-finished","success":false}}"#).unwrap();
    writeln!(out, r#"{{"reason":"compiler-message","message":{{"rendered":"unfinished"#).unwrap();
    writeln!(out, r#"{{"reason":"compiler-message","message":{}}}"#, "[".repeat(100_000)).unwrap();
    let mut line = 1u64;
    while count == 0 || line <= count {
        writeln!(out, r#"{{"reason":"compiler-message","message":{}}}"#, message(line)).unwrap();
        writeln!(err, "{}", message(line + 1)).unwrap(); // the next one of those above, word for word
        line += 1;
    }
    TokenStream::new()
}
