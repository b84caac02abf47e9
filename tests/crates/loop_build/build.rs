//! Never ends; with feature `spin` it burns a processor meanwhile.
fn main() {
    loop {
        if std::env::var_os("CARGO_FEATURE_SPIN").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        std::hint::spin_loop();
    }
}
