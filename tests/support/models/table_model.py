"""A language model that is a table, as a GGUF file: after this token comes that one. Written with the standard library.

One layer of llama whose attention and feed-forward matrices are zero, so that what comes next depends on the last token
alone: embedding and output are the table. Text is read byte by byte; only what the model says has tokens of its own. The
chat template ends a prompt with the token of what is to be said, and so decides what that is by what is in the history.
"""

import struct
from array import array
from pathlib import Path

NOTICE = "[notice of the gateway] restarted"
_NEWS, _TOLD, _ASKED = "<|news|>", "<|told|>", "<|asked|>"  # it knows of a restart; of a result; else
_TEMPLATE = (
    "{% set seen = namespace(news=false) %}"
    "{% for message in messages %}<|turn|>{{ message.role }}\n"
    "{% if message.content %}{{ message.content }}{% endif %}"
    f"{{% if '{NOTICE}' in (message.content or '') %}}{{% set seen.news = true %}}{{% endif %}}"
    "{% for call in message.tool_calls or [] %}"
    '<tool_call>\n{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n</tool_call>'
    "{% endfor %}<|end|>\n{% endfor %}"
    "{% for tool in tools or [] %}<tools>{{ tool | tojson }}</tools>{% endfor %}"
    "{% if add_generation_prompt %}"
    f"{{% if messages[-1].role == 'tool' %}}{_TOLD}{{% elif seen.news %}}{_NEWS}{{% else %}}{_ASKED}{{% endif %}}"
    "{% endif %}"
)
_INTEGER, _UNSIGNED, _FLOAT, _STRING, _ARRAY = 5, 4, 6, 8, 9  # types of GGUF's values
_UNKNOWN, _CONTROL, _WORD, _BYTE = 2, 3, 4, 6  # types of its tokens
_HEAD = 64  # numbers of an attention head
_Value = int | float | str | list[str] | list[int] | list[float]


def write(path: Path, command: str, told: str, news: str) -> None:
    """Write a model that calls the terminal with `command`, says `told` to a result, and `news` once it knows of a restart."""
    # No piece may be "<tool_call>\n" itself: the engine would want it declared as a token of the template.
    calls = [
        "<tool_",
        "call>\n",
        '{"name": "terminal", "arguments": ',
        '{"command": "',
        command,
        '"}',
        "}\n</tool_call>",
    ]
    chains = {_ASKED: calls, _TOLD: _words(told), _NEWS: _words(news)}
    tokens = ["<unk>", "<s>", "<|end|>", "<|turn|>", *chains, *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [_UNKNOWN, *[_CONTROL] * (3 + len(chains)), *[_BYTE] * 256]
    following: dict[int, int] = {}
    for first, words in chains.items():
        before = tokens.index(first)
        for word in words:
            tokens.append(word)
            kinds.append(_WORD)
            following[before] = before = len(tokens) - 1
    path.write_bytes(_file(_about(tokens, kinds), _tensors(len(tokens), following)))


def _words(text: str) -> list[str]:
    return [f" {word}" if number else word for number, word in enumerate(text.split(" "))]


def _wide(tokens: int) -> int:
    return -(-tokens // _HEAD) * _HEAD


def _about(tokens: list[str], kinds: list[int]) -> dict[str, _Value]:
    wide = _wide(len(tokens))
    return {
        "general.architecture": "llama",
        "general.name": "a table",
        "llama.context_length": 32768,
        "llama.embedding_length": wide,
        "llama.block_count": 1,
        "llama.feed_forward_length": _HEAD,
        "llama.attention.head_count": wide // _HEAD,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": _HEAD,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": _TEMPLATE,
    }


def _tensors(tokens: int, following: dict[int, int]) -> dict[str, tuple[list[int], array]]:
    wide = _wide(tokens)
    embedding, output = _zeros(wide * tokens), _zeros(wide * tokens)
    for token in range(tokens):
        embedding[token * wide + token] = 1.0
        output[following.get(token, 2) * wide + token] = 1.0
    ones, square, narrow = array("f", [1.0] * wide), _zeros(wide * wide), _zeros(wide * _HEAD)
    return {
        "token_embd.weight": ([wide, tokens], embedding),
        "output_norm.weight": ([wide], ones),
        "output.weight": ([wide, tokens], output),
        "blk.0.attn_norm.weight": ([wide], ones),
        "blk.0.ffn_norm.weight": ([wide], ones),
        **{f"blk.0.attn_{name}.weight": ([wide, wide], square) for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}.weight": ([wide, _HEAD], narrow) for name in ("gate", "up")},
        "blk.0.ffn_down.weight": ([_HEAD, wide], narrow),
    }


def _zeros(count: int) -> array:
    return array("f", bytes(4 * count))


def _file(about: dict[str, _Value], tensors: dict[str, tuple[list[int], array]]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(about))
    head += b"".join(_string(name) + _value(value) for name, value in about.items())
    body = b""
    for name, (shape, numbers) in tensors.items():
        head += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(body))
        body += _aligned(numbers.tobytes())
    return _aligned(head) + body


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 32)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: _Value) -> bytes:
    if isinstance(value, int):
        return struct.pack("<II", _UNSIGNED, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value)
    if isinstance(value[0], str):
        return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(map(_string, value))
    kind, code = (_FLOAT, "f") if isinstance(value[0], float) else (_INTEGER, "i")
    return struct.pack(f"<IIQ{len(value)}{code}", _ARRAY, kind, len(value), *value)
