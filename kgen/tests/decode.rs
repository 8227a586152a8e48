//! `kgen decode` as a user meets it, on the model of the examples.

use std::{
    path::Path,
    process::{Command, Output},
};

fn kgen(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Command::new(env!("CARGO_BIN_EXE_kgen"))
        .args(args)
        .env("KGEN_CACHE", "")
        .current_dir(root)
        .output()
        .expect("kgen starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("kgen ends by itself")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("results are text")
}

#[test]
fn a_model_continues_a_prompt() {
    let model = "examples/words.gguf";
    let prompt = "Masks on positions become";
    let args = ["decode", model, "--prompt", prompt, "--tokens", "18", "--threads", "2"];
    let output = kgen(&args);
    assert_eq!(code(&output), 0, "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with(&format!("{prompt} ranges of keys**")), "{text}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(" tokens of prompt in ") && told.contains(" a second"), "{told}");
    let output = kgen(&[&args[..], &["--format", "json"]].concat());
    let line: serde_json::Value = serde_json::from_str(stdout(&output).trim()).unwrap();
    assert_eq!(format!("{prompt}{}\n", line["text"].as_str().unwrap()), text);
    assert_eq!(line["tokens"].as_array().unwrap().len(), 18);
    assert_eq!(line["ended"], false);
    // The prompt alone.
    let output = kgen(&["decode", model, "--prompt", "a b", "--tokens", "0"]);
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "a b\n"));
}

#[test]
fn what_cannot_be_decoded_is_told() {
    let text = Path::new(env!("CARGO_TARGET_TMPDIR")).join("text.gguf");
    std::fs::write(&text, "no model").unwrap();
    let model = "examples/words.gguf";
    for (args, wanted, told) in [
        (&["decode", model, "--prompt", "a", "--on", "moon"][..], 2, "no device `moon`"),
        (&["decode", model, "--prompt", "a", "--cache", "i8"], 2, "kept in f16, f32 or bf16"),
        (&["decode", model, "--prompt", "a", "--tokens", "9999"], 2, "the model was trained for"),
        (&["decode", "examples/none.gguf", "--prompt", "a"], 3, "examples/none.gguf: "),
        (&["decode", text.to_str().unwrap(), "--prompt", "a"], 3, "this is not a GGUF file"),
        (
            &["decode", "examples/tiny.gguf", "--prompt", "a"],
            3,
            "examples/tiny.gguf: the file has no key `tokenizer.ggml.tokens`",
        ),
    ] {
        let output = kgen(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), wanted, "{args:?} {error}");
        assert!(error.contains(told), "{error}");
    }
}
