//! What instructions of AMX do, by the formulas of Intel's manual (Intel 64 and IA-32 Architectures Software Developer's
//! Manual, volume 2: TDPBSSD and its kin, TDPBF16PS), loop for loop.

/// A tile register: up to 16 rows of up to 64 bytes.
pub type Tile = [[u8; 64]; 16];

/// What the manual says of an instruction: rows of the sum, dwords of a row of the left operand, dwords of a row of the
/// sum.
#[derive(Clone, Copy)]
pub struct Shape {
    pub rows: usize,
    pub dwords: usize,
    pub columns: usize,
}

/// Dword `i` of a row.
pub fn dword(tile: &Tile, row: usize, i: usize) -> [u8; 4] {
    std::array::from_fn(|byte| tile[row][4 * i + byte])
}

/// `DPBD(c, x, y)` of each dword; `signed`: bytes of the left operand, and of the right one.
pub fn tdpb(signed: [bool; 2], shape: Shape, c: &mut Tile, a: &Tile, b: &Tile) {
    let extend =
        |byte: u8, signed: bool| if signed { i32::from(byte as i8) } else { i32::from(byte) };
    for m in 0..shape.rows {
        for k in 0..shape.dwords {
            for n in 0..shape.columns {
                let (x, y) = (dword(a, m, k), dword(b, k, n));
                let mut sum = i32::from_le_bytes(dword(c, m, n));
                for byte in 0..4 {
                    let product = extend(x[byte], signed[0]) * extend(y[byte], signed[1]);
                    sum = sum.wrapping_add(product);
                }
                c[m][4 * n..4 * n + 4].copy_from_slice(&sum.to_le_bytes());
            }
        }
    }
}

/// Denormals are zeros before and after each step.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0f32.copysign(x) } else { x }
}

/// Sums of the even elements and of the odd ones by fused steps, then both, then what was there.
pub fn tdpbf16ps(shape: Shape, c: &mut Tile, a: &Tile, b: &Tile) {
    let halves = |x: [u8; 4]| {
        [0, 2]
            .map(|i| flushed(f32::from_bits(u32::from(u16::from_le_bytes([x[i], x[i + 1]])) << 16)))
    };
    for m in 0..shape.rows {
        for n in 0..shape.columns {
            let mut sums = [0.0f32; 2];
            for k in 0..shape.dwords {
                let (x, y) = (halves(dword(a, m, k)), halves(dword(b, k, n)));
                for i in 0..2 {
                    sums[i] = flushed(x[i].mul_add(y[i], sums[i]));
                }
            }
            let both = flushed(sums[0] + sums[1]);
            let before = flushed(f32::from_le_bytes(dword(c, m, n)));
            let sum = flushed(before + both);
            c[m][4 * n..4 * n + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
}
