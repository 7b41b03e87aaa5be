//! A mail server: it greets, makes the conversation private, lets in who knows the password, and takes messages.
//!
//! Every message that it takes is recorded as one line of JSON in `--record FILE`, before the client hears of it. The
//! control files `greet`, `auth`, `rcpt` and `data` hold the reply that is given instead of the usual one, such as
//! `550 no such user`; `no-starttls` offers none; `lost` takes a message and hangs up without saying so; `hang` says
//! nothing more after the greeting. `--implicit` speaks TLS from the first byte. The certificate is that of
//! tests/fixtures/tls, for localhost; the password of everybody is `hunter2`.

use crate::announce;
use crate::args::Args;
use crate::control::Control;
use anyhow::{Context, Result, anyhow};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const CERTIFICATE: &[u8] = include_bytes!("../fixtures/tls/lasting.der");
const KEY: &[u8] = include_bytes!("../fixtures/tls/leaf.key.der");
/// `AUTH PLAIN` of anybody with the right password ends so, before Base64.
const PASSWORD: &str = "hunter2";
const LINE_MAX: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(600);

trait Wire: Read + Write + Send {}
impl<W: Read + Write + Send> Wire for W {}

struct Smtp {
    control: Control,
    record: File,
    tls: Arc<ServerConfig>,
    implicit: bool,
}

/// One conversation.
struct Talk<'a> {
    server: &'a Smtp,
    socket: TcpStream,
    wire: Box<dyn Wire>,
    private: bool,
    user: bool,
    from: String,
    to: Vec<String>,
}

/// Starts the server.
pub(crate) fn start(mut args: Args) -> Result<()> {
    let port = args.parsed("--port", 2525)?;
    let control = Control::new(args.value("--control")?);
    let path = args.value("--record")?.context("--record FILE is missing")?;
    let implicit = args.flag("--implicit");
    args.done()?;
    let record = File::options().create(true).append(true).open(&path).context(path)?;
    let server = Arc::new(Smtp { control, record, tls: tls()?, implicit });
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    announce(&[listener.local_addr()?]);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let server = Arc::clone(&server);
            // A client that breaks off is its own affair.
            thread::spawn(move || drop(server.serve(socket)));
        }
    });
    Ok(())
}

fn tls() -> Result<Arc<ServerConfig>> {
    let key = PrivateKeyDer::try_from(KEY).map_err(|error| anyhow!(error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let certificates = vec![CertificateDer::from(CERTIFICATE)];
    Ok(Arc::new(config.with_no_client_auth().with_single_cert(certificates, key)?))
}

impl Smtp {
    fn serve(&self, socket: TcpStream) -> Result<()> {
        socket.set_read_timeout(Some(PATIENCE))?;
        let plain: Box<dyn Wire> = Box::new(socket.try_clone()?);
        let (from, to) = (String::new(), Vec::new());
        let mut talk = Talk { server: self, socket, wire: plain, private: false, user: false, from, to };
        if self.implicit {
            talk.go_private()?;
        }
        talk.say(&self.reply("greet", "220 stand-in ESMTP"))?;
        if self.control.has("hang") {
            io::copy(&mut talk.socket, &mut io::sink())?;
            return Ok(());
        }
        while talk.answer()? {}
        Ok(())
    }

    fn reply(&self, name: &str, usual: &str) -> String {
        self.control.text(name).filter(|text| !text.is_empty()).unwrap_or_else(|| usual.to_owned())
    }
}

impl Talk<'_> {
    fn go_private(&mut self) -> Result<()> {
        let connection = ServerConnection::new(Arc::clone(&self.server.tls))?;
        self.wire = Box::new(StreamOwned::new(connection, self.socket.try_clone()?));
        self.private = true;
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<()> {
        self.wire.write_all(format!("{text}\r\n").as_bytes())?;
        Ok(self.wire.flush()?)
    }

    /// One line, byte by byte, so that nothing of what follows STARTTLS is read too early.
    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") && line.len() < LINE_MAX {
            self.wire.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned())
    }

    /// Answers one command; false when that was the last.
    fn answer(&mut self) -> Result<bool> {
        let line = self.line()?;
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let server = self.server;
        match word.as_str() {
            "EHLO" | "HELO" => self.hello()?,
            "STARTTLS" => {
                self.say("220 go ahead")?;
                self.go_private()?;
            }
            "AUTH" => self.auth(&line)?,
            "MAIL" => {
                self.from = line;
                self.say("250 fine")?;
            }
            "RCPT" => {
                self.to.push(line);
                self.say(&server.reply("rcpt", "250 fine"))?;
            }
            "DATA" => return self.data(),
            "QUIT" => {
                self.say("221 bye")?;
                return Ok(false);
            }
            _ => self.say("502 what?")?,
        }
        Ok(true)
    }

    fn hello(&mut self) -> Result<()> {
        let offers = !self.private && !self.server.control.has("no-starttls");
        let starttls = if offers { "250-STARTTLS\r\n" } else { "" };
        // Passwords are wanted within TLS only, as by every server that cares.
        let auth = if self.private { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
        self.say(&format!("250-stand-in\r\n{starttls}{auth}250 PIPELINING"))
    }

    fn auth(&mut self, line: &str) -> Result<()> {
        // The end of "\0user\0hunter2" in Base64, for the three ways in which it can fall.
        let ends = [PASSWORD, "\0hunter2", "r\0hunter2"].map(base64);
        self.user = ends.iter().any(|end| line.trim_end_matches('=').ends_with(end.trim_end_matches('=')));
        let usual = if self.user { "235 welcome" } else { "535 wrong password" };
        self.say(&self.server.reply("auth", usual))
    }

    fn data(&mut self) -> Result<bool> {
        self.say("354 go ahead")?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line == "." {
                break;
            }
            lines.push(line.strip_prefix('.').map_or(line.clone(), str::to_owned));
        }
        let reply = self.server.reply("data", "250 queued as 1");
        if reply.starts_with('2') {
            self.write(&lines.join("\r\n"))?;
        }
        if self.server.control.has("lost") {
            return Ok(false);
        }
        self.say(&reply)?;
        Ok(true)
    }

    fn write(&mut self, data: &str) -> Result<()> {
        let (tls, user) = (self.private, self.user);
        let message: Value =
            json!({ "tls": tls, "user": user, "from": self.from, "to": self.to, "data": data });
        Ok((&self.server.record).write_all(format!("{message}\n").as_bytes())?)
    }
}

fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let block = |bytes: &[u8]| {
        let bits =
            bytes.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - bytes.len()));
        let sign = |shift: u32| char::from(ALPHABET[(bits >> shift & 63) as usize]);
        [18, 12, 6, 0].map(sign)[..=bytes.len()].iter().collect::<String>()
    };
    text.as_bytes().chunks(3).map(block).collect()
}
