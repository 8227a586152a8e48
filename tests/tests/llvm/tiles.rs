//! AMX code of LLVM where there is no AMX: the CPU runs it, and raises a signal at each instruction that it does not know;
//! what the manual says of that is done to tiles of our own. Nothing here knows what the kernel wants.

use kgen::{Schedule, compile, verify};
use kgen_ir::{
    machine::{
        Kernel, Slot,
        interp::{self, Memory},
    },
    op::read,
    target::Target,
};
use kgen_runtime::{
    device,
    driver::{
        Loaded,
        llvm::{Linked, System, object},
        tiles,
    },
};
use kgen_tests::{
    amx::{Shape, Tile, tdpb, tdpbf16ps},
    machine_run,
};
use std::sync::Mutex;

/// The registers of one thread.
struct Cpu {
    /// Rows, and bytes of a row, of each tile.
    shapes: [(usize, usize); 8],
    tiles: [Tile; 8],
    /// Instructions done.
    done: usize,
    /// What would have been a fault.
    wrong: Vec<String>,
}

static CPU: Mutex<Cpu> =
    Mutex::new(Cpu { shapes: [(0, 0); 8], tiles: [[[0; 64]; 16]; 8], done: 0, wrong: Vec::new() });

/// Where the numbers of registers are in what a signal brings: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
const REGISTERS: [usize; 16] = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];
const RIP: usize = 16;

/// An instruction as encoded: prefix, code, registers, address and distance, length.
struct Decoded {
    /// None, 66, F3, F2.
    prefix: u8,
    code: u8,
    /// ModRM, and the register of VEX.
    mode: u8,
    reg: usize,
    rm: usize,
    third: usize,
    address: u64,
    apart: u64,
    len: u64,
}

/// A VEX instruction of map 0F38.
fn decode(bytes: &[u8], registers: &[u64; 23]) -> Option<Decoded> {
    let [0xc4, one, two, code, modrm, rest @ ..] = bytes else { return None };
    let bit = |x: u8, n: u32| usize::from(x >> n & 1);
    if one & 31 != 2 {
        return None;
    }
    let (mode, low) = (modrm >> 6, modrm & 7);
    let (mut len, mut address, mut apart) = (5u64, 0u64, 0u64);
    if mode != 3 {
        let value = |n: usize| registers[REGISTERS[n]];
        let number =
            |at: usize| Some(i64::from(i32::from_le_bytes(*rest.get(at..)?.first_chunk()?)));
        let mut at = 0;
        let mut base = usize::from(low) | (1 - bit(*one, 5)) << 3;
        if low == 4 {
            let sib = *rest.first()?;
            (at, base) = (1, usize::from(sib & 7) | (1 - bit(*one, 5)) << 3);
            let index = usize::from(sib >> 3 & 7) | (1 - bit(*one, 6)) << 3;
            apart = if index == 4 { 0 } else { value(index) << (sib >> 6) };
        }
        let bare = base & 7 == 5 && mode == 0;
        let (moved, bytes) = match mode {
            0 if bare => (number(at)?, 4),
            0 => (0, 0),
            1 => (i64::from(*rest.get(at)? as i8), 1),
            _ => (number(at)?, 4),
        };
        len += at as u64 + bytes;
        let from = match (bare, low) {
            (true, 5) => registers[RIP] + len,
            (true, _) => 0,
            (false, _) => value(base),
        };
        address = from.wrapping_add_signed(moved);
    }
    Some(Decoded {
        prefix: two & 3,
        code: *code,
        mode,
        reg: usize::from(modrm >> 3 & 7),
        rm: usize::from(low),
        third: usize::from(!two >> 3 & 15),
        address,
        apart,
        len,
    })
}

impl Cpu {
    /// What the manual says; false for what is not of AMX.
    ///
    /// # Safety
    /// The memory that the instruction names is there.
    unsafe fn run(&mut self, d: &Decoded) -> bool {
        let row = |i: usize| d.address.wrapping_add(d.apart.wrapping_mul(i as u64)) as *mut u8;
        match (d.code, d.prefix, d.mode) {
            // TILERELEASE, LDTILECFG
            (0x49, 0, 3) => self.shapes = [(0, 0); 8],
            (0x49, 0, _) => {
                // SAFETY: 64 bytes are there.
                let config = unsafe { std::slice::from_raw_parts(d.address as *const u8, 64) };
                let bytes = |i: usize| {
                    usize::from(u16::from_le_bytes([config[16 + 2 * i], config[17 + 2 * i]]))
                };
                self.shapes = std::array::from_fn(|i| (usize::from(config[48 + i]), bytes(i)));
                self.tiles = [[[0; 64]; 16]; 8];
                let fits = |s: &(usize, usize)| s.0 <= 16 && s.1 <= 64 && (s.0 == 0) == (s.1 == 0);
                if config[0] != 1 || !self.shapes.iter().all(fits) {
                    self.wrong.push(format!("configuration {config:?}"));
                    self.shapes = [(0, 0); 8];
                }
            }
            // TILEZERO
            (0x49, 3, 3) => self.tiles[d.reg] = [[0; 64]; 16],
            // TILELOADD
            (0x4b, 3, 0..3) => {
                let (rows, bytes) = self.shape(d.reg);
                let mut tile: Tile = [[0; 64]; 16];
                for (i, to) in tile[..rows].iter_mut().enumerate() {
                    // SAFETY: the row is there.
                    to[..bytes]
                        .copy_from_slice(unsafe { std::slice::from_raw_parts(row(i), bytes) });
                }
                self.tiles[d.reg] = tile;
            }
            // TILESTORED
            (0x4b, 2, 0..3) => {
                let (rows, bytes) = self.shape(d.reg);
                for (i, from) in self.tiles[d.reg][..rows].iter().enumerate() {
                    // SAFETY: the row is there.
                    unsafe { std::slice::from_raw_parts_mut(row(i), bytes) }
                        .copy_from_slice(&from[..bytes]);
                }
            }
            (0x5e | 0x5c, prefix, 3) => {
                let shapes = [d.reg, d.rm, d.third].map(|n| self.shape(n));
                let [(m, n), (left, k), (right, width)] = shapes;
                if left != m
                    || right * 4 != k
                    || width != n
                    || d.reg == d.rm
                    || d.reg == d.third
                    || d.rm == d.third
                {
                    self.wrong.push(format!(
                        "a product of {shapes:?}, tiles {} {} {}",
                        d.reg, d.rm, d.third
                    ));
                }
                let (a, b) = (self.tiles[d.rm], self.tiles[d.third]);
                let shape = Shape { rows: m, dwords: k / 4, columns: n / 4 };
                let c = &mut self.tiles[d.reg];
                match (d.code, prefix) {
                    (0x5c, 2) => tdpbf16ps(shape, c, &a, &b),
                    (0x5e, 3) => tdpb([true, true], shape, c, &a, &b),
                    (0x5e, 2) => tdpb([true, false], shape, c, &a, &b),
                    (0x5e, 1) => tdpb([false, true], shape, c, &a, &b),
                    (0x5e, 0) => tdpb([false, false], shape, c, &a, &b),
                    _ => return false,
                }
            }
            _ => return false,
        }
        self.done += 1;
        true
    }

    /// Of a tile that the configuration has.
    fn shape(&mut self, tile: usize) -> (usize, usize) {
        let shape = self.shapes.get(tile).copied().unwrap_or_default();
        if shape == (0, 0) {
            self.wrong.push(format!("tile {tile} is not configured"));
        }
        shape
    }
}

const SIGILL: i32 = 4;
const SA_SIGINFO: i32 = 4;

/// As `sigaction` of x86-64 Linux takes it.
#[repr(C)]
struct Action {
    handler: extern "C" fn(i32, *const u8, *mut Context),
    mask: [u64; 16],
    flags: i32,
    restorer: usize,
}

/// The beginning of what a handler is given.
#[repr(C)]
struct Context {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    registers: [u64; 23],
}

// SAFETY: as the C library declares it.
unsafe extern "C" {
    fn sigaction(signal: i32, action: *const Action, old: *mut Action) -> i32;
}

extern "C" fn unknown(_signal: i32, _info: *const u8, context: *mut Context) {
    // SAFETY: the system's own, and ours until we return.
    let registers = unsafe { &mut (*context).registers };
    // SAFETY: code is mapped, and no kernel ends within 15 bytes of where its pages do.
    let bytes = unsafe { std::slice::from_raw_parts(registers[RIP] as *const u8, 15) };
    let Ok(mut cpu) = CPU.lock() else { std::process::abort() };
    match decode(bytes, registers) {
        // SAFETY: the interpreter has run the same accesses.
        Some(d) if unsafe { cpu.run(&d) } => registers[RIP] += d.len,
        Some(_) | None => {
            eprintln!("no instruction of AMX: {bytes:02x?}");
            std::process::abort();
        }
    }
}

/// Runs the code of a kernel on a copy of the memory, which it becomes.
fn compiled(kernel: &Kernel, target: &Target, slots: &[u64], memory: &mut Memory, workers: usize) {
    // What else the target has, this CPU may not have; the code generator must not use it.
    let text = super::emitted(kernel, target);
    let (before, after) = text.split_once("\"target-features\"=\"").expect("features");
    let (_, after) = after.split_once('"').expect("their end");
    let features = "+avx512vnni,+amx-tile,+amx-int8,+amx-bf16";
    let text = format!("{before}\"target-features\"=\"{features}\"{after}");
    let object = object(&[&text], "", System::This).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let code = Linked::new(&object, &[kernel.name.as_str()]).unwrap_or_else(|e| panic!("{e}"));
    // Words, so that counters stand at multiples of their size.
    let regions = memory.regions.iter();
    let mut regions: Vec<Vec<u64>> = regions
        .map(|r| {
            let mut words = vec![0u64; r.len().div_ceil(8) + 1];
            for (word, bytes) in words.iter_mut().zip(r.chunks(8)) {
                let mut all = [0; 8];
                all[..bytes.len()].copy_from_slice(bytes);
                *word = u64::from_le_bytes(all);
            }
            words
        })
        .collect();
    let starts: Vec<u64> = regions.iter_mut().map(|r| r.as_mut_ptr() as u64).collect();
    let slot = |(slot, value): (&Slot, &u64)| match slot {
        Slot::Pointer(_) | Slot::Counter(_) | Slot::Scratch | Slot::End(_) | Slot::Report => {
            let (region, at) = Memory::place(*value).expect("an address");
            starts[region] + at as u64
        }
        Slot::Stride(..) | Slot::Extent(_) => *value,
    };
    let args: Vec<u64> = kernel.slots.iter().zip(slots).map(slot).collect();
    for worker in 0..workers {
        // SAFETY: the interpreter has run the same kernel on the same memory without leaving it.
        unsafe { code.call(0, args.as_ptr(), worker as u64) };
    }
    for (to, from) in memory.regions.iter_mut().zip(regions) {
        let bytes = from.iter().flat_map(|w| w.to_le_bytes());
        to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    }
}

#[test]
fn code_for_tiles_does_what_kernels_say() {
    let target = compile::target("x86-64-amx/llvm").unwrap_or_else(|e| panic!("{e}"));
    let own = ["avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd", "avx512vnni"];
    if !cfg!(target_os = "linux") || !own.iter().all(|f| device::has(f)) {
        println!("SKIPPED: this CPU cannot run what stands around AMX");
        return;
    }
    // Where there are tiles, the CPU itself does what it knows.
    let real = tiles::allow().is_ok();
    let action = Action { handler: unknown, mask: [0; 16], flags: SA_SIGINFO, restorer: 0 };
    // SAFETY: the handler is for the signal's own thread, and does what no other code of this process asks for.
    assert_eq!(unsafe { sigaction(SIGILL, &action, std::ptr::null_mut()) }, 0);
    for (operands, exact) in [
        ("n = 40\nk = 96\na = \"f32\"\nw = \"q8_0\"", true),
        (
            "n = 48\nk = 256\na = { format = \"int8\", per = \"token\", scale = \"f32\" }\nw = { format = \"int8\", per = \"row\", scale = \"f32\" }\nbias = true",
            true,
        ),
        ("n = 64\nk = 200\na = \"bf16\"\nw = \"bf16\"", false),
    ] {
        let text = format!("op = \"mpgemm\"\nname = \"t\"\nm = \"m\"\n{operands}\nout = \"f32\"\n");
        let op = read::read("t", &text).unwrap_or_else(|e| panic!("{e}"));
        let made = compile::compile(&op, target, &Schedule::default_for(target));
        let made = made.unwrap_or_else(|e| panic!("{e}"));
        for m in [12, 32, 45] {
            let mut dims = kgen_ir::extent::Dims { cores: 2, ..Default::default() };
            dims.scalars.insert("m".into(), m);
            let e = verify::example(&op, &dims, "normal", m as u64);
            let e = e.unwrap_or_else(|e| panic!("{e}"));
            let before = CPU.lock().expect("the CPU").done;
            let place = format!("{operands}, m = {m}");
            let got = machine_run::run_by(
                &made,
                &e.dims,
                &e.inputs,
                &mut |kernel, slots, memory, workers| {
                    let given = Memory { regions: memory.regions.clone() };
                    interp::run(kernel, slots, memory, workers).map_err(|e| e.to_string())?;
                    if kernel.name != "product_tiles" {
                        return Ok(());
                    }
                    let interpreted = std::mem::replace(memory, given);
                    compiled(kernel, target, slots, memory, workers);
                    match exact && memory.regions != interpreted.regions {
                        true => Err("other bits than the interpreter's".into()),
                        false => Ok(()),
                    }
                },
            );
            let got = got.unwrap_or_else(|e| panic!("{place}: {e}"));
            let cpu = CPU.lock().expect("the CPU");
            println!("{place}: {} instructions done", cpu.done - before);
            assert!(cpu.wrong.is_empty(), "{place}: {:?}", cpu.wrong);
            assert!(real || cpu.done > before, "{place}");
            assert_eq!(got.variant, "tiles");
            let expected = kgen_kernels_ref::run(&e.op, &e.dims, &e.inputs);
            for (name, expected) in &expected.unwrap_or_else(|e| panic!("{place}: {e}")) {
                let c = kgen_kernels_ref::compare(name, expected, &got.outputs[name]);
                let c = c.unwrap_or_else(|e| panic!("{place}: {e}"));
                assert!(c.passed(), "{place}: `{name}`: {c:?}");
            }
        }
    }
}
