//! Gathers what the configuration is made of. The only file of `config` that reads files and the
//! environment; it understands nothing of what it reads.

use crate::recovery::cadence::Cadence;
use crate::section::{Problem, Severity, parse};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The documented default file has 10 KiB; a hundred targets would not fill this.
const MAX_BYTES: u64 = 256 * 1024;

/// A file that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
    /// Its permission bits.
    pub mode: u32,
}

/// What the configuration is made of.
#[derive(Clone, Default)]
pub struct Sources {
    /// The TOML file; without one the built-in default counts.
    pub toml: Option<SourceFile>,
    /// The `error_patterns.json` that the TOML file names.
    pub patterns: Option<SourceFile>,
    /// The `.env` file.
    pub dotenv: Option<SourceFile>,
    /// The environment; it wins over the `.env` file.
    pub env: BTreeMap<String, String>,
    /// The person's home directory, which `~` stands for.
    pub home: PathBuf,
    /// The configuration that the command line names, if it does.
    pub flag: Option<PathBuf>,
    /// The pace that the command line asks for, whatever the file says.
    pub cadence: Option<Cadence>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

// By hand, because the files and the environment hold tokens.
impl std::fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SourceFile({}, {} bytes, mode {:o})", self.path.display(), self.text.len(), self.mode)
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { toml, patterns, dotenv, env, home, flag, cadence, problems } = self;
        let env: Vec<&String> = env.keys().collect();
        f.debug_struct("Sources")
            .field("toml", toml)
            .field("patterns", patterns)
            .field("dotenv", dotenv)
            .field("env", &env)
            .field("home", home)
            .field("flag", flag)
            .field("cadence", cadence)
            .field("problems", problems)
            .finish()
    }
}

impl Sources {
    /// Reads the environment, `.env` and the TOML file: the one named, which then has to exist, or else
    /// `watchdog.toml` if there is one. Both are looked for in the environment's `PICO_HOME`.
    pub fn gather(config_flag: Option<&Path>) -> Self {
        let env = std::env::vars_os().filter_map(|(name, value)| {
            // What is not UTF-8 is none of our variables.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let mut sources = Self { env: env.collect(), ..Self::default() };
        sources.home = sources.find_home();
        let pico_home = sources.pico_home();
        sources.toml = match config_flag {
            Some(path) => sources.read(path, Some("name a file that exists, or leave that option out")),
            None => sources.read(&pico_home.join("watchdog.toml"), None),
        };
        sources.dotenv = sources.read(&pico_home.join(".env"), None);
        let hint = Some("name a file that exists in [mirai] patterns_file");
        sources.patterns = super::compile::patterns_file(&sources).and_then(|path| sources.read(&path, hint));
        sources.flag = config_flag.map(|path| std::path::absolute(path).unwrap_or(path.to_owned()));
        sources
    }

    /// Patterns alone: an `error_patterns.json` as if a configuration named it and nothing else.
    pub fn of_patterns(path: &Path) -> Self {
        let mut sources = Self::gather(None);
        let path = std::path::absolute(path).unwrap_or(path.to_owned());
        sources.toml = Some(SourceFile { text: super::mirai::naming(&path), path, mode: 0o600 });
        let hint = Some("name a file that exists after --rules");
        sources.patterns = super::compile::patterns_file(&sources).and_then(|path| sources.read(&path, hint));
        sources
    }

    fn find_home(&mut self) -> PathBuf {
        if let Some(home) = self.env.get("HOME").filter(|home| home.starts_with('/')) {
            return PathBuf::from(home);
        }
        if let Ok(Some(user)) = nix::unistd::User::from_uid(nix::unistd::getuid()) {
            return user.dir;
        }
        let hint = "set HOME to the home directory";
        self.problems.push(Problem::new(
            Severity::Error,
            "environment",
            "HOME is not an absolute path",
            hint,
        ));
        PathBuf::from("/")
    }

    /// What is no path falls back to the default here, and is reported when `paths.home` is read.
    fn pico_home(&self) -> PathBuf {
        let given = self.env.get("PICO_HOME").and_then(|text| parse::path(&self.home)(text).ok());
        given.unwrap_or_else(|| self.home.join(".picoclaw"))
    }

    /// Reads a file; with a hint it has to exist.
    fn read(&mut self, path: &Path, required: Option<&str>) -> Option<SourceFile> {
        match (read(path), required) {
            (Ok(None), Some(hint)) => {
                self.problems.push(Problem::new(
                    Severity::Error,
                    path.display().to_string(),
                    "no such file",
                    hint,
                ));
                None
            }
            (Ok(file), _) => file,
            (Err((what, hint)), _) => {
                self.problems.push(Problem::new(Severity::Error, path.display().to_string(), what, hint));
                None
            }
        }
    }
}

/// Reads a file; none when there is none, else an error and what to do about it.
fn read(path: &Path) -> Result<Option<SourceFile>, (String, &'static str)> {
    let failed =
        |error: std::io::Error| (format!("cannot be read: {error}"), "mend its owner or permissions");
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Opening a pipe would wait for a writer, maybe for ever.
    if !metadata.is_file() {
        return Err(("not a regular file".to_owned(), "name a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err((format!("longer than {MAX_BYTES} bytes"), "name the right file"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        (format!("line {} is not UTF-8", line + 1), "save the file as UTF-8")
    })?;
    Ok(Some(SourceFile { path: path.to_owned(), text, mode: metadata.permissions().mode() & 0o777 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_or_explained() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        assert_eq!(read(&path).unwrap(), None, "no file is no error");
        fs::write(&path, "a = 1").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let file = read(&path).unwrap().unwrap();
        assert_eq!((file.text.as_str(), file.mode), ("a = 1", 0o640));

        fs::write(&path, vec![b'a'; 256 * 1024 + 1]).unwrap();
        assert!(read(&path).unwrap_err().0.contains("longer than"));
        fs::write(&path, b"a\nb\n\xff").unwrap();
        assert_eq!(read(&path).unwrap_err().0, "line 3 is not UTF-8");
        assert_eq!(read(folder.path()).unwrap_err().0, "not a regular file");
    }

    #[test]
    fn a_pipe_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&pipe).unwrap_err().0, "not a regular file");
    }

    #[test]
    fn only_a_file_that_was_asked_for_has_to_exist() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Sources { home: folder.path().to_owned(), ..Sources::default() };
        assert_eq!(sources.read(&folder.path().join("a"), None), None);
        assert!(sources.problems.is_empty());
        assert_eq!(sources.read(&folder.path().join("a"), Some("make one")), None);
        assert!(sources.problems[0].to_string().ends_with("/a: error: no such file; make one"));
    }

    #[test]
    fn the_gateway_lives_where_its_variable_says() {
        let home = |value: Option<&str>| {
            let env = value.map(|value| ("PICO_HOME".to_owned(), value.to_owned())).into_iter().collect();
            Sources { home: PathBuf::from("/home/x"), env, ..Sources::default() }.pico_home()
        };
        assert_eq!(home(None), Path::new("/home/x/.picoclaw"));
        assert_eq!(home(Some("")), Path::new("/home/x/.picoclaw"));
        assert_eq!(home(Some("p")), Path::new("/home/x/.picoclaw"));
        assert_eq!(home(Some("~/p")), Path::new("/home/x/p"));
        assert_eq!(home(Some("/srv/p")), Path::new("/srv/p"));
    }

    #[test]
    fn sources_do_not_print_what_they_hold() {
        let file = SourceFile { path: "/x".into(), text: "TOKEN=hunter2".to_owned(), mode: 0o600 };
        let env = [("TOKEN".to_owned(), "hunter2".to_owned())].into();
        let sources = Sources { dotenv: Some(file), env, ..Sources::default() };
        assert!(!format!("{sources:?}").contains("hunter2"));
    }
}
