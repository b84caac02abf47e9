//! The example of profile lind: threads, a map, files; what a program for a POSIX host usually needs.
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Mutex;
use std::{env, fs, process, thread};

/// Iron in a heap of ore, in kilogrammes.
fn smelt(ore: u32) -> u32 {
    ore * 26 / 100
}

fn ledger() -> io::Result<String> {
    fs::create_dir("/ledger")?;
    let mut page = fs::OpenOptions::new().read(true).write(true).create_new(true).open("/ledger/page")?;
    writeln!(page, "ore 100")?;
    let _ = page.write_vectored(&[io::IoSlice::new(b"iron "), io::IoSlice::new(b"26\n")])?;
    page.seek(SeekFrom::Start(4))?;
    let mut text = String::new();
    page.read_to_string(&mut text)?;
    drop(page);
    let names: Vec<_> = fs::read_dir("/ledger")?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    let size = fs::metadata("/ledger/page")?.len();
    fs::remove_file("/ledger/page")?;
    fs::remove_dir("/ledger")?;
    Ok(format!("{names:?} {size} {text:?}"))
}

fn main() {
    let heaps = Mutex::new(HashMap::new());
    thread::scope(|smelters| {
        for n in 1..=4 {
            let heaps = &heaps;
            smelters.spawn(move || heaps.lock().unwrap().insert(n, smelt(n * 100)));
        }
    });
    let heaps = heaps.into_inner().unwrap();
    println!("{} heaps, {} kg of iron", heaps.len(), heaps.values().sum::<u32>());
    println!("arguments: {}, HOME: {:?}", env::args().len(), env::var("HOME").ok());
    match ledger() {
        Ok(text) => println!("ledger: {text}"),
        Err(e) => println!("ledger: {e} ({:?})", e.kind()),
    }
    io::stdout().flush().unwrap();
    process::exit(3);
}
