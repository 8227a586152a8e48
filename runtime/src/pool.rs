//! Worker threads that all enter a job, and the barrier between its steps.
//!
//! Waiting is spinning for some microseconds, then sleeping, never yielding: a thread that gives way to a busy foreign
//! process comes back after a slice of the scheduler, milliseconds later, while one that is woken goes first. How long
//! spinning pays is learned: on an idle machine it saves the microseconds of waking, on a busy one it keeps a core from
//! the very thread that is waited for. An engine with threads of its own gives them as [`Workers`].

#![allow(unsafe_code)]

use std::{
    any::Any,
    hint::spin_loop,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Threads that enter a job together: ours or the caller's own.
pub trait Workers {
    fn count(&self) -> usize;

    /// Calls `f` once with each of `0..count`, **all at the same time** (they wait for each other), and returns
    /// when all have returned.
    fn run(&self, f: &(dyn Fn(usize) + Sync));
}

/// The longest time that a thread waits awake: some times what it takes to wake one. Passes of 200 steps of 15 us on four
/// cores with 25 foreign threads took 20 ms with what is learned here, 30 ms with 10 us, 90 ms with 50 us, 500 ms with
/// 500 us; alone on the machine, 10 us are a third slower than what is learned.
const AWAKE: Duration = Duration::from_micros(64);

/// How often that is halved at most.
const HALVINGS: u32 = 4;

/// Looks between two looks at the clock.
const LOOKS: usize = 8;

type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// A pool of threads; the caller is worker 0.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// One job at a time.
    turn: Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot start thread {thread} of {threads}: {reason}")]
pub struct PoolError {
    pub thread: usize,
    pub threads: usize,
    pub reason: String,
}

struct Shared {
    /// Points to the job of the present epoch, which lives in the frame of `run`.
    job: AtomicPtr<Job<'static>>,
    epoch: AtomicU32,
    /// Workers that have not finished the job.
    left: AtomicUsize,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// For workers: a new epoch.
    begin: Bell,
    /// For the caller: nobody is left.
    end: Bell,
}

impl Pool {
    /// At least one worker: the caller.
    pub fn new(threads: usize) -> Result<Pool, PoolError> {
        let shared = Arc::new(Shared {
            job: AtomicPtr::new(ptr::null_mut()),
            epoch: AtomicU32::new(0),
            left: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
            begin: Bell::default(),
            end: Bell::default(),
        });
        // Dropping the pool on an error ends the threads that did start.
        let mut pool = Pool { shared, threads: Vec::new(), turn: Mutex::new(()) };
        for worker in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let builder = thread::Builder::new().name(format!("kgen-{worker}"));
            let thread = builder.spawn(move || shared.work(worker)).map_err(|e| PoolError {
                thread: worker,
                threads,
                reason: e.to_string(),
            })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }
}

impl Workers for Pool {
    fn count(&self) -> usize {
        self.threads.len() + 1
    }

    /// A panic of any worker comes back to the caller. Must not be called from inside a job of the same pool.
    fn run(&self, f: &(dyn Fn(usize) + Sync)) {
        let _turn = lock(&self.turn);
        let shared = &*self.shared;
        // SAFETY: the workers use the job only between the epoch below and their decrement of `left`, and this
        // frame, in which the reference lives, waits for all decrements, also when `f(0)` panics.
        let job: Job<'static> = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(f) };
        shared.job.store(ptr::from_ref(&job).cast_mut(), Ordering::Relaxed);
        shared.left.store(self.threads.len(), Ordering::Relaxed);
        shared.announce();
        let own = catch_unwind(AssertUnwindSafe(|| f(0)));
        shared.end.wait(|| shared.left.load(Ordering::Acquire) == 0);
        let theirs = lock(&shared.panic).take();
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.announce();
        for thread in self.threads.drain(..) {
            // A worker cannot panic outside a job, and panics of jobs are caught.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Starts a new epoch.
    fn announce(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
        self.begin.ring();
    }

    fn work(&self, worker: usize) {
        let mut seen = 0;
        loop {
            self.begin.wait(|| self.epoch.load(Ordering::Acquire) != seen);
            seen = seen.wrapping_add(1);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: the pointer was stored before the epoch that we acquired; `run` keeps the job alive until
            // we decrement `left`.
            let job = unsafe { *self.job.load(Ordering::Relaxed) };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(worker))) {
                lock(&self.panic).get_or_insert(panic);
            }
            if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.end.ring();
            }
        }
    }
}

/// No state is left half-changed by a panic under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where threads wait until something holds: awake for a moment, then asleep.
#[derive(Default)]
struct Bell {
    /// How often [`AWAKE`] is halved here.
    halvings: AtomicU32,
    asleep: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

impl Bell {
    /// Returns when `done`, which becomes true before a [`Bell::ring`].
    fn wait(&self, done: impl Fn() -> bool) {
        let halvings = self.halvings.load(Ordering::Relaxed);
        let Some(since) = tired(&done, AWAKE / (1 << halvings)) else { return };
        self.sleep(&done);
        // Had a longer look saved the sleep?
        let halvings = if since.elapsed() < AWAKE {
            halvings.saturating_sub(1)
        } else {
            (halvings + 1).min(HALVINGS)
        };
        self.halvings.store(halvings, Ordering::Relaxed);
    }

    fn sleep(&self, done: &impl Fn() -> bool) {
        let mut bed = lock(&self.bed);
        self.asleep.fetch_add(1, Ordering::Relaxed);
        // Either this thread sees what was done before a ring, or the ring sees this thread. Whoever has seen it takes
        // the lock first, so nobody is called between looking and sleeping.
        fence(Ordering::SeqCst);
        while !done() {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::Relaxed);
    }

    fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) > 0 {
            drop(lock(&self.bed));
            self.bell.notify_all();
        }
    }
}

/// Looks for so long whether it is done; when this began, if it is not.
fn tired(done: &impl Fn() -> bool, time: Duration) -> Option<Instant> {
    let mut begin = None;
    loop {
        for _ in 0..LOOKS {
            if done() {
                return None;
            }
            spin_loop();
        }
        let now = Instant::now();
        let begin = *begin.get_or_insert(now);
        if now.duration_since(begin) >= time {
            return Some(begin);
        }
    }
}

/// All of `count` workers meet; reusable. A worker that unwinds frees the others.
pub struct Barrier {
    count: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
    bell: Bell,
}

impl Barrier {
    pub fn new(count: usize) -> Barrier {
        Barrier {
            count,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            bell: Bell::default(),
        }
    }

    /// False if some worker will never come.
    pub fn wait(&self) -> bool {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.count {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            self.bell.ring();
        } else {
            self.bell.wait(|| {
                self.round.load(Ordering::Acquire) != round || self.broken.load(Ordering::Relaxed)
            });
        }
        !self.broken.load(Ordering::Relaxed)
    }

    /// Runs `f`; if it panics, everybody who waits or will wait here goes on with `false`.
    pub fn guard(&self, f: impl FnOnce()) {
        struct Breaker<'a>(&'a Barrier);
        impl Drop for Breaker<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    self.0.broken.store(true, Ordering::Relaxed);
                    self.0.bell.ring();
                }
            }
        }
        let _breaker = Breaker(self);
        f();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn every_worker_enters_once_each_time() {
        for threads in [0, 1, 2, 5] {
            let pool = Pool::new(threads).unwrap();
            assert_eq!(pool.count(), threads.max(1));
            let entered: Vec<AtomicUsize> =
                (0..pool.count()).map(|_| AtomicUsize::new(0)).collect();
            for _ in 0..200 {
                pool.run(&|w| {
                    entered[w].fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(entered.iter().all(|n| n.load(Ordering::Relaxed) == 200));
        }
    }

    #[test]
    fn sleeping_workers_wake() {
        let pool = Pool::new(3).unwrap();
        let sum = AtomicU64::new(0);
        for _ in 0..3 {
            thread::sleep(AWAKE * 400);
            pool.run(&|w| {
                sum.fetch_add(1 << (8 * w), Ordering::Relaxed);
            });
        }
        assert_eq!(sum.into_inner(), 0x03_03_03);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(3).unwrap();
        for guilty in 0..3 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&|w| assert_ne!(w, guilty, "worker {guilty}"));
            }));
            assert!(caught.is_err(), "{guilty}");
        }
        let entered = AtomicUsize::new(0);
        pool.run(&|_| {
            entered.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(entered.into_inner(), 3);
    }

    #[test]
    fn callers_take_turns() {
        let pool = Pool::new(3).unwrap();
        let inside = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..50 {
                        pool.run(&|_| {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
    }

    #[test]
    fn a_barrier_separates_steps() {
        let pool = Pool::new(4).unwrap();
        let (barrier, sum) = (Barrier::new(4), AtomicUsize::new(0));
        pool.run(&|_| {
            for step in 1..=100 {
                sum.fetch_add(1, Ordering::Relaxed);
                assert!(barrier.wait());
                assert_eq!(sum.load(Ordering::Relaxed), 4 * step);
                assert!(barrier.wait());
            }
        });
    }

    /// Long steps of one worker, so that the others sleep at every barrier.
    #[test]
    fn sleepers_wake_at_a_barrier() {
        let pool = Pool::new(4).unwrap();
        let (barrier, sum) = (Barrier::new(4), AtomicUsize::new(0));
        pool.run(&|w| {
            for step in 1..=20 {
                if step % 4 == w {
                    thread::sleep(AWAKE * 10);
                }
                sum.fetch_add(1, Ordering::Relaxed);
                assert!(barrier.wait());
                assert_eq!(sum.load(Ordering::Relaxed), 4 * step);
                assert!(barrier.wait());
            }
        });
    }

    /// Many more threads than cores: whoever waits must make room for those it waits for.
    #[test]
    fn more_workers_than_cores_get_on() {
        let count = 64;
        let pool = Pool::new(count).unwrap();
        let (barrier, sum) = (Barrier::new(count), AtomicUsize::new(0));
        for _ in 0..3 {
            pool.run(&|_| {
                for _ in 0..10 {
                    sum.fetch_add(1, Ordering::Relaxed);
                    assert!(barrier.wait());
                }
            });
        }
        assert_eq!(sum.into_inner(), 3 * 10 * count);
    }

    /// Threads of a host.
    struct Host(usize);

    impl Workers for Host {
        fn count(&self) -> usize {
            self.0
        }

        fn run(&self, f: &(dyn Fn(usize) + Sync)) {
            thread::scope(|s| (0..self.0).for_each(|w| drop(s.spawn(move || f(w)))));
        }
    }

    #[test]
    fn barriers_serve_threads_of_a_host() {
        let host = Host(3);
        let (barrier, sum) = (Barrier::new(host.count()), AtomicUsize::new(0));
        host.run(&|w| {
            for step in 1..=20 {
                if w == 0 {
                    thread::sleep(AWAKE * 4);
                }
                sum.fetch_add(1, Ordering::Relaxed);
                assert!(barrier.wait());
                assert_eq!(sum.load(Ordering::Relaxed), 3 * step);
                assert!(barrier.wait());
            }
        });
    }

    #[test]
    fn a_panic_frees_those_who_sleep() {
        let pool = Pool::new(3).unwrap();
        let barrier = Barrier::new(3);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.run(&|w| {
                barrier.guard(|| {
                    if w == 1 {
                        thread::sleep(AWAKE * 100);
                        panic!("late");
                    }
                    assert!(!barrier.wait());
                });
            });
        }));
        assert!(caught.is_err());
    }

    #[test]
    fn a_panic_frees_those_who_wait() {
        let pool = Pool::new(3).unwrap();
        let barrier = Barrier::new(3);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.run(&|w| {
                barrier.guard(|| assert_ne!(w, 1));
                assert!(!barrier.wait());
            });
        }));
        assert!(caught.is_err());
    }
}
