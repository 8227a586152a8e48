//! What a candidate takes at least, without a run: what leaves it out, or makes it the same as another.

use crate::compile::Compiled;
use kgen_ir::{
    extent::Dims,
    tile::{Share, Stmt},
};

/// The kernels that these sizes launch, in order.
fn launched<'a>(compiled: &'a Compiled, variant: &str) -> Vec<&'a str> {
    let found = compiled.program.variants.iter().find(|v| v.name == variant);
    found.map_or(vec![], |v| v.launches.iter().map(|l| l.kernel.as_str()).collect())
}

/// What these sizes launch, as text: candidates of the same text are the same.
pub fn code(compiled: &Compiled, variant: &str) -> String {
    let artifact = &compiled.artifact;
    let manifest = &artifact.manifest;
    let mut text = String::new();
    for v in manifest.variants.iter().filter(|v| v.name == variant) {
        text += &format!("{:?}\n", v.launches);
    }
    for name in launched(compiled, variant) {
        for k in manifest.kernels.iter().filter(|k| k.name == name) {
            text += artifact.files.get(&k.file).map_or("", String::as_str);
        }
    }
    for p in &manifest.prepares {
        text += &format!("{p:?}\n");
    }
    kgen_ir::artifact::hash(&text)
}

/// Of all bytes of inputs, the share that the busiest worker reads at least: 1/workers where tasks come out even.
///
/// One task reads no less than its part: with `tasks` of them, handed out `chunk` at a time, some worker has
/// ceil(ceil(tasks / chunk) / workers) chunks. The last tasks of rows may be short, so this can be up to twice the truth.
/// `None` where that is not known before the run.
pub fn busiest(compiled: &Compiled, variant: &str, dims: &Dims, workers: usize) -> Option<f64> {
    let names = launched(compiled, variant);
    let kernels = compiled.program.kernels.iter().filter(|k| names.contains(&k.name.as_str()));
    // Kernels before and behind the main one read little: the one that shares its work worst may be one of them.
    let shares = kernels.map(|k| {
        let mut tasks = k.body.iter().filter_map(|s| {
            if let Stmt::Tasks { count, share, .. } = s { Some((count, share)) } else { None }
        });
        let (count, share) = tasks.next().filter(|_| tasks.next().is_none())?;
        let count = usize::try_from(count.eval(dims).ok()?).ok().filter(|c| *c > 0)?;
        let chunk = match share {
            Share::Static => 1,
            Share::Dynamic(chunk) => usize::try_from(*chunk).ok().filter(|c| *c > 0)?,
        };
        let most = count.div_ceil(chunk).div_ceil(workers) * chunk;
        Some(most.min(count) as f64 / count as f64)
    });
    let shares: Option<Vec<f64>> = shares.collect();
    shares?.into_iter().min_by(f64::total_cmp)
}
