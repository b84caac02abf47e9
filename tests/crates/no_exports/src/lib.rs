//! A cdylib that exports nothing: an empty module, a known trap.
pub fn nobody_sees_this() -> u32 {
    42
}
