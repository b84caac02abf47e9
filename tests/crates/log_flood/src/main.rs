#[cfg(feature = "endless")]
spout::spout!(0);
#[cfg(not(feature = "endless"))]
spout::spout!(100000);

fn main() {
    println!("wet");
}
