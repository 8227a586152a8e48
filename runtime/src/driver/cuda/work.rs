//! Work on the stream as a whole: timed by events, captured as a graph, copied.

#![allow(unsafe_code)]

use super::{
    Cuda,
    api::{Graphs, Handle},
};
use crate::driver::DriverError;
use std::{ffi::c_int, ptr::null_mut};

/// Launches that are sent off as one.
pub struct Graph {
    graphs: &'static Graphs,
    graph: Handle,
    made: Handle,
}

/// A capture that only calls of this thread can spoil.
const THREAD_LOCAL: c_int = 1;

impl Cuda {
    /// Seconds that what `run` puts on the stream takes there, by events before and behind it.
    pub fn time<E: From<DriverError>>(
        &mut self,
        run: impl FnOnce(&mut Cuda) -> Result<(), E>,
    ) -> Result<f64, E> {
        let events = [self.event()?, self.event()?];
        let timed = self.record(events[0]).map_err(E::from).and_then(|()| run(self));
        let timed = timed.and_then(|()| {
            self.record(events[1])?;
            Ok(self.between(events)?)
        });
        for event in events {
            // SAFETY: the event was made above, and nobody waits for it. What it answers changes nothing.
            let _ = self.within(|api| Ok(unsafe { (api.end_event)(event) }));
        }
        timed
    }

    fn event(&self) -> Result<Handle, DriverError> {
        self.within(|api| {
            let mut event = null_mut();
            // SAFETY: writes one handle, which `time` gives back.
            api.ok("cuEventCreate", unsafe { (api.event)(&raw mut event, 0) })?;
            Ok(event)
        })
    }

    fn record(&self, event: Handle) -> Result<(), DriverError> {
        self.within(|api| {
            // SAFETY: event and stream are of this context.
            api.ok("cuEventRecord", unsafe { (api.record)(event, self.stream) })
        })
    }

    fn between(&self, [start, end]: [Handle; 2]) -> Result<f64, DriverError> {
        self.within(|api| {
            let mut milliseconds = 0f32;
            // SAFETY: both events are recorded.
            api.ok("cuEventSynchronize", unsafe { (api.wait_event)(end) })?;
            // SAFETY: as above; writes one number.
            let code = unsafe { (api.elapsed)(&raw mut milliseconds, start, end) };
            api.ok("cuEventElapsedTime", code)?;
            Ok(f64::from(milliseconds) / 1e3)
        })
    }

    /// What `run` puts on the stream, as a graph; it is not done. Kernels are loaded before, as `place_on` does.
    pub fn capture<E: From<DriverError>>(
        &mut self,
        run: impl FnOnce(&mut Cuda) -> Result<(), E>,
    ) -> Result<Graph, E> {
        let graphs = Graphs::get()?;
        self.within(|api| {
            // SAFETY: the stream lives; the capture ends below.
            api.ok("cuStreamBeginCapture", unsafe { (graphs.begin)(self.stream, THREAD_LOCAL) })
        })?;
        let ran = run(self);
        let mut graph = Graph { graphs, graph: null_mut(), made: null_mut() };
        let ended = self.within(|api| {
            // SAFETY: writes one handle, which the graph's `drop` gives back.
            api.ok("cuStreamEndCapture", unsafe { (graphs.end)(self.stream, &raw mut graph.graph) })
        });
        ran?;
        ended?;
        self.within(|api| {
            // SAFETY: the graph was captured; writes one handle, which its `drop` gives back.
            let code = unsafe { (graphs.instantiate)(&raw mut graph.made, graph.graph, 0) };
            api.ok("cuGraphInstantiate", code)
        })?;
        Ok(graph)
    }

    /// Puts a graph of this GPU on the stream.
    pub fn replay(&mut self, graph: &Graph) -> Result<(), DriverError> {
        self.within(|api| {
            // SAFETY: the graph is whole, its launches are of modules and memory that the callers of `put` keep.
            api.ok("cuGraphLaunch", unsafe { (graph.graphs.launch)(graph.made, self.stream) })
        })
    }

    /// Copies from one address of the device to another.
    pub fn copy(&mut self, from: u64, to: u64, bytes: usize) -> Result<(), DriverError> {
        self.holds(from, bytes)?;
        self.holds(to, bytes)?;
        self.within(|api| {
            // SAFETY: both ranges are inside of allocations.
            let code = unsafe { (api.on_device)(to, from, bytes, self.stream) };
            api.ok("cuMemcpyDtoDAsync", code)
        })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: both handles were made by `capture` and are nobody else's; those that were not are null.
        unsafe {
            let _ = !self.made.is_null() && (self.graphs.destroy_made)(self.made) == 0;
            let _ = !self.graph.is_null() && (self.graphs.destroy)(self.graph) == 0;
        }
    }
}
