//! Sets modes and owners as they should be, or only looks whether they are. Nobody is ever given another's rights:
//! no setuid bit is set, nothing is done through a link, and what has a second name is left alone, for that name
//! may be somewhere else entirely.

use super::Hand;
use super::create_dirs::{DEFAULT_MODE, mode};
use super::job::{Job, List};
use crate::action::allow::{self, Allow};
use crate::beneath::{Entry, Facts, Kind, Visit, Walk, reason};
use crate::section::{Section, parse};
use nix::unistd::User;
use std::io;
use std::path::PathBuf;

/// Of a directory, these bits say how things in it come about, and are kept: setgid and sticky.
const KEPT_OF_DIRS: u32 = 0o3000;

/// How things should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// What, below the root.
    pub paths: Vec<PathBuf>,
    /// The mode of directories; none to leave it. Where it is only looked, none asks whether we have access.
    pub mode: Option<u32>,
    /// The mode of files; the same.
    pub file_mode: Option<u32>,
    /// Who should own all of it; none to leave that.
    pub owner: Option<String>,
    /// Whether all that is in a directory is meant, too.
    pub recursive: bool,
    /// Whether it is only looked.
    pub check_only: bool,
}

/// What should be done to one thing.
#[derive(Clone, Copy)]
struct Wrong {
    mode: Option<u32>,
    owner: Option<u32>,
}

impl Permissions {
    /// Reads what is its own of `do.permissions = { … }`.
    pub fn read(section: &mut Section<'_>, allow: &Allow) -> Option<Self> {
        if !section.has("paths") {
            section.error(&section.here(), "paths is missing", "write paths = [\"data\", …]");
        }
        let paths = section.list("paths", allow::below);
        let check_only = section.or("check_only", false, parse::flag);
        let permissions = Self {
            mode: section.opt("mode", mode).or((!check_only).then_some(DEFAULT_MODE)),
            file_mode: section.opt("file_mode", mode),
            owner: section.opt("owner", allow.owner()),
            recursive: section.or("recursive", true, parse::flag),
            check_only,
            paths: paths?,
        };
        Some(permissions)
    }

    pub(super) async fn perform(&self, job: &mut Job) -> Result<String, String> {
        let owner = self.owner.as_deref().map(uid).transpose()?;
        let mut wrong = List::default();
        let depth = if self.recursive { crate::beneath::DEPTH_MAX } else { 0 };
        for path in &self.paths {
            match Walk::to(&job.root, path, depth) {
                Ok(mut walk) => self.mend_all(job, &mut walk, owner, &mut wrong).await?,
                Err(error) => job.leave_for(path, &error),
            }
        }
        self.told(job, &wrong)
    }

    fn told(&self, job: &Job, wrong: &List) -> Result<String, String> {
        let found = format!("{} not as they should be: {wrong}", wrong.count());
        match (wrong.count(), self.check_only, job.left_some()) {
            (0, _, false) => Ok("found everything as it should be".to_owned()),
            (0, _, true) => Err(format!("not all could be looked at or mended{}", self.by_hand(job))),
            (1.., true, _) => Err(found),
            (1.., false, false) => Ok(format!("mended {found}")),
            (1.., false, true) => Err(format!("mended {found}, but not all{}", self.by_hand(job))),
        }
    }

    /// What others own, only they or root can change.
    fn by_hand(&self, job: &Job) -> String {
        if !job.was_denied() {
            return String::new();
        }
        let paths: Vec<String> =
            self.paths.iter().map(|path| job.at.join(path).display().to_string()).collect();
        let owner = self.owner.as_deref().unwrap_or("OWNER");
        format!(
            "; what is not ours, a person has to mend, as with: sudo chown -R {owner} {}",
            paths.join(" ")
        )
    }

    async fn mend_all(
        &self,
        job: &mut Job,
        walk: &mut Walk,
        owner: Option<u32>,
        wrong: &mut List,
    ) -> Result<(), String> {
        while let Some(visit) = walk.next(&mut job.pace).await? {
            match visit {
                Visit::Found(entry) => match self.mend(job, &entry, owner) {
                    Ok(true) => wrong.add(&entry.path),
                    Ok(false) => {}
                    Err(why) => job.leave(&entry.path, why),
                },
                Visit::Done(_) => {}
                Visit::Closed(path, error) => job.leave_for(&path, &error),
            }
        }
        Ok(())
    }

    /// Whether it was wrong. What is looked at and what is changed is the same thing, whatever becomes of its name.
    fn mend(&self, job: &Job, entry: &Entry, owner: Option<u32>) -> Result<bool, String> {
        let told = |error: io::Error| reason(&error);
        let handle = entry.dir.handle(&entry.name).map_err(told)?;
        let facts = handle.facts().map_err(told)?;
        if self.check_only && self.asks_access(facts.kind) {
            handle.access(facts.kind).map_err(told)?;
        }
        let Some(wrong) = self.wrong(&facts, owner)? else { return Ok(false) };
        if self.check_only || job.hand == Hand::Still {
            return Ok(true);
        }
        // In this order: once it is given away, its mode is no longer ours to set.
        wrong.mode.map_or(Ok(()), |mode| handle.set_mode(mode)).map_err(told)?;
        wrong.owner.map_or(Ok(()), |owner| handle.set_owner(owner)).map_err(told)?;
        Ok(true)
    }

    /// Whether nothing is said of how a thing of this kind should be, but that it can be used. A directory that is gone
    /// into proves that by itself.
    fn asks_access(&self, kind: Kind) -> bool {
        match kind {
            Kind::Dir => self.mode.is_none() && !self.recursive,
            Kind::File => self.file_mode.is_none(),
            Kind::Link | Kind::Other => false,
        }
    }

    fn wrong(&self, facts: &Facts, owner: Option<u32>) -> Result<Option<Wrong>, String> {
        let wanted = match facts.kind {
            Kind::Dir => self.mode.map(|mode| mode | facts.mode & KEPT_OF_DIRS),
            Kind::File => self.file_mode,
            Kind::Link | Kind::Other => return Ok(None),
        };
        let mode = wanted.filter(|mode| *mode != facts.mode);
        let owner = owner.filter(|owner| *owner != facts.uid);
        match mode.is_some() || owner.is_some() {
            true if facts.kind == Kind::File && facts.names > 1 => {
                Err("they have a second name, maybe elsewhere".to_owned())
            }
            true => Ok(Some(Wrong { mode, owner })),
            false => Ok(None),
        }
    }
}

/// The number of a user.
fn uid(name: &str) -> Result<u32, String> {
    match User::from_name(name) {
        Ok(Some(user)) if user.uid.is_root() => {
            Err(format!("{name} is root by another name, and owns no service's files"))
        }
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(format!("there is no user {name} on this machine")),
        Err(error) => Err(format!("the user {name} cannot be looked up: {error}")),
    }
}
