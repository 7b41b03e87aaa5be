//! Reference points: what fails only when we ourselves are cut off. They are asked while something external
//! fails, to tell a service that is down from a line that is. Nothing is ever sent that could matter to
//! whoever answers.

use crate::recovery::evidence::{Reading, ReferenceReport};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A line that needs longer is no use to anyone.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Routers answer, or refuse, here; either proves that they are there.
const ROUTER_PORT: u16 = 53;
/// An answer to our question is some 40 bytes; what is cut off is not looked at.
const ANSWER_BYTES: usize = 512;

/// A reference point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The default gateway of this machine.
    Gateway,
    /// The first name server of `/etc/resolv.conf`.
    Dns,
    /// A TCP port at an address; refusing counts as an answer.
    Address(SocketAddr),
}

impl Reference {
    /// Reads `gateway`, `dns`, or an address with its port.
    ///
    /// # Errors
    /// A sentence saying what is accepted. Host names are not: to resolve them would need the line in question.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "gateway" => Ok(Self::Gateway),
            "dns" => Ok(Self::Dns),
            _ => text.parse().map(Self::Address).map_err(|_| {
                format!("{text:?} is no reference point; write \"gateway\", \"dns\" or an address like \"1.1.1.1:443\"")
            }),
        }
    }

    async fn ask(&self) -> Reading {
        let asked = async {
            match self {
                Self::Gateway => gateway().await,
                Self::Dns => dns().await,
                Self::Address(address) => reachable(*address).await,
            }
        };
        match timeout(TIMEOUT, asked).await {
            Ok(reading) => reading,
            Err(_) => self.silent(),
        }
    }

    /// A router may drop what we send and still be there: then the neighbour table knows it.
    fn silent(&self) -> Reading {
        let fail = || Reading::Fail(format!("no answer within {} s", TIMEOUT.as_secs()));
        let Self::Gateway = self else { return fail() };
        let known = default_gateway().ok().flatten().zip(std::fs::read_to_string("/proc/net/arp").ok());
        match known {
            Some((gateway, table)) if is_neighbour(&table, gateway) => {
                Reading::Pass(format!("{gateway} is there"))
            }
            Some(_) | None => fail(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Dns => f.write_str("dns"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// Asks all, side by side; it takes two seconds at most.
pub async fn ask_all(references: &[Reference]) -> Vec<ReferenceReport> {
    let mut asked = JoinSet::new();
    for (index, reference) in references.iter().cloned().enumerate() {
        asked.spawn(async move {
            (index, ReferenceReport { name: reference.to_string(), reading: reference.ask().await })
        });
    }
    let mut reports = asked.join_all().await;
    reports.sort_unstable_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

async fn gateway() -> Reading {
    match default_gateway() {
        Err(error) => Reading::Unknown(format!("the routes cannot be read: {error}")),
        Ok(None) => Reading::Fail("there is no default route".to_owned()),
        Ok(Some(address)) => reachable(SocketAddr::new(IpAddr::V4(address), ROUTER_PORT)).await,
    }
}

async fn reachable(address: SocketAddr) -> Reading {
    match TcpStream::connect(address).await {
        Ok(_) => Reading::Pass(format!("{address} answers")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            Reading::Pass(format!("{address} refuses"))
        }
        Err(error) => own_trouble(&error).unwrap_or_else(|| Reading::Fail(error.to_string())),
    }
}

/// Too many open files, or a sandbox: this says nothing about the line.
fn own_trouble(error: &io::Error) -> Option<Reading> {
    use nix::errno::Errno;
    let ours = [Errno::EMFILE, Errno::ENFILE, Errno::EACCES, Errno::EPERM, Errno::ENOMEM];
    let code = error.raw_os_error().map(Errno::from_raw)?;
    ours.contains(&code).then(|| Reading::Unknown(error.to_string()))
}

/// The IPv4 default gateway, as the kernel routes.
fn default_gateway() -> io::Result<Option<Ipv4Addr>> {
    Ok(gateway_of(&std::fs::read_to_string("/proc/net/route")?))
}

/// Interface, destination, gateway, flags… in hexadecimal, addresses in the machine's byte order.
fn gateway_of(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let address = u32::from_str_radix(gateway, 16).ok().filter(|gateway| *gateway != 0)?;
        (destination == "00000000").then(|| Ipv4Addr::from(address.to_ne_bytes()))
    })
}

/// Whether the table of neighbours has a complete entry (flag 2) for an address.
fn is_neighbour(table: &str, address: Ipv4Addr) -> bool {
    let wanted = address.to_string();
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        fields.first() == Some(&wanted.as_str())
            && fields
                .get(2)
                .and_then(|flags| u8::from_str_radix(flags.trim_start_matches("0x"), 16).ok())
                .is_some_and(|flags| flags & 2 != 0)
    })
}

async fn dns() -> Reading {
    let resolv = match std::fs::read_to_string("/etc/resolv.conf") {
        Ok(text) => text,
        Err(error) => return Reading::Unknown(format!("/etc/resolv.conf: {error}")),
    };
    match name_server(&resolv) {
        None => Reading::Unknown("/etc/resolv.conf names no server".to_owned()),
        Some(server) => resolves(SocketAddr::new(server, 53)).await,
    }
}

fn name_server(resolv: &str) -> Option<IpAddr> {
    let servers = resolv.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers.filter_map(|rest| rest.trim().parse().ok()).next()
}

/// A name that does not exist below `arpa` can be answered only by who reaches the root, or has asked it
/// before; it is different each time, so that no cache answers for a line that is down.
async fn resolves(server: SocketAddr) -> Reading {
    let id = fresh_number();
    match exchange(server, &question(id)).await {
        Ok(answer) => judge(server, id, &answer),
        Err(error) => own_trouble(&error).unwrap_or_else(|| Reading::Fail(format!("{server}: {error}"))),
    }
}

async fn exchange(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let local: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        ("::".parse::<IpAddr>().map_err(io::Error::other)?, 0).into()
    };
    let socket = UdpSocket::bind(local).await?;
    // Connected, so that a refusal is heard and strangers are not.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; ANSWER_BYTES];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

fn fresh_number() -> u16 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u16
}

/// A question for the address of `wXXXX.arpa`, see RFC 1035, section 4.
fn question(id: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    // Recursion desired; one question, no records.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    bytes.push(5);
    bytes.extend(format!("w{id:04x}").bytes());
    bytes.push(4);
    bytes.extend(b"arpa");
    // The root, type A, class IN.
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// "No such name" and "no data" come from somebody who knows; a failure of the server means that it reached nobody.
fn judge(server: SocketAddr, id: u16, answer: &[u8]) -> Reading {
    let Some((header, _)) = answer.split_first_chunk::<12>() else {
        return Reading::Unknown(format!("{server}: an answer of {} bytes", answer.len()));
    };
    if header[..2] != id.to_be_bytes() {
        return Reading::Unknown(format!("{server}: the answer to another question"));
    }
    match header[3] & 0x0f {
        0 | 3 => Reading::Pass(format!("{server} resolves")),
        code => Reading::Fail(format!("{server} resolves nothing (code {code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_is_read_as_the_kernel_writes_it() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";
        let address = u32::from_ne_bytes([192, 168, 7, 1]);
        let rows =
            format!("{head}eth0\t0007A8C0\t00000000\t0001\t0\neth0\t00000000\t{address:08X}\t0003\t0\n");
        assert_eq!(gateway_of(&rows), Some(Ipv4Addr::new(192, 168, 7, 1)));
        assert_eq!(gateway_of(head), None);
        assert_eq!(gateway_of("garbage\nx\ny z q\n"), None);
    }

    #[test]
    fn a_neighbour_counts_only_when_its_entry_is_complete() {
        let table = "IP address HW type Flags HW address Mask Device\n\
                     10.0.0.1 0x1 0x2 aa:bb * eth0\n10.0.0.2 0x1 0x0 00:00 * eth0\n";
        assert!(is_neighbour(table, Ipv4Addr::new(10, 0, 0, 1)));
        assert!(!is_neighbour(table, Ipv4Addr::new(10, 0, 0, 2)));
        assert!(!is_neighbour(table, Ipv4Addr::new(10, 0, 0, 3)));
    }

    #[test]
    fn the_first_name_server_counts() {
        assert_eq!(
            name_server("search a\n# nameserver 9.9.9.9\nnameserver 10.0.0.1\nnameserver 8.8.8.8\n"),
            "10.0.0.1".parse().ok()
        );
        assert_eq!(name_server("options edns0\n"), None);
    }

    #[test]
    fn only_what_is_known_is_a_reference() {
        assert_eq!(Reference::parse("gateway"), Ok(Reference::Gateway));
        assert!(matches!(Reference::parse("[2606:4700::1]:443"), Ok(Reference::Address(_))));
        assert!(Reference::parse("example.org:443").unwrap_err().contains("1.1.1.1:443"));
    }

    /// A name server that answers every question with a code, or not at all.
    async fn server(code: Option<u8>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut bytes = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                if let Some(code) = code {
                    bytes[2] = 0x81;
                    bytes[3] = 0x80 | code;
                    let _ = socket.send_to(&bytes[..length], from).await;
                }
            }
        });
        address
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_name_server_that_reaches_nobody_is_a_failure() {
        assert!(matches!(resolves(server(Some(0)).await).await, Reading::Pass(_)));
        assert!(matches!(resolves(server(Some(3)).await).await, Reading::Pass(_)));
        assert!(matches!(resolves(server(Some(2)).await).await, Reading::Fail(_)));
        let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(resolves(closed).await, Reading::Fail(_)), "refused");
        assert!(matches!(judge(closed, 1, &[0; 12]), Reading::Unknown(_)), "another question");
        assert!(matches!(judge(closed, 1, &[0; 5]), Reading::Unknown(_)), "cut short");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_refusal_proves_that_somebody_is_there_and_silence_does_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = Reference::Address(listener.local_addr().unwrap());
        assert!(matches!(open.ask().await, Reading::Pass(_)));
        drop(listener);
        assert!(matches!(open.ask().await, Reading::Pass(_)));
        assert!(matches!(open.silent(), Reading::Fail(_)));
        let reports = ask_all(&[open, Reference::Gateway]).await;
        assert_eq!(reports.len(), 2);
        assert_eq!(reports[1].name, "gateway");
    }
}
