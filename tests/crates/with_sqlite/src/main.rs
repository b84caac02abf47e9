//! All of SQLite, in C, inside.
fn main() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2), (39)").unwrap();
    let sum: i64 = db.query_row("SELECT sum(n) FROM t", [], |r| r.get(0)).unwrap();
    println!("SQLite {} says {sum}", rusqlite::version());
}
