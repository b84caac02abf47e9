#[cfg(feature = "endless")]
forge::forge!(0);
#[cfg(not(feature = "endless"))]
forge::forge!(100);

fn main() {
    println!("no error at all");
}
