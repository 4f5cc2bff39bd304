"""A model of random weights and its tokenizer, made from nothing: it talks nonsense, at a real speed.

    python tests/gpu/make_model.py FOLDER [--small]

About a billion parameters, 2 GB in bfloat16, which keep a real GPU busy; `--small` is for a CPU.
"""

import sys
from pathlib import Path

TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


def make(folder: Path, *, is_small: bool) -> None:
    """Writes config, weights and tokenizer. Needs torch, transformers and tokenizers."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = [chr(code) for code in range(33, 127)] + ["\u0120", "\u010a"]
    pairs = [a + b for a in letters[:90] for b in letters[32:58]]
    words = ["<s>", "</s>", "<pad>", *letters, *pairs]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=128 if is_small else 2048,
        intermediate_size=256 if is_small else 6144,
        num_hidden_layers=2 if is_small else 20,
        num_attention_heads=4 if is_small else 16,
        num_key_value_heads=2 if is_small else 8,
        max_position_embeddings=8192,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        dtype="bfloat16",
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)


if __name__ == "__main__":
    make(Path(sys.argv[1]), is_small="--small" in sys.argv)
