//! Eats memory, page by page, until something stops it.
fn main() {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(vec![eaten.len() as u8 | 1; 16 << 20]);
        std::hint::black_box(&eaten);
    }
}
