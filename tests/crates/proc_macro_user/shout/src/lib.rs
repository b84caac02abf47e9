use proc_macro::{Literal, TokenStream, TokenTree};

#[proc_macro]
pub fn shout(input: TokenStream) -> TokenStream {
    let text = input.to_string().trim_matches('"').to_uppercase();
    TokenTree::Literal(Literal::string(&text)).into()
}
