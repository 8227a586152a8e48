//! Matrices: between shared memory and registers, and their products.

use super::{
    Machine, Product, Warp,
    access::{Bytes, Manner},
    each, predicate, put,
};
use crate::ptx::{
    check::report::Kind,
    matrix::{self, LeftOperand, SharedOperand},
    op::{Address, AddressSpace, GroupMatrix, Lanes, Slot, WarpMatrix},
};

/// What a lane of `ldmatrix` reads, and the grain of descriptors.
const PIECE: usize = 16;
type Piece = [u8; PIECE];

impl<'a> Machine<'a> {
    #[expect(clippy::too_many_arguments, reason = "the fields of an instruction")]
    pub(super) fn load_matrix(
        &mut self,
        warp: &mut Warp<'a>,
        address: Address,
        count: usize,
        transposed: bool,
        registers: &[Slot],
        pc: u32,
        mask: u32,
    ) {
        self.whole(warp, pc, mask, u32::MAX);
        let lanes = mask & (u32::MAX >> (32 - 8 * count as u32));
        self.cost(warp, address, PIECE as u32, pc, lanes);
        let mut rows = [[0u8; PIECE]; 32];
        let mut places = [None; 32];
        for lane in each(lanes) {
            let site = self.site(warp, pc, lane);
            let (space, at) = self.target(warp, address, lane);
            if let Some(place) = self.place(site, space, at, PIECE) {
                places[lane] = Some(place);
                self.read(site, warp, place, Manner::default(), &mut rows[lane]);
            }
        }
        let values = matrix::ldmatrix(count, transposed, &rows[..8 * count]);
        for (register, value) in registers.iter().zip(&values) {
            put_words(warp, *register, value, mask);
        }
        if !self.names.is_empty() {
            self.matrix_terms(warp, (count, transposed), &places, registers);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of an instruction")]
    pub(super) fn store_matrix(
        &mut self,
        warp: &mut Warp<'a>,
        address: Address,
        count: usize,
        transposed: bool,
        registers: &[Slot],
        pc: u32,
        mask: u32,
    ) {
        self.whole(warp, pc, mask, u32::MAX);
        let lanes = mask & (u32::MAX >> (32 - 8 * count as u32));
        self.cost(warp, address, PIECE as u32, pc, lanes);
        let values: Vec<[u32; 32]> = registers.iter().map(|r| words(warp, *r)).collect();
        let rows = matrix::stmatrix(count, transposed, &values);
        let terms = match self.names.is_empty() {
            true => vec![],
            false => Self::row_terms(warp, count, transposed, registers),
        };
        for lane in each(lanes) {
            let site = self.site(warp, pc, lane);
            let (space, at) = self.target(warp, address, lane);
            if let Some(place) = self.place(site, space, at, PIECE) {
                if let Some(terms) = terms.get(lane) {
                    self.differs = self.set_terms(warp, lane, place, terms.iter().copied());
                }
                self.write(site, warp, place, Manner::default(), &rows[lane]);
                self.differs = false;
            }
        }
    }

    pub(super) fn mma(&mut self, warp: &mut Warp<'a>, product: &WarpMatrix, pc: u32, mask: u32) {
        self.whole(warp, pc, mask, u32::MAX);
        if !product.wide {
            let mut all = [[0u32; 32]; MOST];
            let (a, rest) = all.split_at_mut(product.a.len());
            let (b, c) = rest.split_at_mut(product.b.len());
            let c = &mut c[..product.c.len()];
            for (slots, to) in [(&product.a, &mut *a), (&product.b, &mut *b), (&product.c, &mut *c)]
            {
                for (slot, to) in slots.iter().zip(to) {
                    narrow(&warp.registers[*slot as usize], to);
                }
            }
            let d = product.mma.run(a, b, c);
            for (slot, value) in product.d.iter().zip(&d) {
                put_words(warp, *slot, value, mask);
            }
            return;
        }
        let get = |slots: &[Slot]| -> Vec<[u32; 32]> {
            let halves = |s: &Slot| {
                let r = &warp.registers[*s as usize];
                [r.map(|x| x as u32), r.map(|x| (x >> 32) as u32)]
            };
            slots.iter().flat_map(halves).collect()
        };
        let d = product.mma.run(&get(&product.a), &get(&product.b), &get(&product.c));
        for (slot, pair) in product.d.iter().zip(d.chunks(2)) {
            let join = |l: usize| pair.iter().rev().fold(0, |x, half| x << 32 | u64::from(half[l]));
            put(warp, *slot, &std::array::from_fn(join), mask);
        }
    }

    pub(super) fn group_mma(
        &mut self,
        warp: &mut Warp<'a>,
        product: &'a GroupMatrix,
        pc: u32,
        mask: u32,
    ) {
        self.whole(warp, pc, mask, u32::MAX);
        let site = self.site(warp, pc, 0);
        if warp.unfenced {
            self.find(site, Kind::MissingWait, ("", 0, 0), || {
                "registers of this product were written, and no `wgmma.fence` came after".into()
            });
            warp.unfenced = false;
        }
        // A product may add to what one before it makes, but not read it as a factor.
        let factor =
            |p: &Product<'_>| !product.a_in_memory && product.a.iter().any(|a| p.of.d.contains(a));
        let written =
            |p: &Product<'_>| !p.of.a_in_memory && product.d.iter().any(|d| p.of.a.contains(d));
        if warp.products.iter().any(|p| factor(p) || written(p)) {
            self.find(site, Kind::MissingWait, ("", 0, 0), || {
                "a register of a product that `wgmma.wait_group` has not waited for".into()
            });
        }
        let uniform = |slot: Slot| {
            let r = &warp.registers[slot as usize];
            (r[0], r.iter().all(|x| *x == r[0]))
        };
        let (b, same_b) = uniform(product.b);
        let (a, same_a) = match product.a.first() {
            Some(a) if product.a_in_memory => uniform(*a),
            Some(_) | None => (0, true),
        };
        if !(same_a && same_b) {
            self.find(site, Kind::PartialMask, ("", 0, 0), || {
                "lanes have other descriptors".into()
            });
        }
        let keep = predicate(&warp.predicates, product.keep) & 1 == 1;
        let next = Product { pc, group: warp.group, of: product, a, b, keep, done: false };
        warp.products.push(next);
        if self.early() {
            self.run_products(warp, |_| true);
        } else if self.shadow.is_some() {
            // It may read from now on.
            if let Some(next) = warp.products.pop() {
                self.pieces(warp, &next);
                warp.products.push(next);
            }
        }
    }

    pub(super) fn group_wait(&mut self, warp: &mut Warp<'a>, left: u32) {
        let open = warp.group;
        self.run_products(warp, |p| p.group < open.saturating_sub(left));
        warp.products.retain(|p| p.group >= open.saturating_sub(left));
    }

    fn run_products(&mut self, warp: &mut Warp<'a>, which: impl Fn(&Product<'_>) -> bool) {
        let mut products = std::mem::take(&mut warp.products);
        // Those of one accumulator depend on each other: all up to the last one that is asked for.
        for product in products.iter_mut().filter(|p| which(p)) {
            if !product.done {
                product.done = true;
                self.run_product(warp, product);
            }
        }
        warp.products = products;
    }

    /// The pieces of A and B in shared memory.
    fn pieces(&mut self, warp: &Warp<'_>, product: &Product<'_>) -> Option<[Vec<Piece>; 2]> {
        let of = product.of;
        let b = of.mma.addresses_b(product.b, of.trans[1]);
        let a =
            if of.a_in_memory { of.mma.addresses_a(product.a, of.trans[0]) } else { Ok(vec![]) };
        let site = self.site(warp, product.pc, 0);
        let (a, b) = match (a, b) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(message), _) | (_, Err(message)) => {
                self.find(site, Kind::OutOfBounds, ("", 0, 0), || message);
                return None;
            }
        };
        let how = Manner { strong: false, asynchronous: true };
        let mut fetch = |addresses: Vec<u32>| {
            let read = |at: u32| {
                let mut piece: Bytes = [0; 64];
                if let Some(place) = self.place(site, AddressSpace::Shared, at.into(), PIECE) {
                    self.read(site, warp, place, how, &mut piece[..PIECE]);
                }
                std::array::from_fn(|i| piece[i])
            };
            addresses.into_iter().map(read).collect::<Vec<_>>()
        };
        Some([fetch(a), fetch(b)])
    }

    fn run_product(&mut self, warp: &mut Warp<'a>, product: &Product<'a>) {
        let Some([a, b]) = self.pieces(warp, product) else { return };
        let of = product.of;
        // Each warp makes its own 16 rows of the 64.
        let first = 32 * (warp.index % 4);
        let wide = |slot: &Slot| {
            let mut out = [0u32; 128];
            out[first..first + 32].copy_from_slice(&words(warp, *slot));
            out
        };
        let d: Vec<[u32; 128]> = of.d.iter().map(wide).collect();
        let registers: Vec<[u32; 128]> = of.a.iter().map(wide).collect();
        let left = if of.a_in_memory {
            LeftOperand::Shared(SharedOperand { pieces: &a, trans: of.trans[0] })
        } else {
            LeftOperand::Registers(&registers)
        };
        if !self.names.is_empty() {
            self.product_terms(warp, product);
        }
        let right = SharedOperand { pieces: &b, trans: of.trans[1] };
        let values = of.mma.run_warp(warp.index % 4, left, right, &d, product.keep, of.negate);
        for (slot, value) in of.d.iter().zip(&values) {
            put_words(warp, *slot, value, u32::MAX);
        }
    }
}

/// Registers of a, b and c of the largest form: PTX ISA, shapes of `mma`.
const MOST: usize = 4 + 4 + 8;

fn words(warp: &Warp<'_>, slot: Slot) -> [u32; 32] {
    let mut out = [0; 32];
    narrow(&warp.registers[slot as usize], &mut out);
    out
}

fn narrow(from: &Lanes, to: &mut [u32; 32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as u32);
}

fn put_words(warp: &mut Warp<'_>, slot: Slot, value: &[u32; 32], mask: u32) {
    let mut wide: Lanes = [0; 32];
    wide.iter_mut().zip(value).for_each(|(to, from)| *to = u64::from(*from));
    put(warp, slot, &wide, mask);
}
