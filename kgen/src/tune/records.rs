//! Records of tuning: what each candidate took, in one SQLite file that many processes may write at once.
//!
//! A record is known by the op, its target and schedule and the compiler (one hash), the bucket of the sizes, and the
//! device. A process that is killed leaves every record that it had told; the file is in WAL mode. As text a record is
//! a line:
//!
//! ```text
//! {"key":"5c0f..","bucket":"b=1 m=1 n=8192","device":".. x4","op":"77ae..","name":"flash_decode",
//!  "target":"x86-64-v4/native","kgen":"0.1.0","dims":"b=1 m=1 n=8000","schedule":"keys = 32, ..","seconds":0.0021,
//!  "beside":0.0025,"ratio":0.84,"low":0.83,"high":0.86,"rounds":15,"verified":true}
//! ```

use crate::{Error, Schedule};
use kgen_ir::extent::Dims;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// One candidate, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Hash of op, target, schedule and compiler.
    pub key: String,
    pub bucket: String,
    /// The model of the CPU, and how many of its threads worked.
    pub device: String,
    /// Hash of the op.
    pub op: String,
    pub name: String,
    pub target: String,
    /// Version of the compiler.
    pub kgen: String,
    pub dims: String,
    /// The schedule's text in one line.
    pub schedule: String,
    /// Median seconds of a run, and of the default beside it.
    pub seconds: f64,
    pub beside: f64,
    /// Median of the rounds' ratios to the default, and an interval that holds the true one in 95 of 100 cases.
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
    pub rounds: u32,
    /// What came of the cases that a finalist must pass; `None`: not asked.
    pub verified: Option<bool>,
}

/// A schedule in one line, and back.
pub fn line_of(schedule: &Schedule) -> String {
    schedule.print().trim_end().replace('\n', ", ")
}

pub fn schedule_of(line: &str, base: &Schedule) -> Option<Schedule> {
    Schedule::parse("record", &line.replace(", ", "\n"), base).ok()
}

/// The sizes, each as the power of two that it does not pass: what was measured for one serves its neighbours.
pub fn bucket(dims: &Dims) -> String {
    let up = |x: i64| x.max(0).unsigned_abs().checked_next_power_of_two().filter(|_| x > 0);
    let up = |x: i64| up(x).unwrap_or(0);
    let scalars = dims.scalars.iter().map(|(name, x)| format!("{name}={}", up(*x)));
    let lists = dims.ragged.iter().map(|(name, list)| {
        let longest = list.iter().copied().max().unwrap_or(0);
        format!("{name}=[{} x {}]", up(list.len() as i64), up(longest))
    });
    scalars.chain(lists).collect::<Vec<_>>().join(" ")
}

/// The file of records.
pub struct Store {
    connection: Connection,
    name: String,
}

/// How long a process waits for others that write.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kept in the file's `user_version`.
const VERSION: i64 = 1;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS candidate (
    key TEXT NOT NULL, bucket TEXT NOT NULL, device TEXT NOT NULL, op TEXT NOT NULL, name TEXT NOT NULL,
    target TEXT NOT NULL, kgen TEXT NOT NULL, dims TEXT NOT NULL, schedule TEXT NOT NULL, seconds REAL NOT NULL,
    beside REAL NOT NULL, ratio REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL, rounds INTEGER NOT NULL,
    verified INTEGER, PRIMARY KEY (key, bucket, device)) STRICT";

const COLUMNS: &str = "key, bucket, device, op, name, target, kgen, dims, schedule, seconds, beside, ratio, low, \
    high, rounds, verified";

const INSERT: &str = "INSERT INTO candidate VALUES (:key, :bucket, :device, :op, :name, :target, :kgen, :dims, \
    :schedule, :seconds, :beside, :ratio, :low, :high, :rounds, :verified) ON CONFLICT DO UPDATE SET \
    op = excluded.op, name = excluded.name, target = excluded.target, kgen = excluded.kgen, dims = excluded.dims, \
    schedule = excluded.schedule, seconds = excluded.seconds, beside = excluded.beside, ratio = excluded.ratio, \
    low = excluded.low, high = excluded.high, rounds = excluded.rounds, \
    verified = coalesce(excluded.verified, verified)";

/// Of two records of one candidate that of more rounds stays; of as many, the faster: in any order of merging the same.
const BETTER: &str =
    " WHERE (excluded.rounds, -excluded.ratio, -excluded.seconds) > (rounds, -ratio, -seconds)";

impl Store {
    /// The file, made where there is none.
    pub fn open(path: &Path) -> Result<Store, Error> {
        let name = path.display().to_string();
        let connection = Connection::open(path).map_err(|e| refused(&name, e))?;
        let begun = Instant::now();
        loop {
            match set_up(&connection) {
                Ok(version) if version > VERSION => {
                    return Err(Error::Input(format!(
                        "{name} was written by a newer kgen (format {version}, this one knows {VERSION}): take \
                         another file"
                    )));
                }
                Ok(_) => return Ok(Store { connection, name }),
                // SQLite does not wait for the lock that a change of the journal's mode needs: several processes that
                // find no file yet meet here.
                Err(e) if is_busy(&e) && begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(e) => return Err(refused(&name, e)),
            }
        }
    }

    /// A file that must be there.
    pub fn existing(path: &Path) -> Result<Store, Error> {
        match std::fs::metadata(path) {
            Ok(_) => Store::open(path),
            Err(source) => Err(Error::File { path: path.display().to_string(), source }),
        }
    }

    /// Keeps a record, in place of an older one of the same candidate.
    pub fn put(&self, record: &Record) -> Result<(), Error> {
        self.insert(INSERT, record).map(|_| ())
    }

    /// Takes records over: whether each was new or better than what is known is counted.
    pub fn merge(&mut self, records: &[Record]) -> Result<usize, Error> {
        let name = self.name.clone();
        let wrong = |e: rusqlite::Error| refused(&name, e);
        self.connection.execute("BEGIN IMMEDIATE", []).map_err(wrong)?;
        let insert = format!("{INSERT}{BETTER}");
        let taken = records.iter().map(|r| self.insert(&insert, r)).sum::<Result<usize, Error>>();
        let end = if taken.is_ok() { "COMMIT" } else { "ROLLBACK" };
        self.connection.execute(end, []).map_err(wrong)?;
        taken
    }

    fn insert(&self, text: &str, r: &Record) -> Result<usize, Error> {
        let mut insert =
            self.connection.prepare_cached(text).map_err(|e| refused(&self.name, e))?;
        let done = insert.execute(named_params! {
            ":key": r.key, ":bucket": r.bucket, ":device": r.device, ":op": r.op, ":name": r.name,
            ":target": r.target, ":kgen": r.kgen, ":dims": r.dims, ":schedule": r.schedule,
            ":seconds": r.seconds, ":beside": r.beside, ":ratio": r.ratio, ":low": r.low, ":high": r.high,
            ":rounds": r.rounds, ":verified": r.verified,
        });
        done.map_err(|e| refused(&self.name, e))
    }

    /// All records, in an order that depends on nothing but them.
    pub fn all(&self) -> Result<Vec<Record>, Error> {
        self.select("ORDER BY name, op, target, device, bucket, kgen, ratio, key", &[])
    }

    /// Those of an op on a target and device, of any sizes and compiler.
    pub fn of(&self, op: &str, target: &str, device: &str) -> Result<Vec<Record>, Error> {
        let rest = "WHERE op = ?1 AND target = ?2 AND device = ?3 ORDER BY ratio, key";
        self.select(rest, &[&op, &target, &device])
    }

    /// What is known of one candidate.
    pub fn get(&self, key: &str, bucket: &str, device: &str) -> Result<Option<Record>, Error> {
        let text = format!(
            "SELECT {COLUMNS} FROM candidate WHERE key = ?1 AND bucket = ?2 AND device = ?3"
        );
        let found = self.connection.query_row(&text, [key, bucket, device], read).optional();
        found.map_err(|e| refused(&self.name, e))
    }

    /// What SQLite finds wrong with the file, if it does.
    pub fn damage(&self) -> Result<Option<String>, Error> {
        let check = self.connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        let told: String = check.map_err(|e| refused(&self.name, e))?;
        Ok(Some(told).filter(|t| t != "ok"))
    }

    fn select(&self, rest: &str, with: &[&dyn rusqlite::ToSql]) -> Result<Vec<Record>, Error> {
        let wrong = |e: rusqlite::Error| refused(&self.name, e);
        let text = format!("SELECT {COLUMNS} FROM candidate {rest}");
        let mut select = self.connection.prepare(&text).map_err(wrong)?;
        let rows = select.query_map(with, read).map_err(wrong)?;
        rows.collect::<Result<_, _>>().map_err(wrong)
    }
}

/// The mode of the journal, and the table where there is none: gives the version of the file's format.
fn set_up(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(PATIENCE)?;
    // A killed process loses nothing that it told; a machine without power may lose the last ones.
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        connection.pragma_update(None, "journal_mode", "wal")?;
    }
    connection.pragma_update(None, "synchronous", "normal")?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < VERSION {
        connection.execute(TABLE, [])?;
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(version)
}

fn is_busy(e: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(e.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

fn refused(name: &str, e: rusqlite::Error) -> Error {
    Error::Input(format!(
        "{name}: {e}; the records of `kgen tune` are an SQLite file: take another with --records, or move it away"
    ))
}

fn read(row: &Row) -> rusqlite::Result<Record> {
    Ok(Record {
        key: row.get(0)?,
        bucket: row.get(1)?,
        device: row.get(2)?,
        op: row.get(3)?,
        name: row.get(4)?,
        target: row.get(5)?,
        kgen: row.get(6)?,
        dims: row.get(7)?,
        schedule: row.get(8)?,
        seconds: row.get(9)?,
        beside: row.get(10)?,
        ratio: row.get(11)?,
        low: row.get(12)?,
        high: row.get(13)?,
        rounds: row.get(14)?,
        verified: row.get(15)?,
    })
}

impl Record {
    /// As a line of text.
    pub fn print(&self) -> String {
        serde_json::json!({
            "key": self.key, "bucket": self.bucket, "device": self.device, "op": self.op, "name": self.name,
            "target": self.target, "kgen": self.kgen, "dims": self.dims, "schedule": self.schedule,
            "seconds": self.seconds, "beside": self.beside, "ratio": self.ratio, "low": self.low, "high": self.high,
            "rounds": self.rounds, "verified": self.verified,
        })
        .to_string()
    }

    fn parse(line: &str) -> Option<Record> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let number = |key: &str| value[key].as_f64().filter(|x| x.is_finite() && *x > 0.0);
        Some(Record {
            key: text("key")?,
            bucket: text("bucket")?,
            device: text("device")?,
            op: text("op")?,
            name: text("name")?,
            target: text("target")?,
            kgen: text("kgen")?,
            dims: text("dims")?,
            schedule: text("schedule")?,
            seconds: number("seconds")?,
            beside: number("beside")?,
            ratio: number("ratio")?,
            low: number("low")?,
            high: number("high")?,
            rounds: u32::try_from(value["rounds"].as_u64()?).ok()?,
            verified: {
                let told = value.get("verified")?;
                if told.is_null() { None } else { Some(told.as_bool()?) }
            },
        })
    }

    /// The records of a text, a line each.
    pub fn parse_all(name: &str, text: &str) -> Result<Vec<Record>, Error> {
        let line = |(i, line): (usize, &str)| {
            Record::parse(line).ok_or_else(|| {
                Error::Input(format!(
                    "{name}, line {}: not a tuning record; remove the line",
                    i + 1
                ))
            })
        };
        text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, rounds: u32, ratio: f64) -> Record {
        let [bucket, device, op, name, target, kgen] =
            ["m=1", "cpu x4", "o", "p", "t", "0.1.0"].map(str::to_owned);
        let (dims, schedule, key) = ("m=1".into(), "keys = 8".into(), key.into());
        let (seconds, beside, low, high) = (ratio * 0.25, 0.25, ratio * 0.9, ratio * 1.1);
        Record {
            key,
            bucket,
            device,
            op,
            name,
            target,
            kgen,
            dims,
            schedule,
            seconds,
            beside,
            ratio,
            low,
            high,
            rounds,
            verified: None,
        }
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let folder =
            std::env::temp_dir().join(format!("kgen-records-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn records_print_and_parse() {
        for verified in [None, Some(true), Some(false)] {
            let r = Record { verified, ..record("k", 3, 0.8) };
            assert_eq!(Record::parse(&r.print()), Some(r));
        }
        let whole = record("k", 3, 0.8).print();
        let bad = [
            "".into(),
            "{}".into(),
            "[1]".into(),
            whole[..40].into(),
            whole.replace(":0.25", ":-1"),
            whole.replace("\"target\"", "\"chip\""),
            whole.replace(":3", ":-3"),
            whole.replace("null", "1"),
        ];
        for bad in bad {
            assert_eq!(Record::parse(&bad), None, "{bad}");
        }
        let told = Record::parse_all("f", &format!("{whole}\n\n{{}}\n")).unwrap_err().to_string();
        assert!(told.contains("f, line 3: not a tuning record"), "{told}");
    }

    #[test]
    fn merging_keeps_the_better_one_in_any_order() {
        let folder = folder("merge");
        let few = record("k", 3, 0.7);
        let many = Record { verified: Some(true), ..record("k", 15, 0.8) };
        let other = record("j", 1, 0.9);
        for (i, order) in [[&few, &many, &other], [&many, &other, &few]].into_iter().enumerate() {
            let mut store = Store::open(&folder.join(format!("{i}.sqlite"))).unwrap();
            for r in order {
                store.merge(std::slice::from_ref(r)).unwrap();
            }
            assert_eq!(store.all().unwrap(), [many.clone(), other.clone()]);
            // What was measured again counts, and remains verified.
            store.put(&few).unwrap();
            let now = store.get("k", "m=1", "cpu x4").unwrap().unwrap();
            assert_eq!(now, Record { verified: Some(true), ..few.clone() });
            assert_eq!(store.get("k", "m=2", "cpu x4").unwrap(), None);
            assert_eq!(store.of("o", "t", "cpu x4").unwrap().len(), 2);
            assert_eq!(store.of("o", "t", "cpu x2").unwrap().len(), 0);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_file_of_records_is_told() {
        let folder = folder("bad");
        let file = folder.join("text");
        std::fs::write(
            &file,
            "records, perhaps, but not in SQLite, and long enough to be sure of it",
        )
        .unwrap();
        let told = Store::open(&file).err().unwrap().to_string();
        assert!(told.contains("text: ") && told.contains("--records"), "{told}");
        assert!(Store::existing(&folder.join("none")).is_err());
        let newer = folder.join("newer");
        Store::open(&newer).unwrap().connection.pragma_update(None, "user_version", 9).unwrap();
        let told = Store::open(&newer).err().unwrap().to_string();
        assert!(told.contains("newer kgen (format 9"), "{told}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn sizes_have_buckets() {
        let mut dims = Dims::default();
        dims.scalars.extend([("b".to_string(), 0), ("m".to_string(), 1), ("n".to_string(), 8000)]);
        dims.ragged.insert("s".into(), vec![5, 100, 3]);
        assert_eq!(bucket(&dims), "b=0 m=1 n=8192 s=[4 x 128]");
    }
}
