//! What std and the crate `libc` were compiled with, read back: one line each.
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::mem::{offset_of, size_of};
use std::time::{Duration, UNIX_EPOCH};

mod list;

extern "C" {
    /// The test kit's: what its open() was last called with.
    static kit_open_flags: i32;
}

fn std_flags() {
    let open = |o: &OpenOptions| {
        let _ = o.open("/flags");
        unsafe { kit_open_flags }
    };
    println!("std open rw create truncate: {:o}", open(OpenOptions::new().read(true).write(true).create(true).truncate(true)));
    println!("std open append: {:o}", open(OpenOptions::new().append(true)));
    println!("std open read: {:o}", open(OpenOptions::new().read(true)));
    println!("std open create_new: {:o}", open(OpenOptions::new().write(true).create_new(true)));
}

fn std_errors() {
    for code in [1, 2, 4, 11, 17, 20, 22, 38] {
        println!("std error {code}: {:?}", io::Error::from_raw_os_error(code).kind());
    }
    println!("std open absent: {:?}", File::open("/absent").map_err(|e| (e.raw_os_error(), e.kind())).err());
}

fn std_structs() -> io::Result<()> {
    let m = fs::metadata("/kit/ingot")?;
    let after = m.modified()?.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    println!("std stat: size {} file {} read-only {} modified {:?}", m.len(), m.is_file(), m.permissions().readonly(), after);
    let mut entries: Vec<_> = fs::read_dir("/kit")?
        .map(|e| e.map(|e| (e.file_name(), e.file_type().map(|t| t.is_dir()).ok())))
        .collect::<Result<_, _>>()?;
    entries.sort();
    println!("std dirent: {entries:?}");
    let mut file = File::create("/parts")?;
    let n = file.write_vectored(&[IoSlice::new(b"pig "), IoSlice::new(b"iron")])?;
    println!("std iovec: {n} {:?}", fs::read_to_string("/parts")?);
    Ok(())
}

fn layouts() {
    println!("libc stat: {} mode {} size {} mtim {}", size_of::<libc::stat>(), offset_of!(libc::stat, st_mode),
             offset_of!(libc::stat, st_size), offset_of!(libc::stat, st_mtim));
    println!("libc dirent: type {} name {}", offset_of!(libc::dirent, d_type), offset_of!(libc::dirent, d_name));
    println!("libc iovec: {} len {}", size_of::<libc::iovec>(), offset_of!(libc::iovec, iov_len));
    println!("libc timespec: {} nsec {}", size_of::<libc::timespec>(), offset_of!(libc::timespec, tv_nsec));
    println!("libc timeval: {} rusage {} fd_set {}", size_of::<libc::timeval>(), size_of::<libc::rusage>(), size_of::<libc::fd_set>());
    println!("libc off_t {} ino_t {} nlink_t {} blkcnt_t {} clock_t {}", size_of::<libc::off_t>(), size_of::<libc::ino_t>(),
             size_of::<libc::nlink_t>(), size_of::<libc::blkcnt_t>(), size_of::<libc::clock_t>());
    unsafe {
        let mut set: libc::fd_set = std::mem::zeroed();
        libc::FD_ZERO(&mut set);
        libc::FD_SET(37, &mut set);
        let bits: [u32; 32] = std::mem::transmute(set);
        println!("libc FD_SET: {} {:x} {} {}", bits[0], bits[1], libc::FD_ISSET(37, &set), libc::FD_ISSET(36, &set));
    }
}

fn main() {
    list::constants();
    layouts();
    std_flags();
    std_errors();
    if let Err(e) = std_structs() {
        println!("std structs: {e}");
    }
}
