//! Room for as many open files as the configuration may need. systemd gives a user's service 1,024 of them, and every
//! probe that is waiting for its answer holds one. Decides nothing else.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What everything but the probes holds at once: the log, the state, the bus, a bundle, a child and its pipes.
const OURS: usize = 256;

/// Asks for room for so many probes, each with a connection and what its name takes to resolve.
///
/// # Errors
/// That there is less, and what follows.
pub fn ask_for(probes: usize) -> Result<(), String> {
    let wanted = (OURS + 2 * probes) as u64;
    let told = |why: String| format!("{wanted} open files may be needed, and there may be fewer: {why}");
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| told(error.to_string()))?;
    if soft >= wanted {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).map_err(|error| told(error.to_string()))?;
    if hard < wanted {
        Err(told(format!("the limit is {hard}; raise LimitNOFILE= of the unit")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_never_lowered() {
        let (before, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(ask_for(0), Ok(()));
        assert!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 >= before);
        let more_than_there_are = usize::try_from(hard).unwrap_or(usize::MAX / 4) / 2 + 1;
        assert!(ask_for(more_than_there_are).unwrap_err().contains("LimitNOFILE"));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }
}
