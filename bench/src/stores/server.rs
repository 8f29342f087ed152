//! An emulator of S3.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::job::BUCKET;

/// The time after which a server that does not answer is an error.
const PATIENCE: Duration = Duration::from_secs(120);

/// moto on the loopback device, with one bucket.
pub(super) struct Server {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts the server with an interpreter that has moto.
    pub(super) fn start(python: &Path) -> Result<Server> {
        // The port is free again when the listener is dropped.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Server { process, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.process.try_wait()?;
            ensure!(ended.is_none(), "moto ended: {ended:?}");
            ensure!(start.elapsed() < PATIENCE, "moto does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// Removes all objects.
    pub(super) fn clear(&self) -> Result<()> {
        self.request("POST", "moto-api/reset")?;
        self.request("PUT", BUCKET)
    }

    fn request(&self, method: &str, path: &str) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "{method} /{path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split_whitespace().nth(1).context("moto did not answer")?;
        ensure!(status == "200", "{method} {path}: moto answered {answer:?}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and has nothing to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
