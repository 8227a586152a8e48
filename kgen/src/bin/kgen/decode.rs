//! `kgen decode`: continues a text by a model of a GGUF file.

use crate::{Answer, Format, tell};
use kgen::{Error, compile::Caching, device::Cpu, kernels::Kernels};
use kgen_ir::dtype::Dtype;
use kgen_runtime::{
    decode::{Decoder, KvCache, Tokenizer},
    files::gguf::Gguf,
};
use std::{io::Write, path::PathBuf, sync::Arc, time::Instant};

/// Continue a prompt by the likeliest tokens of a Llama-family model
#[derive(clap::Args)]
pub struct Args {
    /// Weights f32, f16, bf16 or of any block format that products can read
    #[arg(value_name = "MODEL.gguf")]
    model: PathBuf,
    /// What to continue; it is told first
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Most tokens behind the prompt; an end token ends the text before
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// How keys and values are kept: f16, f32 or bf16
    #[arg(long, default_value = "f16", value_name = "TYPE")]
    cache: String,
    /// Device: cpu
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    on: String,
    /// A target that this CPU can run; the best one unless said
    #[arg(long, value_name = "T")]
    target: Option<String>,
    /// Worker threads; all cores unless said
    #[arg(long)]
    threads: Option<usize>,
}

pub fn run(args: &Args, format: Format, caching: Caching) -> Answer {
    if args.on != "cpu" {
        return Err(Error::Usage(format!("no device `{}`; this build has `cpu`", args.on)));
    }
    let elem = match Dtype::parse(&args.cache) {
        Some(elem @ (Dtype::F16 | Dtype::F32 | Dtype::BF16)) => elem,
        Some(_) | None => {
            let what =
                format!("--cache {}: keys and values are kept in f16, f32 or bf16", args.cache);
            return Err(Error::Usage(what));
        }
    };
    let named = |e: Error| match e {
        Error::Input(what) if !what.starts_with(&args.model.display().to_string()) => {
            Error::Input(format!("{}: {what}", args.model.display()))
        }
        Error::Input(_)
        | Error::Usage(_)
        | Error::Report(_)
        | Error::File { .. }
        | Error::Unsupported(_)
        | Error::Unavailable(_) => e,
    };
    let file = Gguf::open(&args.model).map_err(|e| Error::Input(e.to_string()))?;
    let gguf = Arc::new(file);
    let tokenizer = Tokenizer::open(&gguf).map_err(|e| named(e.into()))?;
    let prompt = tokenizer.encode(&args.prompt).map_err(|e| named(e.into()))?;
    if prompt.is_empty() {
        let what = "--prompt has no text, and this model has no token to begin with";
        return Err(Error::Usage(what.into()));
    }
    let mut cpu = Cpu::open(args.threads)?.with_target(args.target.as_deref())?;
    cpu.cache = kgen::compile::open_cache(caching)?;
    let start = Instant::now();
    // The last token of the text is told, but not read.
    let tokens = prompt.len().saturating_add(args.tokens.saturating_sub(1));
    let decoder = Decoder::new(&gguf, &Kernels::new(&cpu), cpu.workers(), KvCache { tokens, elem });
    let mut decoder = decoder.map_err(|e| named(e.into()))?;
    let ready = start.elapsed().as_secs_f64();

    let show = |bytes: &[u8]| {
        if format == Format::Text {
            let mut out = std::io::stdout();
            // A reader that has gone away is no mistake.
            let _ = out.write_all(bytes).and_then(|()| out.flush());
        }
    };
    show(args.prompt.as_bytes());
    let mut tokens = Vec::new();
    let mut given = prompt.clone();
    let (start, mut first) = (Instant::now(), 0.0);
    let ended = loop {
        if tokens.len() == args.tokens {
            break false;
        }
        let next = decoder.feed(&given, cpu.workers()).map_err(|e| named(e.into()))?;
        if tokens.is_empty() {
            first = start.elapsed().as_secs_f64();
        }
        if tokenizer.is_end(next) {
            break true;
        }
        show(tokenizer.bytes(next));
        tokens.push(next);
        given = vec![next];
    };
    let rest = start.elapsed().as_secs_f64() - first;
    show(b"\n");
    if format == Format::Json {
        let line = serde_json::json!({
            "model": args.model.display().to_string(), "device": args.on, "target": cpu.target.name,
            "prompt": args.prompt, "text": tokenizer.decode(&tokens), "prompt_tokens": prompt, "tokens": tokens,
            "ended": ended, "ready_seconds": ready, "prompt_seconds": first, "seconds": rest,
        });
        tell(&line.to_string());
    }
    let more = tokens.len().saturating_sub(1);
    eprintln!(
        "ready in {ready:.2} s, {} tokens of prompt in {:.1} ms, then {more} in {:.1} ms: {:.1} a second",
        prompt.len(),
        first * 1e3,
        rest * 1e3,
        if more == 0 { 0.0 } else { more as f64 / rest }
    );
    Ok(0)
}
