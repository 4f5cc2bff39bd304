"""A chat model made from nothing: random weights, a small tokenizer, one GGUF file.

It says nonsense, quickly, and the same nonsense each time at temperature 0, which is all that a test
of a tunnel needs. Two properties make tests exact: the end token is pushed out of reach, so an answer
is always as long as `max_tokens` says, and only tokens of printable ASCII can be chosen, so each
streamed piece is whole text.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

Weights = NDArray[np.float32]

END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TOOL = "<tool_call>"  # one token, so that a request's `logit_bias` can make the model call a tool
# ChatML with tools in the style of Hermes, which llama-server can parse back into tool calls.
TEMPLATE = """
{%- if tools %}
{{- '<|im_start|>system\\n<tools>' }}
{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\\n</tools><tool_call>{"name": NAME, "arguments": ARGUMENTS}</tool_call><|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- for tool_call in message.tool_calls or [] %}
{%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
{{- '<tool_call>{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}
{{- tool_call.arguments | tojson }}{{- '}</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
CORPUS = [
    "A tunnel is dialled from inside, so no door is opened from outside.",
    "The hub asks, the agent carries, the model answers, and every byte arrives once and in order.",
    "When a job ends, its provider turns grey; when it starts again, it wakes under the same name.",
    'print({"model": "tiny", "tokens": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "ok": True})',
    "Marks and brackets: . , ; : ! ? ( ) [ ] { } / - + * = and that is all.",
]
OUT_OF_REACH = (
    -6.0
)  # about -50 as a logit: never sampled, yet within reach of a `logit_bias` of 100


@dataclass(frozen=True)
class Shape:
    """How big the model is; a bigger one answers more slowly."""

    hidden: int = 128
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    vocabulary: int = 600
    context: int = 65536
    seed: int = 7

    @property
    def head(self) -> int:
        return self.hidden // self.heads

    @property
    def feed_forward(self) -> int:
        return self.hidden * 2


def make_tiny_model(path: Path, shape: Shape | None = None) -> Path:
    """Writes the model as GGUF to `path` and returns it."""
    shape = shape or Shape()
    tokenizer = _make_tokenizer(shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(str(path), "llama")
    size = tokenizer.get_vocab_size()
    _write_shape(writer, shape, size)
    _write_tokenizer(writer, tokenizer)
    for name, tensor in _make_weights(shape, tokenizer).items():
        writer.add_tensor(name, np.ascontiguousarray(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _make_tokenizer(shape: Shape) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocabulary,
        special_tokens=[END, START, STOP, TOOL],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    return tokenizer


def _is_plain(tokenizer: Tokenizer, token: int) -> bool:
    text = tokenizer.decode([token], skip_special_tokens=False)
    return text not in ("", END, START, STOP, TOOL) and text.isascii() and text.isprintable()


def _make_weights(shape: Shape, tokenizer: Tokenizer) -> dict[str, Weights]:
    """Random tensors, but for channel 0 of the residual stream: it is 1 throughout, so one column of
    the output matrix can hold chosen tokens down for good."""
    rng = np.random.default_rng(shape.seed)

    def random(*size: int, scale: float = 0.05) -> Weights:
        return (rng.standard_normal(size) * scale).astype(np.float32)

    def silent_first_row(tensor: Weights) -> Weights:
        tensor[0, :] = 0
        return tensor

    size, hidden, wide = tokenizer.get_vocab_size(), shape.hidden, shape.feed_forward
    embedding, output = random(size, hidden), random(size, hidden, scale=0.2)
    embedding[:, 0] = 1.0
    output[:, 0] = [0.0 if _is_plain(tokenizer, token) else OUT_OF_REACH for token in range(size)]
    ones = np.ones(hidden, np.float32)
    tensors = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": ones}
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        tensors |= {
            block + "attn_norm.weight": ones,
            block + "attn_q.weight": random(shape.heads * shape.head, hidden),
            block + "attn_k.weight": random(shape.kv_heads * shape.head, hidden),
            block + "attn_v.weight": random(shape.kv_heads * shape.head, hidden),
            block + "attn_output.weight": silent_first_row(
                random(hidden, shape.heads * shape.head)
            ),
            block + "ffn_norm.weight": ones,
            block + "ffn_gate.weight": random(wide, hidden),
            block + "ffn_up.weight": random(wide, hidden),
            block + "ffn_down.weight": silent_first_row(random(hidden, wide)),
        }
    return tensors


def _write_shape(writer: gguf.GGUFWriter, shape: Shape, vocabulary: int) -> None:
    writer.add_name("tiny")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(0)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    by_id = {token: text for text, token in tokenizer.get_vocab().items()}
    texts = [by_id[token] for token in range(len(by_id))]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    kinds = [_kind(text) for text in texts]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(texts)
    writer.add_token_types(kinds)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    vocabulary = tokenizer.get_vocab()
    writer.add_bos_token_id(vocabulary[END])
    writer.add_eos_token_id(vocabulary[STOP])
    writer.add_pad_token_id(vocabulary[END])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _kind(text: str) -> gguf.TokenType:
    if text in (END, START, STOP):
        return gguf.TokenType.CONTROL
    return gguf.TokenType.USER_DEFINED if text == TOOL else gguf.TokenType.NORMAL
