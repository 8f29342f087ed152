//! A connection to a server that is far away.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The number of reads of one connection that are on their way.
const IN_FLIGHT: usize = 1024;

/// Returns an address whose connections lead to a server, where each byte takes half of the latency
/// in either direction. Its threads end with the process.
pub(super) fn delayed(server: SocketAddr, latency: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A connection that fails here fails for the client.
            let Ok(server) = TcpStream::connect(server) else { continue };
            let _ = connect(&client, &server, latency / 2);
        }
    });
    Ok(address)
}

fn connect(client: &TcpStream, server: &TcpStream, delay: Duration) -> Result<()> {
    for stream in [client, server] {
        stream.set_nodelay(true)?;
    }
    carry(client.try_clone()?, server.try_clone()?, delay);
    carry(server.try_clone()?, client.try_clone()?, delay);
    Ok(())
}

/// Carries bytes in one direction, each after a delay.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (arrival, bytes) in receiver {
            thread::sleep(arrival.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        // The other side may have closed the connection.
        let _ = to.shutdown(Shutdown::Write);
    });
}
