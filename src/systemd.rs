//! systemd's service managers, asked over their bus: how a unit is, restart it, signal it, tell me when it changes.
//! Nearly always it is the user's own; the system's is asked by those actions that say so.
//!
//! Every call has a deadline, and a bus that is gone or silent is an `Err` with its reason, which a caller
//! reads as "unknown". Nothing here may decide what a fact means, nor start anything but systemd's own jobs.

mod order;
mod read;
mod watch;

pub use order::JobEnd;
pub use watch::BusEvent;

use crate::recovery::unit::UnitFacts;
use crate::values::UnitName;
use std::fmt;
use std::fs;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;
use zbus::export::futures_core::Stream;
use zbus::message::Message;
use zbus::wire::{DynamicDeserialize, DynamicType};
use zbus::{Connection, MessageStream, OwnedObjectPath};

/// How long systemd may take to answer. A healthy one needs a tenth of a millisecond; two seconds leave room
/// for a machine that is swapping.
pub const CALL_DEADLINE: Duration = Duration::from_secs(2);

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A handle on a bus with a service manager. It connects at the first call, and again after the bus died; clones
/// share the connection.
#[derive(Clone, Debug, Default)]
pub struct Bus {
    address: Address,
    link: Arc<Mutex<Option<Connection>>>,
    known: Arc<read::Known>,
}

/// Where a bus is.
#[derive(Clone, Debug, Default)]
enum Address {
    /// The user's own, found as every program finds it.
    #[default]
    User,
    /// The system's, found so too.
    System,
    /// At a D-Bus address.
    At(Arc<str>),
}

impl Bus {
    /// The bus of this user: `$DBUS_SESSION_BUS_ADDRESS`, or `$XDG_RUNTIME_DIR/bus`. Does not connect yet.
    pub fn user() -> Self {
        Self::default()
    }

    /// The bus at a D-Bus address, such as `unix:path=/run/user/1000/bus`. Does not connect yet.
    pub fn at(address: &str) -> Self {
        Self { address: Address::At(address.into()), ..Self::default() }
    }

    /// The bus of the system, with the manager that is PID 1. Everybody may ask there how a unit is; to change
    /// anything takes root, or a rule of polkit's. Does not connect yet.
    pub fn system() -> Self {
        Self { address: Address::System, ..Self::default() }
    }

    /// How `unit` is now. A unit that does not exist has facts too: `Load::NotFound`.
    ///
    /// # Errors
    /// Why systemd could not be asked, or a sentence about an answer that makes no sense.
    pub async fn facts(&self, unit: &UnitName) -> Result<UnitFacts, String> {
        self.asking(async |link| read::facts(link, &self.known, unit).await).await
    }

    /// Runs some calls over the shared connection, under one deadline. A connection that gave trouble is
    /// dropped, so that the next call makes a new one.
    async fn asking<T>(
        &self,
        work: impl AsyncFnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, String> {
        let answer = within(CALL_DEADLINE, async { work(&self.shared_link().await?).await }).await;
        if matches!(answer, Err(Trouble::Unreachable(_)))
            // A lock that is taken is held by somebody who is connecting anew already.
            && let Ok(mut link) = self.link.try_lock()
        {
            *link = None;
        }
        answer.map_err(|trouble| trouble.to_string())
    }

    async fn shared_link(&self) -> Result<Connection, Trouble> {
        let mut link = self.link.lock().await;
        if let Some(open) = link.as_ref().filter(|link| !link.is_closed()) {
            return Ok(open.clone());
        }
        let open = self.connect().await?;
        Ok(link.insert(open).clone())
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let builder = match &self.address {
            Address::User => zbus::connection::Builder::session(),
            Address::System => zbus::connection::Builder::system(),
            Address::At(address) => zbus::connection::Builder::address(&**address),
        };
        Ok(builder.build().await?)
    }
}

/// Whether the process `pid` belongs to `unit`, by the control group that systemd put it in; none when
/// there is no such process.
pub fn belongs(pid: u32, unit: &UnitName) -> Option<bool> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    Some(names_unit(&groups, unit))
}

/// The unit that the process `pid` belongs to, by the innermost part of its control group that is named like one;
/// none when it has ended, or is in no unit.
pub fn unit_of(pid: u32) -> Option<UnitName> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let is_unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
    let named = |path: &str| path.rsplit('/').find(is_unit).and_then(|part| UnitName::parse(part).ok());
    groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find_map(named)
}

/// Reads `/proc/PID/cgroup`: `0::/user.slice/…/app.slice/picoclaw-gateway.service`, and below it whatever the
/// unit made for itself. Compared as whole components, so that `a.service` is not found in `ba.service`.
fn names_unit(groups: &str, unit: &UnitName) -> bool {
    groups.lines().any(|line| {
        line.splitn(3, ':').nth(2).is_some_and(|path| path.split('/').any(|part| part == unit.as_str()))
    })
}

/// The object from which a unit's signals come: that of its own name, even when `unit` is an alias.
async fn unit_path(link: &Connection, unit: &UnitName) -> Result<OwnedObjectPath, Trouble> {
    body(&manager(link, "LoadUnit", &unit.as_str()).await?)
}

/// Asks the bus for the signals that `rule` describes. There is no undoing: the connection's end is.
async fn listen(link: &Connection, rule: &str) -> Result<(), Trouble> {
    let bus = "org.freedesktop.DBus";
    call(link, bus, "/org/freedesktop/DBus", bus, "AddMatch", &rule).await.map(drop)
}

async fn manager<B>(link: &Connection, method: &str, arguments: &B) -> Result<Message, Trouble>
where
    B: serde::Serialize + DynamicType,
{
    call(link, SYSTEMD, MANAGER_PATH, MANAGER, method, arguments).await
}

async fn call<B>(
    link: &Connection,
    to: &str,
    path: &str,
    interface: &str,
    method: &str,
    arguments: &B,
) -> Result<Message, Trouble>
where
    B: serde::Serialize + DynamicType,
{
    Ok(link.call_method(Some(to), path, Some(interface), method, arguments).await?)
}

/// The next message of a connection, or why there will be none.
async fn next(news: &mut MessageStream) -> Result<Message, Trouble> {
    let mut news = pin!(news);
    match poll_fn(|context| news.as_mut().poll_next(context)).await {
        Some(message) => Ok(message?),
        None => Err(Trouble::Unreachable("the bus closed the connection".to_owned())),
    }
}

fn body<T>(message: &Message) -> Result<T, Trouble>
where
    T: for<'d> DynamicDeserialize<'d>,
{
    message.body().deserialize().map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreadable(error: zbus::Error) -> Trouble {
    Trouble::Refused(format!("an answer of systemd cannot be read: {error}"))
}

async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = |_| Trouble::Unreachable(format!("systemd did not answer within {} ms", deadline.as_millis()));
    timeout(deadline, work).await.map_err(late)?
}

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    /// It was answered with an error.
    Refused(String),
    /// It was not answered.
    Unreachable(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) | Self::Unreachable(reason) => f.write_str(reason),
        }
    }
}

impl From<zbus::Error> for Trouble {
    fn from(error: zbus::Error) -> Self {
        use zbus::Error;
        if let Error::MethodError(name, text, _) = &error {
            return Self::Refused(text.clone().unwrap_or_else(|| name.to_string()));
        }
        if let Error::Connection(io, address) = &error {
            return Self::Unreachable(format!("no bus at {address}: {io}"));
        }
        if let Error::FDO(answer) = &error
            && is_answer(answer)
        {
            return Self::Refused(answer.to_string());
        }
        Self::Unreachable(format!("the bus: {error}"))
    }
}

/// Whether systemd itself said this; most other standard errors come from the bus, in place of an answer.
fn is_answer(error: &zbus::fdo::Error) -> bool {
    use zbus::fdo::Error::{
        AccessDenied, Failed, InteractiveAuthorizationRequired, InvalidArgs, UnknownObject, UnknownProperty,
    };
    matches!(
        error,
        AccessDenied(_)
            | Failed(_)
            | InteractiveAuthorizationRequired(_)
            | InvalidArgs(_)
            | UnknownObject(_)
            | UnknownProperty(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    fn unit(name: &str) -> UnitName {
        UnitName::parse(name).unwrap()
    }

    fn bus_in(dir: &tempfile::TempDir) -> (Bus, std::path::PathBuf) {
        let socket = dir.path().join("bus");
        (Bus::at(&format!("unix:path={}", socket.display())), socket)
    }

    fn unreachable(end: JobEnd) -> String {
        match end {
            JobEnd::Unreachable { reason } => reason,
            other
            @ (JobEnd::Done | JobEnd::Refused { .. } | JobEnd::Failed { .. } | JobEnd::StillRunning) => {
                panic!("{other:?}")
            }
        }
    }

    #[tokio::test]
    async fn without_a_bus_the_reason_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (bus, _) = bus_in(&dir);
        let reason = bus.facts(&unit("a.service")).await.unwrap_err();
        assert!(reason.contains("no bus at unix:path=") && reason.contains("No such file"), "{reason}");
        assert_eq!(unreachable(bus.restart(&unit("a.service"), CALL_DEADLINE).await), reason);
        assert!(Bus::at("nonsense").reset_failed(&unit("a.service")).await.is_err());
    }

    #[tokio::test]
    async fn a_bus_that_never_answers_costs_one_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let (bus, socket) = bus_in(&dir);
        let _silent = UnixListener::bind(socket).unwrap();
        let reason = "systemd did not answer within 100 ms";
        let end = bus.restart(&unit("a.service"), Duration::from_millis(100)).await;
        assert_eq!(unreachable(end), reason);
        let started = Instant::now();
        assert!(bus.facts(&unit("a.service")).await.unwrap_err().starts_with("systemd did not answer"));
        assert!(started.elapsed() < 2 * CALL_DEADLINE, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_bus_that_talks_garbage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (bus, socket) = bus_in(&dir);
        let listener = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            use std::io::Write;
            while let Ok((mut visitor, _)) = listener.accept() {
                drop(visitor.write_all(&[0xff; 4096]));
            }
        });
        assert!(bus.facts(&unit("a.service")).await.is_err());
        assert!(bus.facts(&unit("a.service")).await.is_err(), "and again, on a new connection");
    }

    #[tokio::test]
    async fn a_watch_tells_the_loss_once_and_ends_with_its_reader() {
        let dir = tempfile::tempdir().unwrap();
        let (bus, _) = bus_in(&dir);
        let (events, mut reader) = mpsc::channel(4);
        let watch = tokio::spawn(async move { bus.watch(&[unit("a.service")], &events).await });
        assert!(matches!(reader.recv().await, Some(BusEvent::Lost(_))));
        assert!(
            timeout(Duration::from_millis(1_300), reader.recv()).await.is_err(),
            "told again after a retry"
        );
        drop(reader);
        timeout(CALL_DEADLINE, watch).await.unwrap().unwrap();
    }

    #[test]
    fn a_process_belongs_by_whole_components() {
        let group =
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/picoclaw-gateway.service/inner\n";
        let named = |name: &str| names_unit(group, &unit(name));
        assert!(named("picoclaw-gateway.service") && named("user@1000.service"));
        assert!(!named("gateway.service") && !named("inner.service"));
        assert!(!names_unit("", &unit("a.service")) && !names_unit("garbage", &unit("a.service")));
        assert_eq!(belongs(u32::MAX, &unit("a.service")), None);
        assert_eq!(belongs(std::process::id(), &unit("no-such.service")), Some(false));
    }
}
