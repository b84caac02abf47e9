extern "C" {
    fn c_sum(numbers: *const i32, count: i32) -> i32;
}

fn main() {
    let numbers = [1, 2, 3, 36];
    println!("the C part says {}", unsafe { c_sum(numbers.as_ptr(), numbers.len() as i32) });
}
