//! The roof of memory: how fast this machine reads what no cache holds.
//!
//! The best of three orders, since which of them wins changes with the machine and the state of its memory: every
//! worker its own far stream, or eight of them side by side, or chunks of 128 KiB handed out in order. More streams keep
//! more banks of the memory busy: on one machine four workers with one stream each read 57 GB/s, with eight each 86.

use crate::{
    buffer::{Buffer, BufferError},
    driver::hint,
    pool::Workers,
};
use std::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

const CHUNK: usize = 128 << 10;

/// Memory to be read, larger than any cache.
pub struct Roof {
    memory: Buffer,
}

impl Roof {
    pub fn new(bytes: usize) -> Result<Roof, BufferError> {
        let mut memory = Buffer::zeroed(bytes.next_multiple_of(CHUNK))?;
        // Pages that were never written would all be the same page of zeros.
        memory.bytes_mut().chunks_exact_mut(512).enumerate().for_each(|(i, c)| c[0] = i as u8);
        Ok(Roof { memory })
    }

    /// Bytes a second, read by all workers.
    pub fn read(&self, workers: &dyn Workers) -> f64 {
        let count = workers.count();
        let all = self.memory.bytes();
        let part = all.len() / count / CHUNK * CHUNK;
        let far = timed(|| {
            workers.run(&|w| {
                black_box(sum(&all[w * part..][..part]));
            })
        });
        let many = timed(|| {
            workers.run(&|w| {
                black_box(sum_beside(&all[w * part..][..part]));
            })
        });
        let next = AtomicUsize::new(0);
        let near = timed(|| {
            workers.run(&|_| {
                loop {
                    let at = next.fetch_add(CHUNK, Ordering::Relaxed);
                    let Some(chunk) = all.get(at..at + CHUNK) else { break };
                    black_box(sum(chunk));
                }
            });
        });
        let read = (part * count) as f64;
        read / far.min(many).min(near * read / all.len() as f64)
    }
}

/// Keeps all workers busy: bursts after idling run slower than steady load.
pub fn warm(workers: &dyn Workers) {
    let start = Instant::now();
    workers.run(&|_| {
        while start.elapsed() < Duration::from_millis(250) {
            black_box((0..4096u64).fold(0, |a, x| black_box(a ^ x)));
        }
    });
}

fn timed(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// Far enough that a line is there when it is read, near enough that it is still there.
const AHEAD: usize = 4096;
/// Bytes of a cache line.
const LINE: usize = 64;

/// One word of each cache line: memory moves whole lines, and the core must not be what limits.
fn sum(bytes: &[u8]) -> u64 {
    let mut lanes = [0u64; 4];
    for (at, chunk) in bytes.chunks_exact(4 * LINE).enumerate() {
        for (i, (lane, line)) in lanes.iter_mut().zip(chunk.chunks_exact(LINE)).enumerate() {
            if let Some(byte) = bytes.get(at * 4 * LINE + i * LINE + AHEAD) {
                hint::soon(byte);
            }
            let word = line.first_chunk::<8>().map_or(0, |w| u64::from_le_bytes(*w));
            *lane = lane.wrapping_add(word);
        }
    }
    lanes.iter().fold(0, |a, b| a.wrapping_add(*b))
}

/// Streams of a worker.
const STREAMS: usize = 8;

/// The same for the eighths of `bytes`, side by side.
fn sum_beside(bytes: &[u8]) -> u64 {
    let part = bytes.len() / STREAMS;
    let mut total = 0u64;
    for at in (0..part).step_by(4 * LINE) {
        for stream in bytes.chunks_exact(part) {
            let lines = stream[at..].chunks_exact(LINE).take(4);
            for (i, line) in lines.enumerate() {
                if let Some(byte) = stream.get(at + i * LINE + AHEAD) {
                    hint::soon(byte);
                }
                let word = line.first_chunk::<8>().map_or(0, |w| u64::from_le_bytes(*w));
                total = total.wrapping_add(word);
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pool;

    #[test]
    fn reading_takes_time() {
        let roof = Roof::new(1 << 20).unwrap();
        let rate = roof.read(&Pool::new(2).unwrap());
        assert!(rate.is_finite() && rate > 0.0);
    }
}
