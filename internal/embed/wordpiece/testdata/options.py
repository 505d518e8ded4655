"""Writes options.jsonl: what the reference tokenizer makes of texts under other
options than those of tokens.jsonl.gz, and of pairs of texts in a window.

    pip install tokenizers==0.23.3
    python internal/embed/wordpiece/testdata/options.py VOCAB internal/embed/wordpiece/testdata

VOCAB is the vocab.txt of BAAI/bge-small-en-v1.5 (see ../../README.md).
"""
import itertools, json, pathlib, random, sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

vocabulary = {line.rstrip("\n"): i for i, line in enumerate(open(sys.argv[1], encoding="utf-8", newline="\n"))}
pieces = [p.removeprefix("##") for p in vocabulary if not p.startswith("[")]


def tokenizer(lowercase, strip_accents, chinese):
    t = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents, handle_chinese_chars=chinese)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return t


texts = [
    "", "Hello WORLD", "Café CAFÉ cafe\u0301 naïve Ångström \u212b", "İstanbul I\u0307 ıI", "ΟΔΟΣ Σ ς",
    "漢字kana かな 中a文", "\U0002b820\U0002b920 x\U0002b820y", "豈 \U0002f800", "한국어 \u1112\u1161\u11ab", "ЁЛКА Й й и\u0306",
    "≠ =\u0338 <\u0338 \u226e", "עִבְרִית हिन्दी ไทย", "a\u302f\u302e b\u302e\u302f\u0301 \u302fc", "\U0001d15e \u0f77 \u0f73",
    "\u037e \u0387 \u1fef \u2000 \u2126", "x\u0085y\u000bz\u00a0\u2028w\u200bv", "e.g. U.S.A. 1,234.50% A_B", "ﬁ ＡＢＣ ℌ ǅ ẞ",
    "\u0301" * 40 + "a" + "\u302f\u302e" * 40, "A" * 100 + " " + "É" * 101 + " " + "é" * 100,
]
random.seed(1)
blocks = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x5B0, 0x6FF), (0x900, 0xDFF), (0x1E00, 0x20FF), (0x3000, 0x33FF), (0x4E00, 0x4FFF), (0xAC00, 0xD7A3)]
for _ in range(20):
    parts = []
    for _ in range(8):
        low, high = random.choice(blocks)
        parts.append("".join(chr(random.randint(low, high)) for _ in range(random.randint(1, 4))))
        parts.append(random.choice(["", " ", random.choice(pieces).title()]))
    texts.append("".join(parts))

with open(pathlib.Path(sys.argv[2]) / "options.jsonl", "w", encoding="utf-8", newline="\n") as f:
    for options in itertools.product((False, True), repeat=3):
        t = tokenizer(*options)
        for text in texts:
            row = dict(zip(("lowercase", "strip_accents", "handle_chinese_chars"), options), text=text, ids=t.encode(text).ids)
            f.write(json.dumps(row) + "\n")
    t = tokenizer(True, True, True)
    for _ in range(100):
        window = random.choice((3, 4, 5, 8, 13, 20))
        t.enable_truncation(window, strategy="longest_first")
        a, b = (" ".join(random.choices(pieces, k=random.choice((0, 1, 2, 5, 9, 12)))) for _ in range(2))
        e = t.encode(a, b)
        f.write(json.dumps({"text": a, "second": b, "window": window, "ids": e.ids, "types": e.type_ids}) + "\n")
