//! A large log as services write it, the same bytes on each run, for measuring how quickly logs are scanned.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Marsaglia's xorshift: quick, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const PATHS: &[&str] = &[
    "/",
    "/api/v1/knowledge",
    "/api/v1/search",
    "/static/js/app.3f2a91.js",
    "/health",
    "/login",
    "/images/logo.png",
];
const AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "curl/7.88.1",
    "kube-probe/1.31",
    "python-requests/2.32.3",
];
const STATUSES: &[&str] = &["200", "200", "200", "200", "200", "304", "302", "404", "500"];
/// Lines that resemble what is looked for, and are well.
const NEAR_MISSES: &[&str] = &[
    "listening on port 18790",
    "report written to data/reports/daily.json",
    "imported 20 records in 0.35 s",
    "redis pool: 4 of 16 in use",
    "disk usage 41 %",
    "SSL handshake completed with 192.0.2.7",
    "connection to the database is open",
    "no errors in the last hour",
    "4 workers, 512 MB each",
];
const SENTENCES: &[&str] = &[
    "ナレッジを検索しました: 検索語=障害対応 件数=12",
    "バックアップを開始します",
    "利用者がログインしました: 部署=保全課",
];
/// The last lines of tracebacks.
const FAULTS: &[&str] = &[
    "ValueError: cannot read data/settings.json",
    "KeyError: 'user_id'",
    "FileNotFoundError: [Errno 2] No such file or directory: 'data/index.json'",
    "PermissionError: [Errno 13] Permission denied: 'logs/app.log'",
    "MemoryError",
    "OSError: [Errno 28] No space left on device",
    "OSError: [Errno 98] Address already in use",
    "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
    "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
    "psycopg2.OperationalError: could not connect to server: Connection refused",
    "ssl.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006)",
    "TimeoutError: timed out",
];

/// Writes whole lines until the file has so many bytes.
///
/// # Errors
/// What the file system says.
pub(crate) fn write(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut dice, mut written, mut record) = (Dice(0x9E37_79B9_7F4A_7C15), 0, Vec::new());
    while written < bytes {
        record.clear();
        write_record(&mut dice, &mut record)?;
        file.write_all(&record)?;
        written += record.len() as u64;
    }
    file.flush()
}

/// Two thirds are access lines of a web server; one record in a hundred is a traceback.
fn write_record(dice: &mut Dice, to: &mut Vec<u8>) -> io::Result<()> {
    let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match dice.below(100) {
        0..67 => access_line(dice, &time, to),
        67..75 => request_line(dice, &time, to),
        75..89 => writeln!(
            to,
            "2026-11-22 {time},{:03} - app.worker - INFO - {}",
            dice.below(1000),
            dice.pick(NEAR_MISSES)
        ),
        89..94 => writeln!(
            to,
            r#"{{"timestamp":"2026-11-22T{time}Z","level":"info","path":"{}","status":{},"duration_ms":{}}}"#,
            dice.pick(PATHS),
            dice.pick(STATUSES),
            dice.below(5000)
        ),
        94..99 => writeln!(to, "2026-11-22 {time} [INFO] {}", dice.pick(SENTENCES)),
        _ => traceback(dice, &time, to),
    }
}

fn access_line(dice: &mut Dice, time: &str, to: &mut Vec<u8>) -> io::Result<()> {
    let (net, host, size, page) = (dice.below(256), dice.below(256), dice.below(50_000), dice.below(500));
    let (path, status, agent) = (dice.pick(PATHS), dice.pick(STATUSES), dice.pick(AGENTS));
    writeln!(
        to,
        r#"192.168.{net}.{host} - - [22/Nov/2026:{time} +0900] "GET {path}?page={page} HTTP/1.1" {status} {size} "-" "{agent}""#
    )
}

/// As httpx writes it: only here does the status follow the version.
fn request_line(dice: &mut Dice, time: &str, to: &mut Vec<u8>) -> io::Result<()> {
    let status = match dice.below(1000) {
        0..10 => "404 Not Found",
        10..14 => "503 Service Unavailable",
        _ => "200 OK",
    };
    writeln!(
        to,
        r#"2026-11-22 {time},{:03} - httpx - INFO - HTTP Request: POST http://localhost:11434/api/chat "HTTP/1.1 {status}""#,
        dice.below(1000)
    )
}

fn traceback(dice: &mut Dice, time: &str, to: &mut Vec<u8>) -> io::Result<()> {
    writeln!(to, "2026-11-22 {time} [ERROR] request failed\nTraceback (most recent call last):")?;
    for _ in 0..3 + dice.below(4) {
        writeln!(to, "  File \"/opt/app/backend/service.py\", line {}, in load", dice.below(900))?;
        writeln!(to, "    return self.handler(request)")?;
    }
    writeln!(to, "{}", dice.pick(FAULTS))
}
