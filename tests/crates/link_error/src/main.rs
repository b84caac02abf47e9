extern "C" {
    fn nobody_defines_this() -> i32;
}

fn main() {
    println!("{}", unsafe { nobody_defines_this() });
}
