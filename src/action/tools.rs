//! What actions work with, whatever their kind. Cheap to clone, for those that outlast the configuration.

use crate::probe::clients::Clients;
use crate::recovery::scan::ScanMark;
use crate::systemd::Bus;
use std::path::PathBuf;
use std::sync::Arc;

/// The connections and places that actions share.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The user's service manager.
    pub bus: Bus,
    /// The HTTP clients.
    pub clients: Arc<Clients>,
    /// Our own directory; what is kept for people before a repair goes there.
    pub state: PathBuf,
    /// How far logs were read and that was saved: what comes after it must not be put away, or nobody sees it.
    pub scan: Arc<ScanMark>,
}
