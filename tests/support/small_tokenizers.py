"""Tokenizers of a few hundred tokens, made on the spot: one for each way in which real ones differ."""

import re

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from simpo_core.models import CHATML

WORDS = ("The", " capital", " of", " France", " is", " Paris", "Paris", "system", "user", "assistant")

BOS_TEMPLATE = (  # in the manner of Llama 3 and Gemma: the template writes BOS itself
    "{{ bos_token }}{% for message in messages %}[{{ message.role }}]\n{{ message.content | trim }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]\n{% endif %}"
)
LLAMA2_TEMPLATE = (  # no generation prompt; the assistant's turn begins with a space
    "{% for message in messages %}{% if message.role == 'user' %}[INST] {{ message.content }} [/INST]"
    "{% else %} {{ message.content }} </s>{% endif %}{% endfor %}"
)


def chatml_tokenizer(**kwargs):
    """Byte-level BPE that knows WORDS, with ChatML: no BOS before text, as SmolLM2 and Qwen."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = _byte_level(specials)
    settings = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"} | kwargs
    return _fast(tokenizer, CHATML, **settings)


def bos_tokenizer(**kwargs):
    """Byte-level BPE that puts <s> before text, with a template that writes <s> too; a turn ends in <end>, not EOS."""
    tokenizer = _byte_level(["<s>", "</s>", "<end>"])
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]),
        ]
    )
    return _fast(tokenizer, BOS_TEMPLATE, **({"bos_token": "<s>", "eos_token": "</s>"} | kwargs))


def spaced_tokenizer(*, normalised: bool, chat_template=LLAMA2_TEMPLATE):
    """In the manner of SentencePiece: a space before all text, as Llama 2 by its normaliser, or by Metaspace."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *map(chr, range(33, 127))]
    merges = []
    for word in ("▁Paris", "Paris", "▁is"):
        merges += [merge for merge in _chain(word) if merge not in merges]
    pieces += [left + right for left, right in merges]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True))
    if normalised:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return _fast(tokenizer, chat_template, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _byte_level(specials):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = []
    for word in WORDS:
        merges += [merge for merge in _chain(word.replace(" ", "Ġ")) if merge not in merges]
    vocabulary = {token: number for number, token in enumerate([*specials, *alphabet])}
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    return tokenizer


def _chain(word):
    """The merges that build a word from its left: P a, Pa r, Par i, Pari s."""
    return [(word[:end], word[end]) for end in range(1, len(word))]


def _fast(tokenizer, chat_template, **kwargs):
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **kwargs)
    fast.chat_template = chat_template
    return fast


MARKUP = r"<\w+_of_\w+>|<[|｜][^|｜<>\s]{1,40}[|｜]>|<\|?turn\|?>|<\|channel>|<channel\|>|<\|?tool[a-z_]*\|?>|</s>"


def template_tokenizer(chat_template):
    """Bytes, the markup that a published chat template writes as special tokens, and that template."""
    specials = ["<bos>", "<eos>", *sorted(set(re.findall(MARKUP, chat_template)))]
    return _fast(_byte_level(specials), chat_template, bos_token="<bos>", eos_token="<eos>")
