"""Vocabularies by the packages tokenizers and sentencepiece, and what these cut texts into.

usage: vocabularies.py FOLDER      writes FOLDER/NAME.gguf and FOLDER/cases.json: {NAME: [[text, ids], ...]}

Each is trained on documents of this repository and on scraps of other scripts, and written into a model file as
converters of llama.cpp write it.
"""

import io
import json
import pathlib
import random
import sys

import gguf
import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).parents[2]
ENDINGS = "'s|'t|'re|'ve|'m|'ll|'d"
LLAMA3 = (
    rf"(?i:{ENDINGS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2 = rf"{ENDINGS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+"
# Values of `tokenizer.ggml.pre`, and the expressions they stand for, one after the other.
SPLITS = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "llama-bpe": [LLAMA3],
    "qwen2": [LLAMA3.replace("{1,3}", "")],
}
OTHERS = [
    "naïve café, Straße; Ωμέγα я не знаю 漢字かな 한국어 हिन्दी ไทย עברית العربية",
    "x = [1, 22, 333, 4444]; y\t=\t\"½ ²\"\r\n\r\n\n  if (a != b) { I'LL we'll DON'T }",
    "🙂👍🏽 e\u0301 \u00a0\u3000\u2028 <s> <|begin|> </s> <0x41>",
]


def texts():
    names = ["ARCHITECTURE.md", "README.md", "LICENSE-MIT", "tests/witness/vocabularies.py"]
    documents = [(ROOT / n).read_text() for n in names]
    draw = random.Random(7)
    out = [""] + OTHERS + [documents[2]]
    whole = "".join(documents + OTHERS)
    for _ in range(300):
        start, size = draw.randrange(len(whole)), draw.randrange(1, 80)
        out.append(whole[start : start + size])
    signs = list("aB1 '.\n\t_é字\u0301²") + ["ll", "  ", "\r\n"]
    out += ["".join(draw.choice(signs) for _ in range(draw.randrange(1, 16))) for _ in range(500)]
    return documents, out


def write(path, model, tokens, types, keys):
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model(model)
    w.add_token_list(tokens)
    w.add_token_types(types)
    for add, value in keys:
        getattr(w, add)(value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def byte_pairs(folder, name, expressions, documents):
    t = Tokenizer(models.BPE(ignore_merges=name == "llama-bpe"))
    splits = [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions]
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    t.pre_tokenizer = pre_tokenizers.Sequence([*splits, level])
    t.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False)
    t.train_from_iterator(documents + OTHERS * 3, trainer)
    model = json.loads(t.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    keys = [("add_tokenizer_pre", name), ("add_token_merges", merges), ("add_add_bos_token", False)]
    write(folder / f"{name}.gguf", "gpt2", tokens, [gguf.TokenType.NORMAL] * len(tokens), keys)
    return lambda text: t.encode(text).ids


def pieces(folder, name, documents, prefix):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(documents + OTHERS).split("\n")), model_writer=out, vocab_size=900,
        model_type="bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=prefix, split_digits=True, character_coverage=0.995, minloglevel=2,
        allow_whitespace_only_pieces=True,
    )
    s = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    kind = gguf.TokenType
    types = []
    for i in range(len(s)):
        byte, control, unknown = s.is_byte(i), s.is_control(i), s.is_unknown(i)
        types.append(kind.BYTE if byte else kind.CONTROL if control else kind.UNKNOWN if unknown else kind.NORMAL)
    keys = [
        ("add_token_scores", [s.get_score(i) for i in range(len(s))]), ("add_bos_token_id", s.bos_id()),
        ("add_eos_token_id", s.eos_id()), ("add_unk_token_id", s.unk_id()), ("add_add_space_prefix", prefix),
    ]
    write(folder / f"{name}.gguf", "llama", [s.id_to_piece(i) for i in range(len(s))], types, keys)
    return lambda text: [s.bos_id()] + s.encode(text)


def main(folder):
    documents, cases = texts()
    made = {name: byte_pairs(folder, name, e, documents) for name, e in SPLITS.items()}
    made |= {f"pieces-{prefix}": pieces(folder, f"pieces-{prefix}", documents, prefix) for prefix in (True, False)}
    told = {name: [[text, encode(text)] for text in cases] for name, encode in made.items()}
    (folder / "cases.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
