//! The text of the state document: two lines of JSON, `{"version":1,"checksum":"…"}` and the state itself.
//! The checksum is FNV-1a (64 bits) over the version and the exact bytes of the state: no single changed byte
//! can escape it, any other damage does so once in 2^64, and it takes six lines and no dependency. It is
//! there for torn writes and tired disks; nobody who may write the file needs to forge it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why a document is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is damaged, or no state of ours; the text says how that was seen.
    Damaged(String),
    /// It is whole, and of a version that this program does not know.
    Newer(u32),
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    checksum: String,
}

pub(super) fn compose<T: Serialize>(version: u32, state: &T) -> Result<Vec<u8>, String> {
    let unprintable = |error| format!("the state cannot be written as JSON: {error}");
    let mut payload = serde_json::to_vec(state).map_err(unprintable)?;
    payload.push(b'\n');
    let header = Header { version, checksum: checksum(version, &payload) };
    let mut document = serde_json::to_vec(&header).map_err(unprintable)?;
    document.push(b'\n');
    document.extend(payload);
    Ok(document)
}

pub(super) fn parse<T: DeserializeOwned>(version: u32, document: &[u8]) -> Result<T, Flaw> {
    let damaged = |reason: &str| Flaw::Damaged(reason.to_owned());
    let end = document.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("it has no header"))?;
    let (header, payload) = (&document[..end], &document[end + 1..]);
    let header: Header = serde_json::from_slice(header).map_err(|_| damaged("its header is damaged"))?;
    if header.checksum != checksum(header.version, payload) {
        return Err(damaged("its checksum is wrong"));
    }
    if header.version > version {
        return Err(Flaw::Newer(header.version));
    }
    serde_json::from_slice(payload).map_err(|error| Flaw::Damaged(format!("it is no state of ours: {error}")))
}

/// FNV-1a, with the constants of its authors (draft-eastlake-fnv).
fn checksum(version: u32, payload: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = version.to_le_bytes().iter().chain(payload).fold(0xcbf2_9ce4_8422_2325, step);
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_two_lines_that_any_json_reader_reads() {
        let document = String::from_utf8(compose(7, &["a"]).unwrap()).unwrap();
        assert_eq!(document, "{\"version\":7,\"checksum\":\"568cbff6a16906e3\"}\n[\"a\"]\n");
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        // FNV-1a of the bytes 7, 0, 0, 0, computed by another implementation.
        assert_eq!(checksum(7, b""), "6d3572669b2cde42");
    }

    proptest::proptest! {
        #[test]
        fn no_other_value_is_ever_read(state: [String; 4], at: usize, splice: Vec<u8>) {
            let good = compose(1, &state).unwrap();
            let at = at % good.len();
            let mut bad = good.clone();
            bad.splice(at..(at + splice.len()).min(good.len()), splice);
            proptest::prop_assert!(parse::<[String; 4]>(1, &good).is_ok_and(|read| read == state));
            proptest::prop_assert!(parse::<[String; 4]>(1, &bad).map_or(true, |read| read == state));
        }
    }
}
