//! A TCP proxy that can stop forwarding, and says nothing of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A proxy in front of a server, for the life of the process.
pub(crate) struct Proxy {
    pub(crate) address: String,
    hung: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn start(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let hung = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&hung);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                for (from, to) in [(client, server), back] {
                    let gate = Arc::clone(&gate);
                    thread::spawn(move || pass(from, to, &gate));
                }
            }
        });
        Self { address, hung }
    }

    /// From now on bytes go nowhere; connections stay.
    pub(crate) fn hang(&self) {
        self.hung.store(true, Ordering::Relaxed);
    }

    /// They go on.
    pub(crate) fn go_on(&self) {
        self.hung.store(false, Ordering::Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, hung: &AtomicBool) {
    let mut piece = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        while hung.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    drop(to.shutdown(std::net::Shutdown::Both));
}
