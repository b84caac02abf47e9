//! Looks around and tells: one warning of cargo's a fact, `PROBE name=value`.
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::{env, fs, time::Duration};

fn tell(name: &str, value: impl std::fmt::Display) {
    println!("cargo:warning=PROBE {name}={value}");
}

fn main() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for key in ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"] {
        let line = status.lines().find(|l| l.starts_with(&format!("{key}:"))).unwrap_or("none");
        tell(key, line.split_whitespace().skip(1).collect::<Vec<_>>().join(" "));
    }
    let mut names: Vec<String> = env::vars().map(|(k, _)| k).collect();
    names.sort();
    tell("env", names.join(" "));
    tell("GREETING", env::var("GREETING").unwrap_or_default());
    let devices = fs::read_to_string("/proc/net/dev").unwrap();
    let devices: Vec<&str> = devices.lines().skip(2).filter_map(|l| l.split(':').next()).map(str::trim).collect();
    tell("interfaces", devices.join(" "));
    tell("dns", "static.crates.io:443".to_socket_addrs().is_ok());
    let second = Duration::from_secs(1);
    for to in ["1.1.1.1:443", "172.17.0.1:22", "169.254.169.254:80"] {
        tell(&format!("tcp {to}"), TcpStream::connect_timeout(&to.parse().unwrap(), second).is_ok());
    }
    tell("udp", UdpSocket::bind("0.0.0.0:0").and_then(|s| s.send_to(b"x", "1.1.1.1:53")).is_ok());
    for path in ["/var/run/docker.sock", "/run/docker.sock"] {
        tell(path, fs::symlink_metadata(path).is_ok());
    }
    for dir in ["/", "/usr", "/opt/bloomery", "/bloomery", "/bloomery/profile", "/bloomery/steps", "/etc", "/root"] {
        tell(&format!("write {dir}"), fs::write(format!("{dir}/probe"), "x").is_ok());
    }
    let others = fs::read_dir("/proc").unwrap().flatten().filter(|e| {
        let pid = e.file_name();
        let pid = pid.to_string_lossy();
        pid.chars().all(|c| c.is_ascii_digit()) && fs::read_link(format!("/proc/{pid}/exe")).is_err()
    });
    tell("foreign processes", others.count());
    tell("kill 1", kill(1));
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let points: Vec<&str> = mounts.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    tell("mounts", points.join(" "));
    let keys = fs::read_dir("/work/cargo").map(|d| d.flatten().count()).unwrap_or(0);
    tell("cargo home", keys);
}

/// Could we signal this process? (A shell's own `kill -0` asks without doing.)
fn kill(pid: u32) -> bool {
    let ask = std::process::Command::new("sh").args(["-c", &format!("kill -0 {pid}")]).stderr(std::process::Stdio::null()).status();
    ask.map(|s| s.success()).unwrap_or(false)
}
